"""A pytest plugin: tests marked with `fault` give verdicts, and `--faults FILE` makes the failure table of them."""

import dataclasses
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from _pytest.terminal import TerminalReporter

from tests.faults.verdict import HEADING, NOT_RUN, Row, Verdict, document, rows_of

_OF_TEST = pytest.StashKey[Verdict]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--faults", type=Path, metavar="FILE",
        help="print the verdict on each fault, write the table to FILE, and fail if a row has none",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    file: Path | None = config.getoption("faults")
    if file is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table(file, lanes=config.getoption("numprocesses", None) or 1), "faults")


@pytest.fixture
def verdict(request: pytest.FixtureRequest) -> Verdict:
    """The verdict on the fault that this test is marked with: `verdict.give(lost=…, doubled=…)`."""
    return _verdict_of(request.node)


def _verdict_of(item: pytest.Item) -> Verdict:
    """A test is marked `fault(number)` or `fault(number, how)`; its parameters are added to the words."""
    if _OF_TEST not in item.stash:
        marker = item.get_closest_marker("fault")
        assert marker is not None, f"{item.nodeid} is not marked with a fault"
        number, *how = marker.args
        named = item.name.partition("[")
        words = [how[0] if how else named[0].removeprefix("test_").replace("_", " "), named[2].rstrip("]")]
        item.stash[_OF_TEST] = Verdict(number, ", ".join(filter(None, words)))
    return item.stash[_OF_TEST]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if item.get_closest_marker("fault") is not None and (report.when == "call" or not report.passed):
        verdict = _verdict_of(item)
        if report.skipped and call.excinfo is not None:
            verdict.said = f"{NOT_RUN}: {call.excinfo.value}"
        else:
            verdict.conclude(report.passed, _first_line(call))
        # Reports cross from xdist's workers, stashes do not.
        report.user_properties = [*report.user_properties, ("verdict", dataclasses.asdict(verdict))]
    return report


def _first_line(call: "pytest.CallInfo[None]") -> str:
    if call.excinfo is None:
        return ""
    words = (str(call.excinfo.value).splitlines() or [""])[0]
    return f"{words or call.excinfo.typename}".replace("|", "/")[:120]


class Table:
    """Gathers the verdicts of a run, says each as it comes, and the whole table at the end."""

    def __init__(self, file: Path, *, lanes: int) -> None:
        self._file = file
        self._lanes = lanes
        self._began = time.monotonic()
        self._reporter: TerminalReporter | None = None
        self._verdicts: dict[tuple[int, str], Verdict] = {}

    @property
    def rows(self) -> list[Row]:
        return rows_of(self._verdicts.values())

    @property
    def _conclusion(self) -> str:
        rows = self.rows
        good = sum(row.is_good for row in rows)
        at_once = "one system after another" if self._lanes == 1 else f"{self._lanes} systems at once"
        return f"{good} of {len(rows)} promises held, in {time.monotonic() - self._began:.0f} s, {at_once}."

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._reporter = session.config.pluginmanager.get_plugin("terminalreporter")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, given in report.user_properties:
            if name == "verdict":
                verdict = Verdict(**_fields(given))
                # What ending a test has broken comes after what the test itself had said.
                self._verdicts[verdict.number, verdict.how] = verdict
                self._say(verdict.line)

    def pytest_report_teststatus(self, report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, str] | None:
        """Lines take the place of dots."""
        return ("passed" if report.when == "call" else "", "", "") if report.passed else None

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        rows = self.rows
        terminalreporter.section("faults")
        for line in (HEADING, *(row.line for row in rows)):
            terminalreporter.write_line(line)
        for row in rows:
            if row.said.startswith(NOT_RUN):
                terminalreporter.write_line(f"!! fault {row.number} was {row.said}", red=True)
        terminalreporter.write_line(f"{self._conclusion} Written to {self._file}.")

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        self._file.write_text(document(self.rows, self._conclusion), encoding="utf-8")
        if exitstatus == pytest.ExitCode.OK and not all(row.is_good for row in self.rows):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _say(self, line: str) -> None:
        if self._reporter is not None:
            self._reporter.ensure_newline()
            self._reporter.write_line(line)


def _fields(given: Any) -> dict[str, Any]:
    return dict(given)
