"""What a collector of traces is sent: OTLP over HTTP, read as any collector reads it."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def by_trace(bodies: Iterable[bytes]) -> dict[bytes, set[tuple[str, str]]]:
    """Of each trace the services and names of its spans."""
    traces: dict[bytes, set[tuple[str, str]]] = defaultdict(set)
    for body in bodies:
        sent: Any = ExportTraceServiceRequest.FromString(body)
        for resource in sent.resource_spans:
            [service] = [
                known.value.string_value for known in resource.resource.attributes if known.key == "service.name"
            ]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    traces[span.trace_id].add((service, span.name))
    return traces
