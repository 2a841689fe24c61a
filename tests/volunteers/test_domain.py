"""The rules, as properties."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import EmailStr, TypeAdapter, ValidationError

from services.volunteers import domain
from services.volunteers.schemas import Email

DAYS = st.dates(date(1900, 1, 1), date(2199, 12, 31))
STATUSES = sorted({s for before, after in domain.TRANSITIONS.values() for s in (*before, after)})
ATTENDANCES = st.none() | st.sampled_from(["present", "absent", "excused"])


@given(born_on=DAYS, day=DAYS)
def test_full_years_are_birthdays_counted(born_on: date, day: date) -> None:
    years = domain.full_years(born_on, day)

    assert (years >= 0) == (day >= born_on)
    following = domain.full_years(born_on, day + timedelta(days=1)) if day < date(2199, 12, 31) else years
    assert following - years in (0, 1)
    if (born_on.month, born_on.day) == (day.month, day.day):
        assert years == day.year - born_on.year


@given(born_on=DAYS, day=DAYS)
def test_nobody_is_born_after_the_application_or_too_long_before(born_on: date, day: date) -> None:
    plausible = born_on <= day and domain.full_years(born_on, day) <= domain.OLDEST_YEARS
    if plausible:
        domain.require_plausible_birth_day(born_on, day=day)
        return
    with pytest.raises(domain.BornInTheFuture) as refused:
        domain.require_plausible_birth_day(born_on, day=day)
    assert refused.value.pointer == "/born_on"


@given(born_on=DAYS, day=DAYS, days_before=st.integers(-3, 3), by=st.sampled_from(["self", "parent", "guardian"]))
def test_the_young_need_another_s_consent_and_all_need_one_in_time(
    born_on: date, day: date, days_before: int, by: str
) -> None:
    given_on = day - timedelta(days=days_before)
    young = domain.full_years(born_on, day) < domain.GUARDIAN_NEEDED_UNDER_YEARS

    def require() -> None:
        domain.require_consent(born_on=born_on, given_on=given_on, by=by, day=day)

    if given_on > day:
        with pytest.raises(domain.ConsentInTheFuture):
            require()
    elif young and by == "self":
        with pytest.raises(domain.GuardianConsentMissing):
            require()
    else:
        require()


@given(st.lists(st.sampled_from(sorted(domain.TRANSITIONS)), max_size=10))
def test_who_is_rejected_or_has_left_stays_so_and_only_an_approval_registers(actions: list[str]) -> None:
    status, approved, final = "applied", False, None
    for action in actions:
        try:
            status = domain.next_status(action, now=status)
        except domain.StatusDoesNotAllow:
            continue
        approved = approved or action == "approve"
        assert final is None
        assert status not in domain.REGISTERED or approved
        if status in ("rejected", "left"):
            final = status
    assert final in (None, status)


@given(action=st.sampled_from(sorted(domain.TRANSITIONS)), status=st.sampled_from(STATUSES))
def test_no_decision_leaves_everything_as_it_was(action: str, status: str) -> None:
    allowed, after = domain.TRANSITIONS[action]
    assert after not in allowed
    if status in allowed:
        assert domain.next_status(action, now=status) == after
    else:
        with pytest.raises(domain.StatusDoesNotAllow):
            domain.next_status(action, now=status)


@given(day=DAYS, after=DAYS)
def test_a_decision_is_on_the_day_of_what_it_follows_or_later(day: date, after: date) -> None:
    if day >= after:
        domain.require_in_order(day, after=after)
        return
    with pytest.raises(domain.DecidedBeforeApplied):
        domain.require_in_order(day, after=after)


@given(first=ATTENDANCES, later=st.lists(ATTENDANCES.filter(bool), max_size=8), minutes=st.integers(0, 3 * 24 * 60))
def test_corrections_sum_up_to_what_the_last_one_earns(
    first: str | None, later: list[str | None], minutes: int
) -> None:
    history = [None, first, *later]
    booked = sum(
        domain.earned_minutes(now, minutes) - domain.earned_minutes(was, minutes) for was, now in pairwise(history)
    )
    assert booked == (minutes if history[-1] == "present" else 0)


LOCAL_PARTS = st.text("abcXYZ09._+-'\"( ә", min_size=1, max_size=70)
DOMAINS = st.sampled_from(
    ["example.org", "Example.ORG", "пример.қаз", "localhost", "a..b", "-a.kz", "mail.kz.", "[::1]"]
)


@given(address=st.one_of(st.builds("{}@{}".format, LOCAL_PARTS, DOMAINS), st.emails(), st.text(max_size=20)))
def test_the_usual_way_to_write_an_address_is_taken_as_the_library_takes_it(address: str) -> None:
    try:
        expected: str | None = TypeAdapter(EmailStr).validate_python(address).lower()
    except ValidationError:
        expected = None
    if expected is None or len(expected) > 254:
        with pytest.raises(ValidationError):
            TypeAdapter(Email).validate_python(address)
    else:
        assert TypeAdapter[str](Email).validate_python(address) == expected
