"""The documents say what the code does: the reference is current, links lead somewhere, calls and commands are real."""

import re
from typing import Any

import pytest
import typer.main
from pydantic import BaseModel

from deploy.demo.network import Network
from deploy.local.installation import CODE
from deploy.operate.cli import app
from deploy.reference import render
from deploy.reference.__main__ import FOLDER
from services.charity import schemas as charity
from services.events import schemas as events
from services.gateway.asyncapi import contracts
from services.volunteers import schemas as volunteers
from shared.messaging.subjects import PUBLISHERS
from tests.docs import pages

FORMS: dict[str, type[BaseModel]] = {
    r"centres": volunteers.OpenCentre,
    r"volunteers": volunteers.RegisterVolunteer,
    r"volunteers/searches": volunteers.SearchVolunteers,
    r"volunteers/ID/approvals": volunteers.Decide,
    r"events": events.CreateEvent,
    r"events/ID/holdings": events.HoldEvent,
    r"shifts": events.OpenShift,
    r"sign-ups": events.SignUpForShift,
    r"sign-ups/ID/attendances": events.RecordAttendance,
    r"campaigns": charity.DraftCampaign,
    r"campaigns/ID/openings": charity.DecideOnCampaign,
    r"donations": charity.RecordDonation,
    r"disbursements": charity.RequestDisbursement,
    r"disbursements/ID/approvals": charity.ApproveDisbursement,
    r"disbursements/ID/payments": charity.PayDisbursement,
    r"families": charity.RegisterFamily,
    r"families/ID/verifications": charity.VerifyFamily,
    r"deliveries": charity.MakeDelivery,
    r"deliveries/ID/voids": charity.VoidDelivery,
}
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MEASURED = {"faults.md", "benchmarks", "benchmarks.json", "benchmarks.md"}
"""Pages that hold what was measured: written by the runs that measure, not by `make docs`."""
_HOSTS = {"127.0.0.1", "host", "address", "login.example", "asar.your.example", "objects.your.example"}
_HOSTS |= {"collector.monitoring", "traces", "cloudnative-pg.io", "keda.sh"}
"""Hosts that the documents may name: this machine, words that stand for one, and homes of what an operator installs."""


@pytest.fixture(scope="module")
def rendered() -> dict[str, bytes]:
    return render()


@pytest.mark.parametrize(
    "name",
    [
        "openapi.json",
        "asyncapi.json",
        "settings.md",
        "problems.md",
        "messages.md",
        "figures.md",
        "commands.md",
        "metrics.md",
    ],
)
def test_the_reference_is_as_the_code_says(rendered: dict[str, bytes], name: str) -> None:
    assert (FOLDER / name).read_bytes() == rendered[name], "run `make docs` and commit what it changes"


def test_nothing_else_lies_in_the_reference(rendered: dict[str, bytes]) -> None:
    assert {file.name for file in FOLDER.iterdir()} - _MEASURED == set(rendered)


def test_the_readme_counts_the_kinds_of_facts() -> None:
    readme = pages.text_of(CODE / "README.md")

    told = {
        service: int(number) for number, service in re.findall(r"\[(\d+) kinds[^]]*\]\([^)#]+#(\w+)-stream", readme)
    }

    assert told == {service: len(contracts(service)) for service in PUBLISHERS}


def test_every_link_leads_somewhere() -> None:
    astray: list[str] = []
    for page, link in pages.links():
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in pages.anchors(target)):
            astray.append(f"{page.relative_to(CODE)}: {link}")

    assert astray == []


def test_every_call_in_the_documents_has_a_body_that_is_taken() -> None:
    calls = list(pages.calls())

    for call in calls:
        path = _ID.sub("ID", call.path)
        form = FORMS[path.removesuffix("/batches")]
        # The second row of the batch is wrong on purpose.
        body = call.body["items"][0] if path.endswith("/batches") else call.body
        form.model_validate({name: value for name, value in body.items() if name != "client_ref"})

    assert len(calls) > 20


def test_the_calls_of_the_tour_are_about_what_the_demo_network_has() -> None:
    network = Network()
    centres = {str(centre.id) for centre in network.places.centres}
    closed = {row["campaign_id"] for row in network.giving.closures}
    open_campaigns = {row["campaign_id"] for row in network.giving.openings} - closed

    tour = [call for call in pages.calls() if call.page.name in {"README.md", "load-what-you-have.md"}]

    for call in tour:
        for row in call.body.get("items", [call.body]):
            assert row.get("centre_id") in {None, *centres}
            assert row.get("campaign_id") in {None, *open_campaigns}
    scopes = re.findall(r"scope=centre:([0-9a-f-]{36})", pages.text_of(CODE / "README.md"))
    assert scopes
    assert set(scopes) <= centres


def test_every_command_in_the_documents_exists() -> None:
    root: Any = typer.main.get_command(app)
    targets = set(re.findall(r"^([a-z]+):", (CODE / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    for page, command in pages.typed():
        for words in re.findall(r"(?:^|\.venv/bin/)asar ([a-z ]+)", command):
            level = root
            for word in words.split():
                assert word in level.commands, f"{page.relative_to(CODE)}: asar {words}"
                level = level.commands[word]
                if not hasattr(level, "commands"):
                    break
        for target in re.findall(r"^make ([a-z]+)", command, re.MULTILINE):
            assert target in targets, f"{page.relative_to(CODE)}: make {target}"


def test_the_documents_name_no_machine_and_no_registry() -> None:
    files = [*pages.pages(), *(FOLDER / name for name in ("openapi.json", "asyncapi.json"))]

    for file in files:
        text = pages.text_of(file)
        hosts = {host.partition(":")[0] for host in re.findall(r"https?://([^\s/`'\"<>);]+)", text)}
        assert hosts <= _HOSTS, f"{file.relative_to(CODE)}: {hosts - _HOSTS}"
        assert not re.search(r"(?<![\w.$])/(?:root|home|work|tmp)/", text), file.relative_to(CODE)
