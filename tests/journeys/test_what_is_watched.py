"""What rules, dashboard and runbooks name is what running services export: asked of real processes, not of a list."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.installation import SERVICES
from shared.ids import new_id
from tests.deploy.promql import spoken
from tests.deploy.watching import OF_TARGETS, expressions, recorded
from tests.running import RunningSystem, until

pytestmark = pytest.mark.journey

OF_PROMETHEUS: Mapping[str, frozenset[str]] = {
    "up": OF_TARGETS,
    "ALERTS": OF_TARGETS | {"alertname", "alertstate"},
}
"""What Prometheus knows by itself."""
Exported = dict[str, set[str]]
"""Names of samples, with all labels that any of them has."""


async def scraped(system: RunningSystem) -> Exported:
    """What all services export, as Prometheus on this machine hears it: where `asar targets` says they are."""
    found: Exported = defaultdict(set)
    targets = json.loads(await system.asar("targets"))
    assert [target["labels"]["service"] for target in targets] == list(SERVICES)
    async with httpx.AsyncClient(timeout=30) as client:
        for [address] in (target["targets"] for target in targets):
            answer = await client.get(f"http://{address}/metrics")
            for family in text_string_to_metric_families(answer.raise_for_status().text):
                for sample in family.samples:
                    found[sample.name] |= sample.labels.keys()
    return found


@pytest.fixture
async def exported(running_system: RunningSystem) -> Exported:
    """After a request that announces something, which all who hear it have applied."""
    form = {"kind": "friendship_house", "name": {"kk": "Достық үйі"}, "region": "KZ-63", "opened_on": "2020-01-01"}
    async with running_system.client() as client:
        answer = await client.post("/v1/centres", json=form, headers={"Idempotency-Key": str(new_id())})
        assert answer.status_code == httpx.codes.CREATED
        # Somebody who watches, and a refusal.
        async with client.stream("GET", "/v1/live") as stream:
            await anext(stream.aiter_bytes())
        assert (await client.get(f"/v1/centres/{new_id()}")).status_code == httpx.codes.NOT_FOUND
    await running_system.settled()
    return await scraped(running_system)


async def test_every_metric_and_label_that_is_named_is_exported(exported: Exported) -> None:
    known = {**exported, **OF_PROMETHEUS}
    unknown: list[str] = []
    for where, expression in expressions():
        said = spoken(expression)
        labels = set(OF_TARGETS)
        for name, selected in said.metrics.items():
            if name in recorded():
                # Grouped by what its own rule groups by, which is looked at there.
                labels |= {"consumer", "noun"}
                continue
            if name not in known:
                unknown.append(f"{where}: {name}")
            else:
                labels |= known[name]
                unknown += [f"{where}: {name}{{{label}}}" for label in selected - known[name] - OF_TARGETS]
        unknown += [f"{where}: {label}" for label in said.labels - labels]

    assert unknown == []


async def test_no_label_tells_of_a_person_or_has_endless_values(
    running_system: RunningSystem, exported: Exported
) -> None:
    async with running_system.client() as client:
        await asyncio.gather(*(client.get(f"/v1/centres/{new_id()}") for _ in range(20)))
        await asyncio.gather(*(client.get(f"/v1/{new_id()}?name=Aigerim") for _ in range(20)))

    again = await scraped(running_system)

    assert again.keys() == exported.keys()
    assert {label for labels in again.values() for label in labels} <= {
        "method", "route", "status", "code", "le", "database", "state", "consumer", "stream", "reason", "noun", "kind",
        "outcome", "version", "generation", "implementation", "major", "minor", "patchlevel",
    }  # fmt: skip


async def test_the_databases_agree_on_how_much_was_announced_and_applied(running_system: RunningSystem) -> None:
    """The figure by which a lost message is seen: what producers count and what consumers count, from their tables."""

    async def totals(service: str, name: str, **labels: str) -> dict[str, float]:
        async with httpx.AsyncClient(timeout=30) as client:
            port = running_system.installation.port_of(service)
            text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        return {
            sample.labels["noun"]: sample.value
            for sample in samples
            if sample.name == name and labels.items() <= sample.labels.items() and sample.value
        }

    async def agree() -> bool:
        announced = {
            noun: number
            for service in ("volunteers", "events", "charity")
            for noun, number in (await totals(service, "asar_outbox_messages")).items()
        }
        return bool(announced) and announced == await totals("gateway", "asar_inbox_messages", consumer="gateway")

    await until("everything announced is applied, by both sides' count", agree)
