"""The report: figures that were kept, as one Markdown page with its plots, under docs/reference/."""

import json
import math
import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2

from bench.measure import Growth, Result

_DOCS = Path(__file__).parent.parent / "docs/reference"
_KEPT = _DOCS / "benchmarks.json"
_PAGE = _DOCS / "benchmarks.md"
_PLOTS = _DOCS / "benchmarks"
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=jinja2.select_autoescape(["svg"]),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def keep(name: str, results: Sequence[Result | Growth], *, took_s: float) -> None:
    """Put a benchmark's figures in place of those that it had before."""
    kept = _read()
    kept[name] = {
        "on": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "took_s": round(took_s),
        "results": [result.as_json() for result in results],
    }
    _KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")


def write() -> None:
    """Write page and plots anew from all that is kept."""
    kept = _read()
    rows = [row | {"benchmark": name} for name, of in kept.items() for row in of["results"]]
    compared = [row for row in rows if "verdict" in row and "sizes" not in row]
    grown = [row for row in rows if "sizes" in row]
    _PLOTS.mkdir(exist_ok=True)
    for old in _PLOTS.glob("*.svg"):
        old.unlink()
    with_goals = [row for row in compared if row["goal"]]
    _render("goals.svg", _PLOTS / "goals.svg", rows=_placed(with_goals))
    for number, row in enumerate(grown):
        row["plot"] = f"benchmarks/growth-{number}.svg"
        _render("growth.svg", _DOCS / row["plot"], row=row, points=_points(row))
    _render("benchmarks.md.jinja", _PAGE, kept=kept, compared=compared, grown=grown, said=said)


def said(figure: float) -> str:
    """A figure with the digits that it deserves."""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.2f}" if figure >= 0.1 else f"{figure:.3g}"  # noqa: PLR2004


def _read() -> dict[str, Any]:
    return json.loads(_KEPT.read_text(encoding="utf-8")) if _KEPT.exists() else {}


def _render(template: str, into: Path, **values: object) -> None:
    into.write_text(_TEMPLATES.get_template(template).render(**values), encoding="utf-8")


# --- where things stand in the plots --------------------------------------------------------------------------------


def _placed(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each row's figure as a multiple of its goal, so that all share one scale: right of 1 is met."""

    def met(figure: float, goal: dict[str, Any]) -> float:
        return goal["must"] / figure if goal["at_most"] else figure / goal["must"]

    return [
        row
        | {
            "x": _on_scale(met(row["median"], row["goal"])),
            "low": min(ends := [_on_scale(met(figure, row["goal"])) for figure in row["range"]]),
            "high": max(ends),
            "aim": _on_scale(met(row["goal"]["aim"], row["goal"])),
            "text": said(row["median"]),
        }
        for row in rows
    ]


def _on_scale(times: float) -> float:
    """From a quarter of the goal (0) to thirty times of it (1), as a logarithm."""
    low, high = math.log(0.25), math.log(30)
    return min(max((math.log(max(times, 1e-9)) - low) / (high - low), 0.0), 1.0)


def _points(row: dict[str, Any]) -> list[dict[str, Any]]:
    sizes, figures = [math.log(size) for size in row["sizes"]], row["figures"]
    wide, high = sizes[-1] - sizes[0], max(figures) * 1.15
    return [
        {"x": (x - sizes[0]) / wide, "y": 1 - figure / high, "size": size, "text": said(figure)}
        for x, figure, size in zip(sizes, figures, row["sizes"], strict=True)
    ]
