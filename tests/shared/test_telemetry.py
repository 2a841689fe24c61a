"""One trace shows the request, the publishing and the effect; and nothing of it tells of a person."""

import logging
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import SpanKind
from prometheus_client import REGISTRY

from shared import telemetry
from shared.ids import new_id
from shared.messaging.connection import Bus
from shared.messaging.pull import Delivery
from shared.messaging.relay import Relay
from shared.messaging.topology import assert_stream
from shared.telemetry import span, traceparent_in
from tests.shared.kites import SERVICE, Listener
from tests.shared.streams import history, messages_in_stream
from tests.systems import ServiceUnderTest

CANARY = "Құпиясырым"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What is traced, where everything is."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=ParentBased(ALWAYS_ON))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "tracer", provider.get_tracer("asar"))
    yield exporter
    provider.shutdown()


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [found for found in spans.get_finished_spans() if found.name == name]


def trace_of(found: ReadableSpan) -> int:
    assert found.context is not None
    return found.context.trace_id


async def test_one_trace_goes_from_the_request_through_outbox_and_stream_to_the_effect(
    kites: ServiceUnderTest, bus: Bus, spans: InMemorySpanExporter
) -> None:
    # Given two requests
    for name in "ab":
        answer = await kites.post("/v1/kites", {"name": name})
        assert answer.status_code == 201
    requests = named(spans, "POST /v1/kites")

    # When their messages are published and applied
    await assert_stream(bus.client, SERVICE, replicas=1)
    await Relay(SERVICE, kites.database, bus).relay_batch()
    bodies = [orjson.loads(message.data) for message in await messages_in_stream(bus)]
    deliveries = [
        Delivery(body["type"], body["subject"], body["aggregateversion"], body["id"], orjson.dumps(body).decode(), "")
        for body in bodies
    ]
    await Listener().consumer.apply(kites.process.database, deliveries)

    # Then each message carries its request's trace, and what was done with both links to both
    traces = [trace_of(request) for request in requests]
    assert [int(body["traceparent"].split("-")[1], 16) for body in bodies] == traces
    [publish], [apply] = named(spans, "publish"), named(spans, "apply")
    assert (publish.kind, apply.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    for done in (publish, apply):
        assert [link.context.trace_id for link in done.links] == traces
        assert trace_of(done) == traces[0]


async def test_a_caller_s_trace_goes_on(kites: ServiceUnderTest, spans: InMemorySpanExporter) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    await kites.post("/v1/kites", {"name": "a"}, traceparent=parent)

    [request] = named(spans, "POST /v1/kites")
    assert f"{trace_of(request):032x}" == parent.split("-")[1]
    [message] = await kites.outbox()
    assert message["traceparent"].split("-")[1] == parent.split("-")[1]


@pytest.mark.parametrize("nonsense", ["", "x", "00-0-0-0", "é", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
async def test_a_nonsensical_trace_is_not_gone_on_with(
    kites: ServiceUnderTest, spans: InMemorySpanExporter, nonsense: str
) -> None:
    answer = await kites.client.post(
        "/v1/kites",
        json={"name": "a"},
        headers={b"traceparent": nonsense.encode()},  # type: ignore[dict-item]
    )

    assert answer.status_code == 201
    assert named(spans, "POST /v1/kites")


async def test_what_is_not_sampled_leaves_no_trace_behind(
    kites: ServiceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "tracer", TracerProvider(sampler=ALWAYS_OFF).get_tracer("asar"))

    await kites.post("/v1/kites", {"name": "a"})

    [message] = await kites.outbox()
    assert "traceparent" not in message


async def test_spans_know_the_route_and_never_what_was_sent(
    kites: ServiceUnderTest, spans: InMemorySpanExporter
) -> None:
    await kites.client.get(f"/v1/kites?colour={CANARY}")
    await kites.client.get(f"/v1/kites/{CANARY}")
    await kites.client.get(f"/{CANARY}")
    await kites.post("/v1/kites", {"name": CANARY, CANARY: CANARY})
    await kites.post("/v1/kites/crashes", {"text": CANARY})

    names = [found.name for found in spans.get_finished_spans()]
    assert names == [
        "GET /v1/kites", "GET /v1/kites/{kite_id}", "GET -", "POST /v1/kites", "POST /v1/kites/crashes",
    ]  # fmt: skip
    for found in spans.get_finished_spans():
        assert CANARY not in found.to_json()
        assert "secret" not in found.to_json()
    assert [(found.attributes or {})["http.response.status_code"] for found in spans.get_finished_spans()] == [
        200, 422, 404, 422, 500,
    ]  # fmt: skip


async def test_an_error_s_answer_and_its_log_tell_the_same_trace(
    kites: ServiceUnderTest, spans: InMemorySpanExporter, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = await kites.post("/v1/kites/crashes", {"text": CANARY})

    [request] = named(spans, "POST /v1/kites/crashes")
    problem = answer.json()
    assert problem["trace_id"] == f"{trace_of(request):032x}"
    assert problem["instance"] == f"/traces/{problem['trace_id']}"
    logged = capsys.readouterr()
    assert CANARY not in logged.out + logged.err


async def test_requests_are_counted_by_route_and_status(kites: ServiceUnderTest) -> None:
    def counted(route: str, status: str) -> float:
        labels = {"method": "GET", "route": route, "status": status}
        return REGISTRY.get_sample_value("asar_requests_total", labels) or 0.0

    before = counted("/v1/kites/{kite_id}", "404"), counted("-", "404")
    await kites.client.get(f"/v1/kites/{new_id()}")
    await kites.client.get(f"/v1/{new_id()}")

    assert (counted("/v1/kites/{kite_id}", "404"), counted("-", "404")) == (before[0] + 1, before[1] + 1)


async def test_metrics_tell_what_an_operator_asks(kites: ServiceUnderTest) -> None:
    await kites.post("/v1/kites", {"name": "a"})

    text = (await kites.client.get("/metrics")).text

    assert "asar_outbox_unsent 1.0" in text
    assert "asar_outbox_oldest_unsent_seconds" in text
    assert 'asar_request_seconds_count{method="POST",route="/v1/kites"}' in text


def test_work_on_untraced_facts_makes_no_span(spans: InMemorySpanExporter) -> None:
    with span("apply", None, "", "nonsense"):
        pass

    assert not spans.get_finished_spans()


def test_a_failing_piece_of_work_is_traced_without_its_message(spans: InMemorySpanExporter) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with pytest.raises(ValueError, match=CANARY), span("apply", traceparent, traceparent):
        raise ValueError(CANARY)

    [failed] = spans.get_finished_spans()
    assert len(failed.links) == 1
    assert CANARY not in failed.to_json()


def test_a_trace_is_found_in_a_message_and_not_in_what_it_says() -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    [told] = history(new_id(), 1)
    carrying = orjson.dumps(orjson.loads(told.body) | {"traceparent": traceparent}).decode()
    quoting = orjson.dumps({"data": {"title": f'"traceparent":"{traceparent}"'}}).decode()

    assert traceparent_in(carrying) == traceparent
    assert traceparent_in(told.body) is None
    assert traceparent_in(quoting) is None


def test_logs_are_json_lines_with_their_trace(
    spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    event: dict[str, Any] = {"event": "a"}
    with telemetry.tracer.start_as_current_span("request") as current:
        telemetry._with_trace_id(None, "", event)  # noqa: SLF001  # configured once per process

    assert event["trace_id"] == f"{current.get_span_context().trace_id:032x}"
    assert telemetry._with_trace_id(None, "", {"event": "b"}) == {"event": "b"}  # noqa: SLF001
    assert logging.getLogger("asar").level == logging.NOTSET
