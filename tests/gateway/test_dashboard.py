"""The state of a scope, asked for: current, cacheable, and computed once for a crowd."""

import asyncio
from typing import Any

import pytest

from services.gateway import queries, states
from services.gateway.schemas import DashboardState
from services.gateway.states import Mark, Topic
from shared.metrics import REQUESTS
from tests.gateway import facts
from tests.gateway.facts import ALMATY
from tests.gateway.reading import ReadModelUnderTest
from tests.gateway.serving import RunningGateway, until


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The scopes whose state was computed, in order."""
    asked: list[str] = []
    compute = queries.state

    async def counting(reader: Any, scope: Any, *rest: Any, **named: Any) -> Any:
        asked.append(scope.code)
        # Long enough for a crowd to arrive.
        await asyncio.sleep(0.02)
        return await compute(reader, scope, *rest, **named)

    monkeypatch.setattr(queries, "state", counting)
    return asked


async def test_a_state_is_as_it_is_documented(gateway: RunningGateway, model: ReadModelUnderTest) -> None:
    made = facts.delivered()
    await model.tell(facts.centre_opened(centre_id=made.centre_id), made, facts.donation())

    for scope in ("kz", ALMATY, f"centre:{made.centre_id}"):
        status, headers, document = await gateway.get(f"/v1/dashboard?scope={scope}&from=2021-01-01&to=2021-12-31")
        known = DashboardState.model_validate(document)
        assert (status, headers["content-type"]) == (200, "application/json")
        assert known.model_dump(mode="json", by_alias=True).keys() == document.keys()
        assert known.period.model_dump(mode="json", by_alias=True) == {"from": "2021-01-01", "to": "2021-12-31"}
        assert document["figures"].keys() == DashboardState.model_fields["figures"].annotation.model_fields.keys()  # type: ignore[union-attr]  # it has one
        assert (known.revision, known.figures.deliveries) == (3, 1)


async def test_an_etag_holds_until_something_happens(gateway: RunningGateway, model: ReadModelUnderTest) -> None:
    await model.tell(facts.donation())
    status, headers, document = await gateway.get("/v1/dashboard")
    etag = headers["etag"]
    assert (status, etag) == (200, f'"1.1.{document["today"]}"')
    assert headers["cache-control"] == "no-cache"

    for sent in (etag, f"W/{etag}", f'"other", {etag}'):
        status, headers, body = await gateway.get("/v1/dashboard", if_none_match=sent)
        assert (status, body, headers["etag"]) == (304, b"", etag), sent

    await model.tell(facts.donation())
    status, headers, _ = await gateway.get("/v1/dashboard", if_none_match=etag)
    assert (status, headers["etag"].split(".")[1]) == (200, "2")


async def test_a_crowd_costs_one_computation(
    gateway: RunningGateway, model: ReadModelUnderTest, computed: list[str]
) -> None:
    answers = await asyncio.gather(*(gateway.get(f"/v1/dashboard?scope={ALMATY}") for _ in range(40)))
    await gateway.get(f"/v1/dashboard?scope={ALMATY}")

    assert computed == [ALMATY]
    assert len({headers["etag"] for _, headers, _ in answers}) == 1

    await model.tell(facts.donation())
    await asyncio.gather(*(gateway.get(f"/v1/dashboard?scope={ALMATY}") for _ in range(10)))
    assert computed == [ALMATY] * 2


async def test_a_304_costs_none(gateway: RunningGateway, computed: list[str]) -> None:
    etag = (await gateway.get("/v1/dashboard"))[1]["etag"]
    await asyncio.gather(*(gateway.get("/v1/dashboard", if_none_match=etag) for _ in range(20)))

    assert computed == ["kz"]


async def test_a_crowd_asks_how_far_the_figures_are_once_and_nobody_is_told_of_the_past(
    gateway: RunningGateway, model: ReadModelUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, release = 0, asyncio.Event()
    look = queries.revision

    async def slow(*args: Any) -> Any:
        nonlocal asked
        asked += 1
        seen = await look(*args)
        await release.wait()
        return seen

    release.set()
    await gateway.get("/v1/dashboard")
    monkeypatch.setattr(queries, "revision", slow)
    asked = 0
    release.clear()
    early = asyncio.create_task(gateway.get("/v1/dashboard"))
    await until(lambda: asked == 1)
    await model.tell(facts.donation())
    late = [asyncio.create_task(gateway.get("/v1/dashboard")) for _ in range(20)]
    at_once = gateway.gateway.limits._shares  # noqa: SLF001
    await until(lambda: sum(share.at_once for share in at_once.values()) == 21)
    release.set()

    assert (await early)[2]["revision"] == 0
    assert {(await answer)[2]["revision"] for answer in late} == {1}
    # For the early one, for all the late ones, and again while one of those had the new state made.
    assert asked < 2 + len(late) / 2


async def test_every_answer_is_counted_however_it_came_about(gateway: RunningGateway) -> None:
    def counted(status: int) -> float:
        return REQUESTS.labels("GET", "/v1/dashboard", str(status))._value.get()  # noqa: SLF001

    before = counted(200), counted(304)
    etags = {(await gateway.get("/v1/dashboard"))[1]["etag"] for _ in range(3)}
    await gateway.get("/v1/dashboard", if_none_match=etags.pop())

    assert (counted(200) - before[0], counted(304) - before[1]) == (3, 1)


async def test_different_scopes_do_not_wait_for_each_other_but_few_are_computed_at_once(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most = 0, 0
    release = asyncio.Event()
    compute = queries.state

    async def watched(*args: Any, **named: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await release.wait()
        running -= 1
        return await compute(*args, **named)

    monkeypatch.setattr(queries, "state", watched)
    asked = [
        asyncio.create_task(gateway.get(f"/v1/dashboard?scope={code}"))
        for code in ("kz", "KZ-71", "KZ-75", "KZ-79", "KZ-11", "KZ-15")
    ]
    await until(lambda: running == states.MADE_AT_ONCE)
    release.set()
    answers = await asyncio.gather(*asked)

    assert most == states.MADE_AT_ONCE
    assert [status for status, _, _ in answers] == [200] * 6


async def test_only_so_many_states_are_kept(
    gateway: RunningGateway, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "KEPT_MAX", 2)
    for code in ("kz", "KZ-71", "kz", "KZ-75", "kz", "KZ-71"):
        await gateway.get(f"/v1/dashboard?scope={code}")

    # The one that is asked for again and again stays.
    assert computed == ["kz", "KZ-71", "KZ-75", "KZ-71"]


async def test_a_refused_state_is_not_kept(gateway: RunningGateway, model: ReadModelUnderTest) -> None:
    opened = facts.centre_opened()
    path = f"/v1/dashboard?scope=centre:{opened.centre_id}"
    assert (await gateway.get(path))[0] == 404

    await model.tell(opened)
    assert (await gateway.get(path))[0] == 200


async def test_a_state_is_of_one_moment(
    gateway: RunningGateway, model: ReadModelUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is folded in while it is computed is in all of it or in none of it."""
    figures = queries.figures

    async def interrupted(*args: Any, **named: Any) -> Any:
        known = await figures(*args, **named)
        await model.tell(facts.donation())
        return known

    monkeypatch.setattr(queries, "figures", interrupted)
    await model.tell(facts.donation())
    _, headers, document = await gateway.get("/v1/dashboard")

    assert headers["etag"].startswith('"1.1.')
    assert document["revision"] == document["figures"]["donations"] == len(document["ticker"]) == 1
    assert document["series"]["money_net_minor"] == [facts.donation().amount_minor]


