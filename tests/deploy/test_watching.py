"""Alerts, runbooks, rules and the dashboard: each as its reader takes it. What they name is really exported:
`tests/journeys/test_what_is_watched.py`.
"""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.installation import CODE
from tests.deploy.programs import beside_python, run
from tests.deploy.promql import spoken
from tests.deploy.watching import (
    GRAFANA,
    OF_TARGETS,
    PROMETHEUS,
    RULES,
    RUNBOOKS,
    alerts,
    dashboard,
    expressions,
    recorded,
    rules,
)

TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
_HEADINGS = ["Look", "Do", "Over"]
_DURATION = re.compile(r"[1-9][0-9]*[smh]")


def promtool() -> Path | None:
    """Where Prometheus's own checker is: `make promtool` puts it beside our Python."""
    ours, theirs = beside_python("promtool"), shutil.which("promtool")
    return ours if ours.exists() else (theirs and Path(theirs)) or None


# `make test` brings it, but not everywhere; the rules' form is held to by the tests below in any case.
needs_promtool = pytest.mark.skipif(
    promtool() is None,
    reason="promtool is nowhere: run `make promtool`. Without it the rules' form was checked, but not what they say.",
)


# --- by Prometheus itself ---------------------------------------------------------------------------------------------


@needs_promtool
def test_prometheus_takes_the_rules_and_the_configuration() -> None:
    for words in (["check", "rules", *RULES], ["check", "config", "--syntax-only", PROMETHEUS / "prometheus.yml"]):
        done = run(str(promtool()), *words)
        assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name)
def test_alerts_speak_when_they_should_and_only_then(file: Path) -> None:
    done = run(str(promtool()), "test", "rules", file)

    assert done.returncode == 0, done.stdout + done.stderr


# --- their form -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_how_urgent_it_is_what_is_wrong_and_what_to_do(name: str) -> None:
    alert = alerts()[name]

    assert set(alert) <= {"alert", "expr", "for", "labels", "annotations"}
    assert name.startswith("Asar")
    assert "for" not in alert or _DURATION.fullmatch(alert["for"])
    assert alert["labels"] in ({"severity": "page"}, {"severity": "ticket"})
    assert alert["annotations"]["summary"].endswith(".")
    assert alert["annotations"]["runbook"] == f"docs/runbooks/{name}.md"


@pytest.mark.parametrize("name", alerts())
def test_an_alert_s_words_have_all_that_they_ask_for(name: str) -> None:
    alert = alerts()[name]
    words = " ".join(alert["annotations"].values())
    said = spoken(alert["expr"])
    known = OF_TARGETS | said.labels | {label for selected in said.metrics.values() for label in selected}

    assert set(re.findall(r"\$labels\.(\w+)", words)) <= known


def test_every_alert_that_wakes_somebody_is_tested() -> None:
    tested = {
        case["alertname"]
        for file in TESTS
        for test in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]
        for case in test.get("alert_rule_test", ())
        if case["exp_alerts"]
    }

    assert {name for name, alert in alerts().items() if alert["labels"]["severity"] == "page"} <= tested
    assert tested <= set(alerts())


def test_nothing_is_recorded_that_nobody_asks_for() -> None:
    asked = {name for _, expression in expressions() for name in spoken(expression).metrics}

    assert recorded() <= asked
    assert all(re.fullmatch(r"asar:[a-z0-9_:]+", name) for name in recorded())


def test_no_rule_is_given_twice() -> None:
    names = [rule.get("alert") or rule["record"] for rule in rules()]

    assert len(names) == len(set(names))


# --- runbooks ---------------------------------------------------------------------------------------------------------


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    pages = {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"}
    listed = re.findall(r"^\| \[(\w+)\]\(\1\.md\) \|", (RUNBOOKS / "README.md").read_text("utf-8"), re.MULTILINE)

    assert pages == set(alerts())
    assert listed == list(alerts())


@pytest.mark.parametrize("name", alerts())
def test_a_runbook_says_what_it_means_where_to_look_what_to_do_and_when_it_is_over(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")

    assert text.startswith(f"# {name}\n\n**What it means.** ")
    assert "\n**What callers notice.** " in text
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == _HEADINGS


# --- the dashboard ----------------------------------------------------------------------------------------------------


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def test_the_dashboard_s_panels_have_a_place_a_title_and_something_to_show() -> None:
    places: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & places, panel["title"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        places |= cells

    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(dashboard()["panels"])
    assert len({panel["title"] for panel in panels()}) == len(panels())
    assert all(panel["targets"] for panel in panels())


def test_the_dashboard_asks_whichever_prometheus_is_chosen() -> None:
    sources = [asked["datasource"]["uid"] for panel in panels() for asked in (panel, *panel["targets"])]

    assert set(sources) == {"${datasource}"}


def test_runbooks_name_panels_that_there_are() -> None:
    titles = {panel["title"] for panel in panels()}

    for page in RUNBOOKS.glob("*.md"):
        # Set on two lines, a name is still one.
        text = " ".join(page.read_text(encoding="utf-8").split())
        for said in re.findall(r"Panels? (\*[^.;]+)", text):
            assert set(re.findall(r"\*([^*]+)\*", said)) <= titles, page.name


def test_grafana_is_told_where_prometheus_and_the_dashboard_are() -> None:
    [source] = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    [provider] = yaml.safe_load((GRAFANA / "provisioning/dashboards/asar.yml").read_text())["providers"]

    assert source["type"] == "prometheus"
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"


# --- targets ----------------------------------------------------------------------------------------------------------


def test_prometheus_asks_every_service_and_gives_it_the_labels_that_rules_want() -> None:
    configuration = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    compose = yaml.safe_load((CODE / "docker-compose.yml").read_text(encoding="utf-8"))

    known = [known for job in configuration["scrape_configs"] for known in job["static_configs"]]

    assert {known["labels"]["service"] for known in known} == {"volunteers", "events", "charity", "gateway"}
    for one in known:
        assert set(one["labels"]) == {"service", "part"}
        assert all(target.partition(":")[0] in compose["services"] for target in one["targets"])
