"""Distinct families and people, against plain sets: any deliveries and voids, in any pages, any scope and period."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain, pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.gateway import domain
from services.gateway.domain import Period
from shared.contracts.charity import DeliveryMade
from shared.contracts.envelope import DomainEvent
from tests.gateway import facts
from tests.gateway.reading import TODAY, ReadModelUnderTest

# Each example is some pages of real transactions; the read model is emptied in between.
on_a_database = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

# Few of each, so that deliveries meet: in the same sets, with the same people, on both sides of a month and a year.
REGIONS = ("KZ-75", "KZ-71")
DAYS = [date(2020, 12, 31), date(2021, 1, 1), date(2021, 1, 31), date(2021, 2, 1), date(2021, 2, 2), date(2021, 12, 31)]
PEOPLE = 12


@dataclass(frozen=True)
class Helped:
    """What a delivery says, in small numbers."""

    number: int
    family: int
    people: frozenset[int]
    on: date
    region: str
    centre: int
    campaign: int | None

    @property
    def fact(self) -> DeliveryMade:
        return facts.delivered(
            delivery_id=facts.identity(10_000 + self.number),
            family_id=facts.identity(1000 + self.family),
            person_ids=[facts.identity(2000 + person) for person in sorted(self.people)],
            on=self.on,
            region=self.region,
            centre_id=facts.identity(self.centre),
            campaign_id=None if self.campaign is None else facts.identity(100 + self.campaign),
        )

    @property
    def scopes(self) -> list[str]:
        return domain.scopes_of(self.region, self.fact.centre_id, self.fact.campaign_id)


@st.composite
def deliveries(draw: st.DrawFn) -> list[Helped]:
    made: list[Helped] = []
    for number in range(draw(st.integers(1, 12))):
        region = draw(st.sampled_from(REGIONS))
        made.append(
            Helped(
                number=number,
                family=draw(st.integers(0, 3)),
                people=draw(st.frozensets(st.integers(0, PEOPLE), max_size=5)),
                on=draw(st.sampled_from(DAYS)),
                region=region,
                # A centre lies in one region.
                centre=REGIONS.index(region) * 2 + draw(st.integers(1, 2)),
                campaign=draw(st.none() | st.integers(0, 1)),
            )
        )
    return made


def periods() -> st.SearchStrategy[Period]:
    day = st.sampled_from([None, *DAYS, date(2021, 1, 15), TODAY, TODAY + timedelta(days=400)])
    return st.tuples(day, day).map(lambda pair: Period(*_in_order(*pair)))


def _in_order(start: date | None, end: date | None) -> tuple[date | None, date | None]:
    return (end, start) if start and end and end < start else (start, end)


def pages_of(messages: list[Any], cuts: Iterable[int]) -> list[list[Any]]:
    """A list cut into pages."""
    bounds = sorted({0, len(messages), *(cut % (len(messages) + 1) for cut in cuts)})
    return [messages[start:end] for start, end in pairwise(bounds)]


def counted(standing: Iterable[Helped], scope: str, period: Period) -> dict[str, int]:
    """By plain sets."""
    within = [
        helped
        for helped in standing
        if scope in helped.scopes and (period.start or date.min) <= helped.on <= (period.end or date.max)
    ]
    families = {helped.family for helped in within}
    people = set(chain.from_iterable(helped.people for helped in within))
    return {"families_helped": len(families), "people_helped": len(people), "deliveries": len(within)}


async def shown(model: ReadModelUnderTest, scope: str, period: Period) -> dict[str, int]:
    figures = await model.figures(scope, period.start, period.end)
    return {name: figures.get(name, 0) for name in ("families_helped", "people_helped", "deliveries")}


async def assert_exact(
    model: ReadModelUnderTest, standing: Iterable[Helped], made: list[Helped], asked: list[Period]
) -> None:
    standing = list(standing)
    for scope in sorted({scope for helped in made for scope in helped.scopes}):
        for period in asked:
            assert await shown(model, scope, period) == counted(standing, scope, period), (scope, period)


@on_a_database
@given(
    made=deliveries(),
    voids=st.sets(st.integers(0, 11)),
    cuts=st.lists(st.integers(0, 40), max_size=6),
    late_voids=st.booleans(),
    asked=st.lists(periods(), min_size=1, max_size=4),
)
async def test_distinct_counts_are_exact_whatever_the_pages(
    model: ReadModelUnderTest,
    made: list[Helped],
    voids: set[int],
    cuts: list[int],
    late_voids: bool,
    asked: list[Period],
) -> None:
    await model.forget()
    told: list[DomainEvent] = []
    taken_back: list[DomainEvent] = []
    for helped in made:
        fact = helped.fact
        told.append(fact)
        if helped.number in voids:
            (taken_back if late_voids else told).append(facts.voided(fact))
    messages = [model.announce(fact) for fact in told + taken_back]

    for page in pages_of(messages, cuts):
        await model.fold(page)

    standing = [helped for helped in made if helped.number not in voids]
    await assert_exact(model, standing, made, [Period(), *asked])


@on_a_database
@given(made=deliveries(), chosen=st.integers(0, 11), in_one_page=st.booleans())
async def test_to_void_and_deliver_again_changes_nothing(
    model: ReadModelUnderTest, made: list[Helped], chosen: int, in_one_page: bool
) -> None:
    await model.forget()
    await model.tell(*(helped.fact for helped in made))
    before = await model.everything()
    helped = made[chosen % len(made)]
    again = helped.fact.model_copy(update={"delivery_id": facts.identity(77_777)})

    if in_one_page:
        await model.tell(facts.voided(helped.fact), again)
    else:
        await model.tell(facts.voided(helped.fact))
        await model.tell(again)

    after = await model.everything()
    assert (after["days"], after["helped"]) == (before["days"], before["helped"])


@on_a_database
@given(made=deliveries(), one=periods(), other=periods())
async def test_in_either_period_is_in_one_plus_in_the_other_less_in_both(
    model: ReadModelUnderTest, made: list[Helped], one: Period, other: Period
) -> None:
    """Of two periods that touch: |A or B| = |A| + |B| − |A and B|, with A and B from the sets that are shown."""
    await model.forget()
    await model.tell(*(helped.fact for helped in made))
    start = max(one.start or date(2020, 1, 1), date(2020, 1, 1))
    end = max(other.end or TODAY, start)
    between = start + (end - start) // 2

    def people(period: Period) -> set[int]:
        return set(
            chain.from_iterable(h.people for h in made if (period.start or start) <= h.on <= (period.end or end))
        )

    first, second = Period(start, between), Period(between + timedelta(days=1), max(end, between + timedelta(days=1)))
    whole = await shown(model, "kz", Period(first.start, second.end))
    parts = [(await shown(model, "kz", part))["people_helped"] for part in (first, second)]

    assert whole["people_helped"] == sum(parts) - len(people(first) & people(second))


@on_a_database
@given(
    made=deliveries(), voids=st.sets(st.integers(0, 11)), seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 60))
)
async def test_duplicates_delays_and_another_order_give_the_same_read_model(
    model: ReadModelUnderTest, made: list[Helped], voids: set[int], seed: int, cuts: list[int]
) -> None:
    await model.forget()
    gifts = [facts.donation(amount_minor=n + 1, on=helped.on, region=helped.region) for n, helped in enumerate(made)]
    opened = facts.centre_opened()
    told: list[DomainEvent] = [
        opened,
        facts.centre_changed(opened, kind="friendship_house"),
        facts.centre_closed(opened, on=DAYS[-1]),
        *chain.from_iterable((gift, facts.refund(gift, amount_minor=1)) for gift in gifts),
        *chain.from_iterable(
            (helped.fact, *([facts.voided(helped.fact)] if helped.number in voids else [])) for helped in made
        ),
    ]
    messages = [model.announce(fact) for fact in told]
    await model.fold(messages)
    in_order = await model.everything()
    await model.forget()

    # Delivered twice, and in any order at all: even a younger one of an aggregate before its elder.
    disturbed = messages + messages
    Random(seed).shuffle(disturbed)  # noqa: S311  # an order, not a secret
    for page in pages_of(disturbed, cuts):
        await model.fold(page)

    assert await model.everything() == in_order


async def test_a_page_of_five_hundred_and_its_voids(model: ReadModelUnderTest) -> None:
    """The page's own size, with each family met again and every second delivery taken back."""
    made = [
        Helped(
            n, n % 90, frozenset({n % 200, (n * 7) % 200}), DAYS[n % 6], REGIONS[n % 2], 1 + n % 2 * 2, n % 3 or None
        )
        for n in range(500)
    ]
    await model.tell(*(helped.fact for helped in made))
    await model.tell(*(facts.voided(helped.fact) for helped in made[::2]))

    await assert_exact(model, made[1::2], made, [Period(), Period(DAYS[1], DAYS[3])])


