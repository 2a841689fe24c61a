"""The benchmarks' own arithmetic: ratios, verdicts, the page and its plots. No time is measured here."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import report
from bench.__main__ import GROWTH, QUICK
from bench.load import posting
from bench.measure import Goal, Growth, Result, in_turn

GOAL = Goal(0.28, 0.55)
AT_MOST = Goal(1.6, 1.3, at_most=True)


def test_a_ratio_is_made_round_by_round() -> None:
    result = Result("POST", "/s", [100, 400, 90], GOAL, "limit", [200, 400, 300])

    assert result.figures == [0.3, 0.5, 1.0]
    assert result.median == 0.5
    assert str(result) == "POST: 100 /s | limit: 300 /s | ratio 0.5 (0.3-1) | goal >= 0.28, aim 0.55 | met"


@pytest.mark.parametrize(
    ("goal", "figure", "verdict"),
    [
        (GOAL, 0.27, "NOT MET"),
        (GOAL, 0.28, "met"),
        (GOAL, 0.55, "aim met"),
        (AT_MOST, 1.61, "NOT MET"),
        (AT_MOST, 1.6, "met"),
        (AT_MOST, 1.3, "aim met"),
        (None, 1.0, "no goal"),
    ],
)
def test_a_goal_is_met_or_not(goal: Goal | None, figure: float, verdict: str) -> None:
    result = Result("what", "ms", [figure], goal)

    assert result.verdict == verdict
    assert result.is_missed == (verdict == "NOT MET")


@pytest.mark.parametrize(
    ("figures", "more_is_better", "verdict"),
    [
        ([1.0, 1.1, 1.2], False, "flat"),
        ([1.0, 1.6, 2.2], False, "logarithmic"),
        ([1.0, 4.0, 9.0], False, "GROWS"),
        ([900.0, 800.0, 100.0], True, "GROWS"),
        ([100.0, 800.0, 900.0], True, "flat"),
    ],
)
def test_growth_is_seen(figures: list[float], more_is_better: bool, verdict: str) -> None:
    growth = Growth("what", "ms", "rows", [1, 10, 100], figures, more_is_better=more_is_better)

    assert growth.verdict == verdict
    assert growth.is_missed == (verdict == "GROWS")


async def test_base_and_subject_take_turns_and_the_first_round_is_not_counted() -> None:
    order: list[str] = []

    async def subject() -> float:
        order.append("subject")
        return len(order)

    async def base() -> float:
        order.append("base")
        return len(order)

    figures = await in_turn(subject, base, rounds=2)

    assert order == ["base", "subject"] * 3
    assert figures == ([4, 6], [3, 5])


def test_the_page_tells_every_figure_that_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, path in (("_DOCS", "."), ("_KEPT", "kept.json"), ("_PAGE", "page.md"), ("_PLOTS", "benchmarks")):
        monkeypatch.setattr(report, name, tmp_path / path)
    good = Result("POST of a gift", "/s", [300], GOAL, "pgbench", [1000])
    bad = Result("watchers <10 000>", "KiB", [40], Goal(20, 8, at_most=True))
    growth = Growth("search", "ms", "volunteers", [1, 10, 100], [1.0, 1.1, 1.2])
    report.keep("writes", [Result("POST of a gift", "/s", [1], GOAL, "pgbench", [1000])], took_s=1)

    report.keep("writes", [good], took_s=30)
    report.keep("others", [bad, growth], took_s=10)
    report.write()

    page = (tmp_path / "page.md").read_text()
    assert "| POST of a gift | **0.30** of 300 /s : 1,000 /s (0.30–0.30) | pgbench | ≥ 0.28, aim 0.55 | met |" in page
    assert "NOT MET" in page
    assert "| search | volunteers | 1: 1.00; 10: 1.10; 100: 1.20 ms | 1.20 | flat |" in page
    assert json.loads((tmp_path / "kept.json").read_text())["writes"]["took_s"] == 30
    plots = {plot: _drawn(tmp_path / "benchmarks" / plot) for plot in ("goals.svg", "growth-0.svg")}
    assert all(f"benchmarks/{plot}" in page for plot in plots)
    # What misses its goal stands left of what meets it.
    dots = {str(dot.get("fill")): float(dot.get("cx", 0)) for dot in plots["goals.svg"] if dot.tag.endswith("circle")}
    assert dots["#b3261e"] < dots["#0a6b76"]


def _drawn(plot: Path) -> list[ElementTree.Element]:
    return list(ElementTree.parse(plot).iter())  # noqa: S314  # our own


def test_what_is_posted_is_json_in_lua(tmp_path: Path) -> None:
    script = posting(tmp_path, "gift", {"name": "Ерікті {n}", "id": "{uuid}"}, path="/v1/shifts/{line}").read_text()

    assert '[==[{"name": "Ерікті {n}", "id": "{uuid}"}]==]' in script
    assert '"/v1/shifts/{line}"' in script


def test_no_two_benchmarks_have_one_name() -> None:
    assert not QUICK.keys() & GROWTH.keys()
