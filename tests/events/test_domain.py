"""The rules, as properties."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.events import domain
from services.events.domain import Span
from shared.people import age_on

MINUTE = timedelta(minutes=1)
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
LENGTHS = st.integers(1, 3 * 24 * 60).map(lambda minutes: minutes * MINUTE)
SPANS = st.builds(lambda begin, length: Span(begin, begin + length), INSTANTS, LENGTHS)
NEAR = st.builds(
    lambda begin, shift, first, second: (
        Span(begin, begin + first),
        Span(begin + shift * MINUTE, begin + shift * MINUTE + second),
    ),
    INSTANTS, st.integers(-600, 600), LENGTHS, LENGTHS,
)  # fmt: skip
CHANGEOVERS = st.integers(0, 240).map(lambda minutes: minutes * MINUTE)


@given(NEAR, CHANGEOVERS)
def test_two_spans_overlap_each_other_or_neither(pair: tuple[Span, Span], changeover: timedelta) -> None:
    one, other = pair
    assert one.overlaps(other, changeover=changeover) == other.overlaps(one, changeover=changeover)
    assert one.overlaps(one)


@given(SPANS, LENGTHS, CHANGEOVERS)
def test_spans_that_meet_overlap_only_if_changing_over_takes_time(
    span: Span, length: timedelta, changeover: timedelta
) -> None:
    following = Span(span.ends_at, span.ends_at + length)
    assert not span.overlaps(following)
    assert span.overlaps(following, changeover=changeover) == (changeover > timedelta(0))
    later = Span(span.ends_at + changeover, span.ends_at + changeover + length)
    assert not span.overlaps(later, changeover=changeover)


@given(NEAR)
def test_spans_overlap_when_some_minute_is_in_both(pair: tuple[Span, Span]) -> None:
    one, other = pair
    shared_minutes = (min(one.ends_at, other.ends_at) - max(one.starts_at, other.starts_at)) // MINUTE
    assert one.overlaps(other) == (shared_minutes > 0)


@given(NEAR, CHANGEOVERS)
def test_what_contains_with_a_margin_contains_with_a_wider_one(pair: tuple[Span, Span], margin: timedelta) -> None:
    one, other = pair
    if one.contains(other, margin=margin):
        assert one.contains(other, margin=margin + MINUTE)
        assert one.minutes + 2 * (margin // MINUTE) >= other.minutes


@given(
    born_on=st.dates(date(1920, 1, 1), date(2020, 1, 1)),
    days=st.integers(0, 40_000),
    minimum_age=st.none() | st.integers(0, 100),
    hazard=st.sampled_from(["none", "heavy", "disaster_relief"]),
)
def test_once_old_enough_always_old_enough(born_on: date, days: int, minimum_age: int | None, hazard: str) -> None:
    def fits(day: date) -> bool:
        age_years = age_on(day, born_in=f"{born_on:%Y-%m}")
        try:
            domain.require_fit(
                status="active", consent=True, age_years=age_years, minimum_age=minimum_age, hazard=hazard
            )
        except (domain.VolunteerTooYoung, domain.HazardForMinors):
            return False
        return True

    day = born_on + timedelta(days=days)
    if fits(day):
        assert fits(day + timedelta(days=1))
        # Known to the month only, nobody is taken for older than they are.
        completed = day.year - born_on.year - ((day.month, day.day) < (born_on.month, born_on.day))
        assert completed >= max(minimum_age or 0, 0 if hazard == "none" else domain.ADULT_YEARS)


@given(needed=st.none() | st.integers(0, 50), racers=st.integers(0, 200))
def test_no_more_places_are_given_than_are_needed(needed: int | None, racers: int) -> None:
    taken = 0
    for _ in range(racers):
        try:
            domain.require_place(needed=needed, taken=taken)
        except domain.ShiftFull:
            break
        taken += 1
    assert taken == (racers if needed is None else min(racers, needed))


@given(st.lists(st.sampled_from(sorted(domain.TRANSITIONS)), max_size=8))
def test_an_event_that_is_held_or_cancelled_stays_so(actions: list[str]) -> None:
    status, final = "draft", None
    for action in actions:
        try:
            status = domain.next_status(action, now=status)
        except domain.StatusDoesNotAllow:
            continue
        assert final is None
        if status in ("held", "cancelled"):
            final = status
    assert final in (None, status)


def test_a_span_that_does_not_end_after_it_begins_is_refused() -> None:
    begin = datetime(2021, 6, 9, tzinfo=UTC)
    with pytest.raises(domain.EndsBeforeItBegins):
        domain.require_event_time(Span(begin, begin))
    with pytest.raises(domain.EventTooLong):
        domain.require_event_time(Span(begin, begin + timedelta(days=domain.EVENT_DAYS_MAX, seconds=1)))
