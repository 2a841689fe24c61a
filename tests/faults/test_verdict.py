"""The table of verdicts: every row has one, and the worst that was said of it is its own."""

import pytest

from tests.faults.table import TABLE
from tests.faults.verdict import HELD, NO_VERDICT, Verdict, document, rows_of

pytest_plugins = ["pytester"]


def given(number: int, *, lost: int = 0, doubled: int = 0, outage_s: float = 1.0, passed: bool = True) -> Verdict:
    verdict = Verdict(number, "somehow")
    verdict.give(outage_s=outage_s, lost=lost, doubled=doubled)
    verdict.conclude(passed, "" if passed else "for a reason")
    return verdict


def test_there_are_twenty_faults() -> None:
    assert list(TABLE) == list(range(1, 21))


def test_a_row_that_no_test_spoke_of_has_no_verdict() -> None:
    rows = rows_of([given(number) for number in TABLE if number != 7])

    assert [row.number for row in rows if not row.is_good] == [7]
    assert rows[6].said == NO_VERDICT


def test_a_test_that_passes_and_has_counted_nothing_has_no_verdict() -> None:
    verdict = Verdict(3, "somehow")
    verdict.conclude(passed=True)

    assert verdict.said == NO_VERDICT


@pytest.mark.parametrize("bad", [given(5, lost=1), given(5, doubled=2), given(5, passed=False)])
def test_one_bad_way_makes_its_row_bad(bad: Verdict) -> None:
    row = rows_of([given(5), bad])[4]

    assert not row.is_good
    assert row.said.startswith("broken")


def test_a_row_sums_what_was_lost_and_tells_the_longest_outage() -> None:
    row = rows_of([given(9, outage_s=0.5), given(9, outage_s=3.25, lost=1), given(9, doubled=2)])[8]

    assert (row.outage_s, row.lost, row.doubled) == (3.25, 1, 2)


def test_what_this_machine_cannot_run_is_told_and_not_blamed() -> None:
    elsewhere = Verdict(6, "power cut")
    elsewhere.said = "not run: needs root"

    row = rows_of([given(6), elsewhere])[5]

    assert row.is_good
    assert "not run: needs root" in document([row], "")


def test_the_page_has_every_row_and_every_way() -> None:
    page = document(rows_of([given(1), given(1)]), "All held.")

    assert "**All held.**" in page
    assert page.count("| somehow |") == 2
    assert all(fault.name in page for fault in TABLE.values())
    assert f"| 1.0 | 0 | 0 | {HELD} |" in page


def test_a_run_fails_when_a_row_has_no_verdict_or_a_bad_one(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["tests.faults.reporting"]')
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.fault(1, "this way")
        def test_good(verdict):
            verdict.give(outage_s=0.5)

        @pytest.mark.fault(2)
        @pytest.mark.parametrize("part", ["nats", "postgres"])
        def test_that_kills(verdict, part):
            verdict.give(lost=int(part == "nats"))

        @pytest.mark.fault(6)
        def test_that_cuts_power(verdict):
            pytest.skip("needs root")  # what the page makes of it is what is tested
        """
    )
    pytester.makeini("[pytest]\nmarkers = fault\n")

    run = pytester.runpytest_inprocess("--faults", "faults.md")

    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.assert_outcomes(passed=3, skipped=1)
    page = (pytester.path / "faults.md").read_text(encoding="utf-8")
    assert "| 1 | this way | 0.5 | 0 | 0 | held |" in page
    assert "| 2 | that kills, nats | – | 1 | 0 | broken |" in page
    assert "| 6 | that cuts power | – | – | – | not run: needs root |" in page
    run.stdout.fnmatch_lines(["* 1 | kill -9 of a service*held", " 3 | *no verdict", "2 of 20 promises held, in * s*"])
