"""What nobody thought of: Schemathesis asks the gateway, and the services behind it, whatever their OpenAPI allows.

Two coordinators of different centres ask, and the administrator what they may not: neither is shown what is the
other's. That is tried of the records whose ids Schemathesis finds in a list; `test_matrix.py` tries it of all.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import orjson
import pytest
import schemathesis
from schemathesis import Case, HookContext
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import StopReason, events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.generation.meta import CoveragePhaseData, CoverageScenario

from deploy.local.postgres import EmbeddedPostgres
from services.gateway.app import Gateway
from shared.access.permissions import Role
from tests.access.world import SERVICES, made_world
from tests.gateway.conftest import make_settings
from tests.gateway.serving import Listening, RunningGateway
from tests.systems import FreshDatabase, may_make_schemas, migrated_template

LEFT_OUT = (
    # Rules refuse what a schema cannot tell: that a centre is closed, that a day is over.
    "positive_data_acceptance",
    # A batch takes rows that are wrong, and answers each of them (207).
    "negative_data_rejection",
    # Without If-Match we answer 428, which this check does not know.
    "missing_required_header",
)
CONFIG: dict[str, Any] = {
    "seed": 3,
    "continue-on-failure": True,
    # What was found is not kept for the next time: each time is the same.
    "cache": {"enabled": False},
    # A live stream has no end.
    "max-stream-events": 1,
    "generation": {"max-examples": 3, "deterministic": True, "no-shrink": True, "database": "none"},
    "checks": {check: {"enabled": False} for check in LEFT_OUT},
    "phases": {
        "coverage": {"generation": {"mode": "negative"}, "unexpected-methods": ["patch"]},
        "stateful": {"max-steps": 4, "generation": {"max-examples": 20}},
    },
    "operations": [
        {
            # OpenAPI 3.1 can only say that a stream is text; Schemathesis holds its events against that.
            "include-path": "/v1/live",
            "checks": {"response_schema_conformance": {"enabled": False}},
        },
        {
            # Often enough to come upon an id that there is.
            "include-method": "GET",
            "include-path-regex": r"\{",
            "phases": {"fuzzing": {"generation": {"mode": "positive", "max-examples": 12}}},
        },
    ],
}
FILES = ["text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"]


@pytest.fixture
async def gateway(
    postgres: EmbeddedPostgres, fresh_database: FreshDatabase, tmp_path: Path
) -> AsyncIterator[RunningGateway]:
    """A gateway before three services, and the keys of those who ask in `tmp_path`."""
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(made_world(postgres, tmp_path))
        await world.delivery()
        await world.disbursement()
        await world.sign_up(await world.known_volunteer())
        urls: dict[str, str] = {}
        for name, make in SERVICES.items():
            own = world.services[name].process.settings
            urls[f"{name}_url"] = (await stack.enter_async_context(Listening(make(own).application(), own))).url
        settings = partial(make_settings, nats_url="nats://127.0.0.1:1", keys_dir=tmp_path / "keys", **urls)
        template = await migrated_template(postgres, "gateway", lambda url: Gateway(settings(url)).process.migrate())
        url = await fresh_database(template=template)
        await may_make_schemas(url)
        running = await stack.enter_async_context(RunningGateway(settings(url)))
        keys = {
            "here": await running.make_key(Role.COORDINATOR, centres=[world.here]),
            "there": await running.make_key(Role.COORDINATOR, centres=[world.there]),
            "everywhere": running.key,
        }
        shown = {name: [{"name": "Authorization", "value": f"Bearer {key}"}] for name, key in keys.items()}
        users = [{"name": name, "fixedHeaders": headers} for name, headers in shown.items()]
        (tmp_path / "users.json").write_bytes(orjson.dumps({"auth": users}))
        yield running


def asked(url: str, users: Path) -> tuple[list[ScenarioRecorder], list[str]]:
    """What was asked, and what did not go through. It takes half a minute, and about 2 000 requests."""
    peers = {"wfc": {"path": str(users), "peers": ["here", "there"]}}
    schemathesis.serializer.alias(FILES, "text/plain")
    schema = schemathesis.openapi.from_url(
        f"{url}/openapi.json", config=SchemathesisConfig.from_dict(CONFIG | {"auth": peers})
    )

    @schema.hook
    def filter_case(_: HookContext, case: Case) -> bool:
        # Of the thousands of cases that a schema's bounds give, those of methods that there are not.
        told = case.meta.phase.data if case.meta else None
        return not isinstance(told, CoveragePhaseData) or told.scenario is CoverageScenario.UNSPECIFIED_HTTP_METHOD

    recorded: list[ScenarioRecorder] = []
    failed: list[str] = []
    for event in from_schema(schema).execute():
        match event:
            case events.ScenarioFinished(recorder=recorder):
                recorded.append(recorder)
            case events.NonFatalError(label=label, value=error):
                failed.append(f"{label}: {error}")
            case events.FatalError(exception=error):
                raise error
            case events.EngineFinished(stop_reason=reason) if reason is not StopReason.COMPLETED:
                failed.append(reason)
            case _:
                pass
    return recorded, failed


async def test_nothing_is_found(gateway: RunningGateway, tmp_path: Path) -> None:
    _, _, document = await gateway.get("/openapi.json")
    operations = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}

    recorded, found = await anyio.to_thread.run_sync(asked, gateway.url, tmp_path / "users.json")

    for recorder in recorded:
        for case_id, checks in recorder.checks.items():
            request = recorder.cases[case_id].value.as_curl_command()
            failures = [check.failure_info.failure for check in checks if check.failure_info]
            found += [f"{one.operation}: {one.title}\n{one.message}\n{request}" for one in failures]
    cases = [case.value for recorder in recorded for case in recorder.cases.values()]
    assert found == []
    assert {case.operation.label for case in cases} == operations
    assert {case.auth_identity for case in cases} >= {"here", "there", "everywhere"}
