"""The page of the metrics, from where they are made."""

from collections.abc import Iterator
from types import ModuleType

from prometheus_client import Counter, Info
from prometheus_client.metrics import MetricWrapperBase

from deploy.reference import markdown
from services.gateway import metrics as of_the_gateway
from shared import metrics as of_every_process


def page() -> str:
    return markdown.page(
        "Metrics",
        "What every process answers at `/metrics`, in the words that Prometheus is told. What it is for, and who may "
        "ask: [Watch it](../how-to/watch-it.md). NaN means: not known at this moment. A histogram `x` has `x_bucket`, "
        "`x_sum` and `x_count`. Beside these are the client library's own `process_*` and `python_*`.",
        "## Every process",
        markdown.table(("metric", "kind", "labels", "meaning"), _rows(of_every_process)),
        "## The gateway, beside these",
        markdown.table(("metric", "kind", "labels", "meaning"), _rows(of_the_gateway)),
    )


def _rows(module: ModuleType) -> Iterator[tuple[str, str, str, str]]:
    for metric in vars(module).values():
        if isinstance(metric, MetricWrapperBase):
            [told] = metric.describe()
            name = told.name + (
                "_total" if isinstance(metric, Counter) else "_info" if isinstance(metric, Info) else ""
            )
            # The client library tells them nowhere else.
            labels = ", ".join(f"`{label}`" for label in vars(metric)["_labelnames"])
            yield f"`{name}`", told.type, labels, told.documentation
