"""Traces and logs: one trace shows the request, the publish and the dashboard's update; no personal data."""

import logging
import re
import sys
import time
from collections.abc import Generator, MutableMapping
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import structlog
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, NonRecordingSpan, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.metrics import IN_PROGRESS, LATENCY, REQUESTS

if TYPE_CHECKING:
    from shared.settings import Settings

_TRACEPARENT = re.compile(r'"traceparent":"(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})"')
_RECORDED_AT = re.compile(r'"time":"([0-9-]{10}T[0-9:.]{8,15}(?:Z|[+-][0-9:]{5}))"')
_propagator = TraceContextTextMapPropagator()
tracer = trace.get_tracer("asar")
log: structlog.stdlib.BoundLogger = structlog.get_logger("asar")


def set_up(service: str, settings: "Settings") -> None:
    """Send logs to standard error as JSON lines and, if an endpoint is set, traces to it over OTLP/HTTP."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _with_trace_id,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format='{"level":"%(levelname)s","event":"%(message)s"}'
    )
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"asar-{service}"}),
        sampler=ParentBased(TraceIdRatioBased(settings.trace_sample if settings.otlp_endpoint else 0.0)),
    )
    if settings.otlp_endpoint:
        # Most never load what sends traces.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.otlp_endpoint)))
    trace.set_tracer_provider(provider)


def _with_trace_id(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
    return event


def current_traceparent() -> str | None:
    """The W3C trace context to store with a fact; None outside a sampled trace."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid or not context.trace_flags.sampled:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def traceparent_in(body: str) -> str | None:
    """The trace context that a message's JSON carries, found without parsing it: inside of `data` its quotes differ."""
    found = _TRACEPARENT.search(body)
    return found and found[1]


def recorded_at_in(body: str) -> datetime | None:
    """When the fact that a message tells of was recorded, found as the trace context is."""
    found = _RECORDED_AT.search(body)
    try:
        return found and datetime.fromisoformat(found[1])
    except ValueError:
        return None


@contextmanager
def span(name: str, *traceparents: str | None) -> Generator[None]:
    """A span of work on facts, linked to the traces that they were recorded in."""
    links: list[Link] = []
    for traceparent in dict.fromkeys(t for t in traceparents if t):
        recorded_in = trace.get_current_span(_propagator.extract({"traceparent": traceparent})).get_span_context()
        if recorded_in.is_valid:
            links.append(Link(recorded_in))
    # Pages of nothing but unsampled facts make no span at all.
    if not links:
        yield
        return
    context = trace.set_span_in_context(NonRecordingSpan(links[0].context))
    kind = SpanKind.PRODUCER if name == "publish" else SpanKind.CONSUMER
    with tracer.start_as_current_span(name, context=context, kind=kind, links=links, record_exception=False):
        yield


class Observed:
    """Plain ASGI middleware (0.98 of the rate, where Starlette's decorator reaches 0.30): span, metrics, error log.

    The span knows the route, never the URL: query strings and ids in paths may tell of people.
    """

    in_progress = 0

    def __init__(self, app: ASGIApp, *, from_outside: bool = False) -> None:
        """`from_outside`: nobody's trace is gone on with, or callers would decide what is traced and kept."""
        self.app = app
        self._from_outside = from_outside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # Read when the gauge is: one that is told of each request would take its lock twice.
        Observed.in_progress += 1
        began = time.perf_counter()
        status = 500

        async def observe(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                route = getattr(scope.get("route"), "path", "-")
                _latency(scope["method"], route).observe(time.perf_counter() - began)
            await send(message)

        # Begun and ended by hand: the context manager costs more than the span. Nothing is recorded of an exception
        # either way, since its message may quote what was sent.
        parent = Context() if self._from_outside else _context_of(scope)
        current = tracer.start_span(scope["method"], context=parent, kind=SpanKind.SERVER)
        before = attach(trace.set_span_in_context(current, parent))
        # Unexpected errors are answered further out, where this span has ended.
        scope.setdefault("state", {})["span"] = current
        try:
            await self.app(scope, receive, observe)
        finally:
            Observed.in_progress -= 1
            route = getattr(scope.get("route"), "path", "-")
            _answered(scope["method"], route, str(status)).inc()
            if current.is_recording():
                current.update_name(f"{scope['method']} {route}")
                current.set_attribute("http.response.status_code", status)
            detach(before)
            current.end()


def _context_of(scope: Scope) -> Context:
    """The trace that a request belongs to, if it says so; two such headers say nothing."""
    said = [value for name, value in scope["headers"] if name == b"traceparent"]
    return _propagator.extract({"traceparent": said[0].decode("ascii", "ignore")}) if len(said) == 1 else Context()


# Methods, routes and statuses are few; to find the counter of three of them takes longer than to count.
_answered = lru_cache(maxsize=4096)(REQUESTS.labels)
_latency = lru_cache(maxsize=4096)(LATENCY.labels)

IN_PROGRESS.set_function(lambda: Observed.in_progress)
