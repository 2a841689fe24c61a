"""Money, sealed fields, cursors, days: the small values that everything else is made of."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared import clock
from shared.access import keys
from shared.access.principal import EVERYTHING
from shared.batches import ROWS_MAX
from shared.errors import Refusal
from shared.forms import PastDay, Trilingual
from shared.ids import new_id
from shared.money import Money, MoneyView, PositiveMoney
from shared.paging import LIMIT_MAX, Cursors, InvalidCursor
from shared.process import BODY_BYTES_MAX
from shared.sealed import Seal
from tests.shared.kites import Kite
from tests.systems import ServiceUnderTest

TIYN_MAX = 10**15 - 1


@pytest.fixture(scope="module")
def keys_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    keys.make_missing(folder)
    return folder


# --- money ----------------------------------------------------------------------------------------------------------


@given(minor=st.integers(0, TIYN_MAX))
def test_money_goes_out_and_comes_in_as_the_same_tiyn(minor: int) -> None:
    view = MoneyView.of_minor(minor)

    assert Money.model_validate(view.model_dump()).minor == minor
    assert Decimal(view.amount) * 100 == minor


@given(minor=st.integers(-TIYN_MAX, TIYN_MAX))
def test_what_went_out_is_shown_as_negative(minor: int) -> None:
    shown = MoneyView.of_minor(minor).amount

    assert Decimal(shown) * 100 == minor
    assert shown.startswith("-") == (minor < 0)


@given(amount=st.decimals(0, 10**12, places=2))
def test_a_json_number_of_two_decimals_is_taken_as_it_is_written(amount: Decimal) -> None:
    assert Money.model_validate({"amount": float(amount)}).minor == int(amount * 100)


@given(
    value=st.one_of(st.text(max_size=20), st.floats(), st.integers(), st.booleans(), st.none(), st.lists(st.integers()))
)
def test_whatever_is_given_for_an_amount_is_whole_tiyn_or_refused(value: Any) -> None:
    try:
        money = Money.model_validate({"amount": value})
    except ValidationError:
        return
    assert 0 <= money.minor <= TIYN_MAX
    assert Decimal(str(value)) * 100 == money.minor


def test_nothing_is_no_gift() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(PositiveMoney).validate_python({"amount": "0.00"})
    assert TypeAdapter(PositiveMoney).validate_python({"amount": "0.01"}).minor == 1


# --- sealed ---------------------------------------------------------------------------------------------------------


@given(text=st.text(max_size=200))
def test_what_is_sealed_opens_in_its_place_only(keys_dir: Path, text: str) -> None:
    seal, row, other = Seal(keys_dir), new_id(), new_id()
    sealed = seal.close(text, place="volunteer.iin", row=row)

    assert seal.open(sealed, place="volunteer.iin", row=row).decode() == text
    for place, elsewhere in (("volunteer.iin", other), ("volunteer.phone", row), ("volunteer", f"iin|{row}")):
        with pytest.raises(InvalidTag):
            seal.open(sealed, place=place, row=elsewhere)


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_ciphertext_with_one_bit_changed_does_not_open(keys_dir: Path, place: int, bit: int) -> None:
    seal = Seal(keys_dir)
    sealed = bytearray(seal.close("900517300019", place="volunteer.iin", row="1"))
    sealed[place % len(sealed)] ^= 1 << bit

    with pytest.raises((InvalidTag, KeyError, UnicodeDecodeError, ValueError)):
        seal.open(bytes(sealed), place="volunteer.iin", row="1")


def test_the_same_text_is_never_sealed_the_same_way_and_is_still_found(keys_dir: Path, tmp_path: Path) -> None:
    seal = Seal(keys_dir)
    keys.make_missing(tmp_path / "other")
    other = Seal(tmp_path / "other")

    assert seal.close("a", place="p", row="1") != seal.close("a", place="p", row="1")
    assert seal.index("a", place="p") == seal.index("a", place="p")
    assert seal.index("a", place="p") != seal.index("a", place="q")
    assert seal.index("a", place="p") != other.index("a", place="p")
    with pytest.raises((InvalidTag, KeyError)):
        other.open(seal.close("a", place="p", row="1"), place="p", row="1")


# --- cursors --------------------------------------------------------------------------------------------------------


@given(after=st.lists(st.one_of(st.text(), st.integers(-(2**53), 2**53), st.booleans(), st.none()), max_size=4))
def test_a_cursor_holds_what_was_put_into_it_for_its_list_only(keys_dir: Path, after: list[Any]) -> None:
    cursors = Cursors(keys_dir)
    cursor = cursors.encode(after, of="/v1/kites")

    assert cursors.decode(cursor, of="/v1/kites") == after
    with pytest.raises(InvalidCursor):
        cursors.decode(cursor, of="/v1/strings")


@given(text=st.text(max_size=80))
def test_no_text_is_a_cursor_by_chance(keys_dir: Path, text: str) -> None:
    with pytest.raises(InvalidCursor):
        Cursors(keys_dir).decode(text, of="/v1/kites")


@pytest.fixture
async def many(kites: ServiceUnderTest) -> ServiceUnderTest:
    async with kites.database.transaction(EVERYTHING) as tx:
        tx.insert(*(Kite(name=f"kite {n:03d}", note="red" if n % 2 else "blue") for n in range(25)))
    return kites


async def test_a_list_is_walked_to_its_end_while_rows_come_and_go(many: ServiceUnderTest) -> None:
    names: list[str] = []
    address: str | None = "/v1/kites?limit=10"
    while address is not None:
        page = (await many.client.get(address)).json()
        names += [item["name"] for item in page["items"]]
        address = page.get("next")
        # Before the place reached, after it, and the very row that the cursor was made of
        await many.database.pool.execute(
            "INSERT INTO kite (id, version, name, length_cm, colours) VALUES"
            " (gen_random_uuid(), 1, 'a' || random(), 1, '[]')"
        )
        await many.database.pool.execute("DELETE FROM kite WHERE name = $1", names[-1])

    assert names == [f"kite {n:03d}" for n in range(25)]


async def test_the_next_page_keeps_the_filters(many: ServiceUnderTest) -> None:
    first = (await many.client.get("/v1/kites?colour=red&limit=10")).json()
    second = (await many.client.get(first["next"])).json()

    assert [len(page["items"]) for page in (first, second)] == [10, 2]
    assert "colour=red" in first["next"]
    assert "limit=10" in first["next"]
    assert first["next"].startswith("/v1/kites?")
    assert "next" not in second or second["next"] is None


async def test_a_cursor_is_refused_when_it_was_changed_or_is_for_another_list(many: ServiceUnderTest) -> None:
    cursor = (await many.client.get("/v1/kites?colour=red&limit=10")).json()["next"].partition("cursor=")[2]
    wrong = [
        f"/v1/kites?cursor={cursor}",
        f"/v1/kites?colour=blue&cursor={cursor}",
        f"/v1/kites?colour=red&colour=red&cursor={cursor}",
        f"/v1/kites?colour=red&cursor={cursor[:-4]}",
        f"/v1/kites?colour=red&cursor={'B' if cursor[0] == 'A' else 'A'}{cursor[1:]}",
        "/v1/kites?colour=red&cursor=x",
        "/v1/kites?colour=red&cursor=%00",
        "/v1/kites?colour=red&cursor=ә",
    ]

    for address in wrong:
        answer = await many.client.get(address)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-cursor"), address
    assert (await many.client.get(f"/v1/kites?colour=red&limit=3&cursor={cursor}")).status_code == 200


async def test_more_than_the_most_is_taken_as_the_most_and_less_than_one_is_refused(kites: ServiceUnderTest) -> None:
    async with kites.database.transaction(EVERYTHING) as tx:
        tx.insert(*(Kite(name=f"{n:03d}") for n in range(LIMIT_MAX + 10)))

    assert len((await kites.client.get("/v1/kites?limit=100000")).json()["items"]) == LIMIT_MAX
    for wrong in ("0", "-1", "a", "1.5", ""):
        answer = await kites.client.get(f"/v1/kites?limit={wrong}")
        assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")


# --- days, ids, words -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        # UTC+6 until 2024-03-01, UTC+5 from then on
        ("2021-06-30T17:59:59Z", date(2021, 6, 30)),
        ("2021-06-30T18:00:00Z", date(2021, 7, 1)),
        ("2026-06-30T18:59:59Z", date(2026, 6, 30)),
        ("2026-06-30T19:00:00Z", date(2026, 7, 1)),
        ("2026-07-01T00:00:00+05:00", date(2026, 7, 1)),
    ],
)
def test_the_civil_day_is_the_one_on_the_wall_in_almaty(instant: str, day: date) -> None:
    assert clock.civil_day(datetime.fromisoformat(instant)) == day


def test_a_past_day_may_be_today_anywhere_and_not_later() -> None:
    today = clock.civil_day(datetime.now(UTC))
    past_day = TypeAdapter(PastDay)

    assert past_day.validate_python(today.isoformat()) == today
    with pytest.raises(ValidationError):
        past_day.validate_python((today + timedelta(days=2)).isoformat())


def test_ids_are_real_uuids_in_the_order_in_which_they_were_made() -> None:
    ids = [new_id() for _ in range(5000)]

    assert all(type(i) is UUID and i.version == 7 for i in ids)
    assert ids == sorted(set(ids))


def test_a_text_in_fewer_languages_falls_back_to_kazakh() -> None:
    assert Trilingual(kk="а").filled() == {"kk": "а", "ru": "а", "en": "а"}
    assert Trilingual(kk="а", ru="б").filled() == {"kk": "а", "ru": "б", "en": "б"}
    assert Trilingual(kk="а", en="c").filled() == {"kk": "а", "ru": "а", "en": "c"}


def test_a_refusal_s_code_is_its_name_in_kebab_case() -> None:
    class IINAlreadyUsedTwice(Refusal):
        pass

    class EmailTaken2(Refusal):
        """Taken."""

    assert EmailTaken2.code() == "email-taken2"
    assert IINAlreadyUsedTwice.title()


def test_a_full_batch_of_ordinary_rows_fits_into_a_request() -> None:
    assert ROWS_MAX * 8 * 1024 <= BODY_BYTES_MAX