async def test_members_are_numbered_densely(model: ReadModelUnderTest) -> None:
    """Bitmaps are small because numbers are: who is met again must not use one up."""
    first = facts.delivered()
    await model.tell(first)
    for _ in range(5):
        await model.tell(facts.delivered(family_id=first.family_id, person_ids=first.person_ids))
    await model.tell(facts.delivered())

    assert await model.database.pool.fetchval("SELECT max(number) - min(number) + 1 FROM member") == 12


# --- the stretches that make up a period ------------------------------------------------------------------------------

any_day = st.dates(date(1990, 1, 1), TODAY)
LAST_DAY: dict[str, Callable[[date], date]] = {
    "day": lambda day: day,
    "month": lambda day: (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1),
    "year": lambda day: date(day.year, 12, 31),
    "all": lambda _: TODAY,
}


@given(one=any_day, other=any_day)
def test_the_stretches_of_a_period_are_a_partition_of_it(one: date, other: date) -> None:
    period = Period(min(one, other), max(one, other))

    spans = domain.cover(period, today=TODAY)

    ends = [LAST_DAY[span](start) for span, start in spans]
    starts = [start for _, start in spans]
    assert (starts[0], ends[-1]) == (period.start, period.end)
    assert starts[1:] == [end + timedelta(days=1) for end in ends[:-1]]


