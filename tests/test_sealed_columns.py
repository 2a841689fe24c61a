"""Every column that may hold something about a person is sealed, or named here with the reason why not."""

import importlib
from collections.abc import Iterator

import pytest
from sqlalchemy import Boolean, Column, Date, DateTime, Integer, MetaData, SmallInteger, Table, Uuid

from shared.sealed import sealed_columns

SERVICES = ("volunteers", "events", "charity", "gateway")

_IDS = "ids, codes and words of our own, which name nobody"
_PUBLIC = "written to be read by everybody"

READABLE = {
    # --- in every service
    "outbox.*": "messages carry no personal data (decision 0005), which tests/contracts and the canary hold them to",
    "parked.*": "as the outbox",
    "inbox.*": _IDS,
    "outbox_total.*": _IDS,
    "inbox_total.*": _IDS,
    "idempotency.*": "who asked by id, and a hash of the request; the answer is sealed",
    "journal.*": "ids, and purposes that may hold no number or address; never a value",
    # --- jobs
    "job.asked": _IDS,
    "job.principal": _IDS,
    "job.outcomes": _IDS,
    "job_key.key": "a hash that is worthless without its key",
    # --- volunteers
    "centre.*": _PUBLIC,
    "assignment.person_name": "who leads and coordinates is published by the network, as of every public office",
    "volunteer.full_name": "searched by the beginnings of its words (decision 0016)",
    "volunteer.sort_key": "sorted by the Kazakh alphabet (decision 0016)",
    "volunteer.name_folded": "searched by the beginnings of its words (decision 0016)",
    "volunteerword.word": "one word of the above",
    "volunteer.born_in": "year and month: age rules ask for it, and messages carry it",
    "volunteer.skills": "searched; what somebody can do, not who they are",
    "volunteer.languages_spoken": "codes",
    "volunteer.*_index": "hashes that are worthless without their key",
    "consent.text_version": "which printed text was agreed to",
    "declaration.source": "which paper an estimate of a number comes from",
    # --- events
    "event.*": _PUBLIC,
    "headcount.counted_by": "who answers for a public figure, as a signature under it",
    "knownvolunteer.born_in": "year and month: age rules ask for it",
    # --- charity
    "campaign.*": _PUBLIC,
    "donation.goods": "kinds and amounts of goods",
    "donation.external_ref": "the bank's or till's number of a payment: one gift per number, which the database keeps",
    "disbursement.purpose": "an accounting record that auditors read: what a fund's money was for",
    "family.lives_in": "a region",
    "member.relation": "one of five words",
    "member.iin_index": "a hash that is worthless without its key",
    "*.made_from": "hashes that are worthless without their key",
    # --- gateway
    "feed.*": "as the outbox",
    "account.login_index": "a hash that is worthless without its key",
    "account.password": "Argon2id",
    "account.issuer": "an address of the organisation's own sign-in",
    "account.subject": "how that sign-in numbers its people",
    "session.agent": "what a browser calls itself, which is not who uses it",
    "session.secret": "a hash of a random secret",
    "apikey.secret": "a hash of a random secret",
    "apikey.key_id": _IDS,
    "apikey.name": "what a machine is called",
    "apikey.permissions": _IDS,
    "apikey.networks": "addresses of machines",
    "*.centres": _IDS,
    "*.directions": _IDS,
    "invitation.secret": "a hash of a random secret",
    "failedsignins.about": "a hash that is worthless without its key",
}
"""`table.column`; `*` stands for any."""
OURS = {
    "status", "was", "kind", "region", "role", "direction", "format", "hazard", "attendance", "language", "how", "by",
    "method", "what", "account",
}  # fmt: skip
"""Columns whose values are codes of our own."""
BY_WHOM = {
    "changed_by", "recorded_by", "opened_by", "confirmed_by", "withdrawn_by", "attendance_by", "taken_by", "made_by",
    "given_by", "ended_by",
}  # fmt: skip
"""Principals' ids."""


def metadata_of(service: str) -> MetaData:
    return importlib.import_module(f"services.{service}.tables").Base.metadata


def doubtful(service: str) -> Iterator[tuple[Table, "Column[object]"]]:
    """Columns that could hold words about a person."""
    for table in metadata_of(service).sorted_tables:
        for column in table.columns:
            harmless = isinstance(column.type, Integer | SmallInteger | Boolean | Uuid | DateTime | Date)
            if column.info.get("sealed") or column.name in OURS | BY_WHOM:
                continue
            if not harmless or column.name.startswith("born"):
                yield table, column


def reason_for(table: str, column: str) -> str | None:
    for place in (f"{table}.{column}", f"{table}.*", f"*.{column}"):
        if place in READABLE:
            return READABLE[place]
    return READABLE.get(f"{table}.*_index") if column.endswith("_index") else None


@pytest.mark.parametrize("service", SERVICES)
def test_what_may_tell_of_a_person_is_sealed_or_says_why_not(service: str) -> None:
    unexplained = [f"{table.name}.{c.name}" for table, c in doubtful(service) if not reason_for(table.name, c.name)]

    assert not unexplained


def test_every_exception_is_of_a_column_that_exists() -> None:
    places = {
        place
        for service in SERVICES
        for table, column in doubtful(service)
        for place in (f"{table.name}.{column.name}", f"{table.name}.*", f"*.{column.name}", f"{table.name}.*_index")
    }

    assert set(READABLE) <= places


def test_what_is_sealed() -> None:
    sealed = {
        f"{table.name}.{column}"
        for service in ("volunteers", "events", "charity")
        for table, columns in sealed_columns(metadata_of(service)).items()
        for column in columns
    }

    assert sealed == {
        "idempotency.body", "job.heading", "job_page.rows", "job_page.answers",
        "volunteer.born_on", "volunteer.iin", "volunteer.phone", "volunteer.email", "volunteer.affiliation",
        "volunteer.emergency_contact", "consent.by_name", "statuschange.reason",
        "donation.donor", "refund.reason",
        "family.address", "family.referred_by", "family.categories",
        "member.full_name", "member.born_on", "member.iin", "member.categories",
        "delivery.description", "delivery.snapshot", "delivery.void_reason",
    }  # fmt: skip
