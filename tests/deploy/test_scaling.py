"""What KEDA asks Prometheus, answered by Prometheus' own checker for series as the services export them."""

from pathlib import Path

import yaml

from tests.deploy.cluster import PRODUCTION, rendered
from tests.deploy.programs import run
from tests.deploy.test_watching import needs_promtool, promtool


def query(service: str, number: int) -> str:
    scaled = rendered(PRODUCTION).one("ScaledObject", f"{service}-worker")
    assert scaled is not None
    return scaled["spec"]["triggers"][number]["metadata"]["query"]


def series(name: str, service: str, values: str, **labels: str) -> dict[str, str]:
    told = {"namespace": "asar", "service": service} | labels
    said = ",".join(f'{key}="{value}"' for key, value in told.items())
    return {"series": f"{name}{{{said}}}", "values": values}


@needs_promtool
def test_workers_are_asked_for_by_the_age_of_the_oldest(tmp_path: Path) -> None:
    """Of what waits to be sent, and of what is applied; a series that is not there, or tells nothing, is age 0."""
    told = [
        series("asar_outbox_oldest_unsent_seconds", "charity", "0x20", pod="a"),
        series("asar_outbox_oldest_unsent_seconds", "charity", "42x20", pod="b"),
        series("asar:oldest_unapplied_seconds", "worker", "57x20", consumer="charity", noun="volunteers.centre"),
        series("asar:oldest_unapplied_seconds", "worker", "3x20", consumer="charity", noun="charity.family"),
        series("asar:oldest_unapplied_seconds", "worker", "0x20", consumer="events", noun="volunteers.centre"),
    ]
    ages = [
        (query("charity", 0), 42),
        (query("charity", 1), 57),
        (query("events", 1), 0),
        (query("gateway", 0), 0),
        (query("volunteers", 2), 0),
    ]
    asked = [{"expr": expr, "eval_time": "4m", "exp_samples": [{"labels": "{}", "value": age}]} for expr, age in ages]
    file = tmp_path / "ages.yml"
    file.write_text(yaml.safe_dump({"tests": [{"interval": "15s", "input_series": told, "promql_expr_test": asked}]}))

    done = run(promtool() or "promtool", "test", "rules", file)

    assert done.returncode == 0, done.stdout + done.stderr
