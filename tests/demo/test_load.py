"""Loading: all is sent once, in its order; what comes too early is sent again; a refusal stops it with reasons."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest

from deploy.demo import load, patience
from deploy.demo.load import CannotLoad, Loader
from deploy.demo.network import Network
from deploy.demo.stages import STAGES

Answer = dict[str, Any]
Judge = Callable[[str, Any], Answer | None]
PEOPLE = {"centres", "declarations", "assignments", "volunteers", "volunteers/approvals"}
FEW = tuple(stage for stage in STAGES if stage.noun in PEOPLE)
"""Enough stages for what is not about all of them."""
REFUSED: Answer = {"status": 409, "problem": {"code": "centre-unknown", "status": 409, "title": "Not known yet."}}


class Gateway:
    """Answers batches; `judge` says what is wrong with a row (None: nothing), `begun` whether it was loaded before."""

    def __init__(self, judge: Judge = lambda *_: None, *, begun: bool = False) -> None:
        self.judge = judge
        self.begun = begun
        self.requests: list[tuple[str, str, list[Any]]] = []
        self.at_once = self.most_at_once = 0
        self.failures: list[Any] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200 if self.begun else 404)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if self.failures:
            failure = self.failures.pop()
            if isinstance(failure, Exception):
                raise failure
            return httpx.Response(failure)
        noun = request.url.path.removeprefix("/v1/").removesuffix("/batches")
        rows = orjson.loads(request.content)["items"]
        self.requests.append((noun, request.headers["idempotency-key"], rows))
        items = [{"index": i, "status": 201, **(self.judge(noun, row) or {})} for i, row in enumerate(rows)]
        return httpx.Response(207, json={"items": items, "summary": {}})

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self), base_url="http://gateway")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LONGEST_PAUSE_S", 0.001)


async def test_every_row_is_sent_once_after_what_it_builds_on(network: Network) -> None:
    gateway = Gateway()

    sent = await Loader(gateway.client(), network).load()

    rows = Counter[str]()
    for noun, _, batch in gateway.requests:
        rows[noun] += len(batch)
    expected = Counter[str]()
    for stage in STAGES:
        expected[stage.noun] += len(stage.rows(network))
    assert rows == expected
    assert sent == rows.total()
    assert max(len(batch) for _, _, batch in gateway.requests) <= 500
    order = [noun for noun, _, _ in gateway.requests]
    for earlier, later in [
        ("centres", "families"),
        ("volunteers", "volunteers/approvals"),
        ("campaigns/openings", "donations"),
        ("donations", "donations/refunds"),
        ("disbursements/approvals", "disbursements/payments"),
        ("families/verifications", "deliveries"),
        ("shifts", "sign-ups"),
        ("volunteers/departures", "sign-ups"),
        ("sign-ups/attendances", "events/holdings"),
    ]:
        assert max(i for i, noun in enumerate(order) if noun == earlier) < order.index(later)
    assert 2 <= gateway.most_at_once <= load.REQUESTS_AT_ONCE


async def test_a_row_that_comes_too_early_is_sent_again_alone_under_a_new_key(network: Network) -> None:
    early = network.people.volunteers[3]["id"]
    heard = Counter[str]()

    def judge(noun: str, row: Answer) -> Answer | None:
        if noun == "volunteers" and row["id"] == early:
            heard[noun] += 1
            return REFUSED if heard[noun] < 3 else None
        return None

    gateway = Gateway(judge)
    await Loader(gateway.client(), network, stages=FEW).load()

    again = [(key, rows) for noun, key, rows in gateway.requests if noun == "volunteers" and rows[0]["id"] == early]
    assert heard["volunteers"] == 3
    assert [len(rows) for _, rows in again] == [1, 1]
    assert len({key for key, _ in again}) == 2


async def test_every_request_has_a_key_of_its_own_and_the_same_in_each_run(network: Network) -> None:
    keys: list[set[str]] = []
    for _ in range(2):
        gateway = Gateway()
        await Loader(gateway.client(), network, stages=FEW).load()
        keys.append({key for _, key, _ in gateway.requests})
        assert len(keys[-1]) == len(gateway.requests)

    assert keys[0] == keys[1]


async def test_a_gateway_that_is_away_for_a_moment_is_asked_again(network: Network) -> None:
    gateway = Gateway()
    gateway.failures = [503, httpx.ReadTimeout("too slow"), 502, httpx.ConnectError("refused")]

    sent = await Loader(gateway.client(), network, stages=FEW).load()

    assert sent == sum(len(stage.rows(network)) for stage in FEW)
    assert not gateway.failures


async def test_a_refused_row_stops_the_loading_with_its_reason(network: Network) -> None:
    problem = {
        "code": "direction-unknown",
        "status": 422,
        "title": "There is no such direction of work.",
        "errors": [{"pointer": "#/items/0/directions", "code": "direction-unknown", "message": "Unknown."}],
    }
    gateway = Gateway(lambda noun, _: {"status": 422, "problem": problem} if noun == "volunteers" else None)

    with pytest.raises(CannotLoad, match=r"volunteers: a row was refused \(direction-unknown\): There is no such dir"):
        await Loader(gateway.client(), network, stages=FEW).load()

    assert "volunteers/approvals" not in {noun for noun, _, _ in gateway.requests}


async def test_a_request_that_is_refused_as_a_whole_stops_the_loading(network: Network) -> None:
    gateway = Gateway()
    gateway.failures = [413]

    with pytest.raises(CannotLoad, match="answers 413"):
        await Loader(gateway.client(), network, stages=FEW).load()


async def test_what_never_becomes_known_is_given_up(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE_S", 0.05)
    gateway = Gateway(lambda noun, _: REFUSED if noun == "volunteers" else None)

    with pytest.raises(CannotLoad, match="still hear centre-unknown"):
        await Loader(gateway.client(), network, stages=FEW).load()


@pytest.mark.parametrize("code", ["already-exists", "status-does-not-allow", "decided-before-applied"])
async def test_what_was_done_before_counts_as_done_only_when_loading_again(network: Network, code: str) -> None:
    done_before: Answer = {"status": 409, "problem": {"code": code, "status": 409, "title": "Done before."}}

    await Loader(Gateway(lambda *_: done_before, begun=True).client(), network, stages=FEW).load()

    with pytest.raises(CannotLoad, match=code):
        await Loader(Gateway(lambda *_: done_before).client(), network, stages=FEW).load()