@given(one=any_day, other=any_day)
def test_no_two_stretches_could_be_one(one: date, other: date) -> None:
    """Fewest: whole years as years, other whole months as months, and days only where no month is whole."""
    start, end = min(one, other), max(one, other)
    spans = domain.cover(Period(start, end), today=TODAY)

    def whole(kind: str, day: date) -> bool:
        first = day.replace(day=1) if kind == "month" else date(day.year, 1, 1)
        return start <= first and LAST_DAY[kind](first) <= end

    for span, day in spans:
        if span == "day":
            assert not whole("month", day)
        if span in ("day", "month"):
            assert not whole("year", day)
    assert len(spans) <= 2 * 30 + 2 * 11 + (end.year - start.year + 1)


@given(day=any_day)
def test_a_day_lies_in_exactly_one_stretch_of_each_length(day: date) -> None:
    assert [span for span, start in domain.spans_of(day) if start <= day <= LAST_DAY[span](start)] == [
        "day", "month", "year", "all",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "period", [Period(), Period(None, TODAY), Period(None, TODAY + timedelta(days=1)), Period(None, date(9999, 12, 31))]
)
def test_all_time_is_one_stretch(period: Period) -> None:
    assert domain.cover(period, today=TODAY) == [("all", domain.BEGINNING)]


@pytest.mark.parametrize("period", [Period(TODAY + timedelta(days=1)), Period(date(9999, 1, 1), date(9999, 12, 31))])
def test_of_the_future_nothing_is_known(period: Period) -> None:
    assert domain.cover(period, today=TODAY) == []


def test_the_longest_period_is_quickly_made_of_stretches() -> None:
    assert len(domain.cover(Period(date(1, 1, 2), TODAY - timedelta(days=1)), today=TODAY)) < 2200