async def test_without_a_read_model_the_figures_are_unavailable_and_the_rest_is_not(gateway: RunningGateway) -> None:
    await gateway.process.generations.close()

    status, headers, problem = await gateway.get("/v1/dashboard")

    assert (status, problem["code"], headers["retry-after"]) == (503, "database-unavailable", "1")
    assert (await gateway.get("/v1/centres"))[0] == 200
    assert (await gateway.get("/health/live"))[0] == 200


async def test_a_topic_is_the_same_however_it_is_written() -> None:
    centre = "0197a000-0000-7000-8000-00000000000A"

    assert Topic.parse(f"centre:{centre}", "", None) == Topic.parse(f"centre:{centre.lower()}", None, "")
    assert Topic.parse(None, None, None) == Topic.parse("kz", None, None)


@pytest.mark.parametrize("text", ["", "1", "1.2", "a.b.c", "1.2.3", "1.2.2026-13-01", "1.2.2026-01-01.4", "..", "1..x"])
def test_what_is_no_mark_is_none(text: str) -> None:
    assert Mark.parse(text) is None


def test_a_mark_is_read_as_it_is_written() -> None:
    mark = Mark.parse("3.41.2026-11-22")

    assert mark is not None
    assert str(mark) == "3.41.2026-11-22"


async def test_status_tells_an_operator_where_the_figures_are(
    gateway: RunningGateway, model: ReadModelUnderTest
) -> None:
    await model.tell(facts.donation(), facts.donation())

    _, _, report = await gateway.get("/health/status")

    assert (report["generation"], report["revision"], report["watchers"]) == (1, 2, 0)
