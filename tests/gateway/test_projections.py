"""What each fact changes: its figure, on its day, in each of its scopes."""

from datetime import date, timedelta
from typing import Any

import pytest

from services.gateway.consumers import consumer
from services.gateway.domain import Scope, ScopeUnknown
from shared.contracts import charity, events, volunteers
from shared.contracts.envelope import DomainEvent
from shared.ids import new_id
from tests.gateway import facts
from tests.gateway.facts import ALMATY, DAY
from tests.gateway.reading import TODAY, ReadModelUnderTest

BEFORE, AFTER = DAY - timedelta(days=1), DAY + timedelta(days=1)


async def test_a_fact_counts_in_each_of_its_scopes_and_nowhere_else(model: ReadModelUnderTest) -> None:
    gift = facts.donation(amount_minor=700)
    await model.tell(gift)

    counted = {"donations": 1, "money_received_minor": 700, "money_net_minor": 700, "money_on_hand_minor": 700}
    for scope in (
        "kz",
        ALMATY,
        f"centre:{gift.centre_id}",
        f"campaign:{gift.campaign_id}",
        f"{ALMATY}/campaign:{gift.campaign_id}",
    ):
        assert await model.figures(scope) == counted, scope
    for scope in ("KZ-71", f"centre:{new_id()}", f"campaign:{new_id()}", f"KZ-71/campaign:{gift.campaign_id}"):
        assert await model.figures(scope) == {}, scope


@pytest.mark.parametrize(
    ("kind", "figure"),
    [
        ("volunteer_centre", "volunteer_centres"),
        ("friendship_house", "friendship_houses"),
        ("mothers_council", "organisations"),
        ("a kind of tomorrow", "organisations"),
    ],
)
async def test_a_centre_stands_from_its_first_day_to_its_last(
    model: ReadModelUnderTest, kind: str, figure: str
) -> None:
    opened = facts.centre_opened(kind=kind, opened_on=date(2020, 3, 1))
    await model.tell(opened, facts.centre_closed(opened, on=DAY))

    assert await model.figures(end=date(2020, 2, 29)) == {}
    assert await model.figures(end=date(2020, 3, 1)) == {figure: 1}
    assert await model.figures(start=DAY, end=DAY) == {figure: 1}
    assert await model.figures(end=AFTER) == {}


async def test_a_centre_that_closes_today_still_stands_today(model: ReadModelUnderTest) -> None:
    opened = facts.centre_opened()
    await model.tell(opened, facts.centre_closed(opened, on=TODAY))

    assert await model.figures() == {"volunteer_centres": 1}
    assert await model.figures(end=TODAY) == {"volunteer_centres": 1}


@pytest.mark.parametrize("pages", ["one page", "a page each"])
async def test_another_kind_of_a_centre_restates_its_past_to_its_last_day(
    model: ReadModelUnderTest, pages: str
) -> None:
    opened = facts.centre_opened(opened_on=date(2020, 3, 1))
    closed = facts.centre_closed(opened, on=DAY)
    changed = facts.centre_changed(opened, kind="friendship_house", name=facts.NAMES | {"en": "House"})
    steps: list[DomainEvent] = [opened, closed, changed]
    for page in [steps] if pages == "one page" else [[step] for step in steps]:
        await model.tell(*page)

    assert await model.figures(end=DAY) == {"friendship_houses": 1}
    assert await model.figures(end=AFTER) == {}
    [during] = (await model.state(ALMATY, end=DAY))["centres"]
    assert (during["kind"], during["name"]["en"]) == ("friendship_house", "House")
    assert (await model.state(ALMATY, start=AFTER))["centres"] == []


async def test_coordinators_count_while_their_assignment_lasts(model: ReadModelUnderTest) -> None:
    made = facts.assignment_made(from_on=DAY)
    await model.tell(made, facts.assignment_ended(made, on=date(2021, 6, 30)))

    counted = [await model.figures(end=on) for on in (BEFORE, DAY, date(2021, 6, 30), date(2021, 7, 1))]

    assert counted == [{}, {"coordinators": 1}, {"coordinators": 1}, {}]


async def test_who_is_erased_counts_up_to_that_day(model: ReadModelUnderTest) -> None:
    approved = facts.volunteer(volunteers.VolunteerApproved, "applied", "approved", on=DAY)
    await model.tell(approved, facts.erased(approved, on=AFTER))

    counted = [await model.figures(end=on) for on in (BEFORE, DAY, AFTER)]

    assert counted == [{}, {"volunteers_registered": 1}, {}]


async def test_who_is_erased_can_no_longer_come_in_and_has_no_name(own_model: ReadModelUnderTest) -> None:
    approved = facts.volunteer(volunteers.VolunteerApproved, "applied", "approved", on=DAY)
    pool, account_id, other_id = own_model.database.pool, new_id(), new_id()
    for identity, volunteer_id in ((account_id, approved.volunteer_id), (other_id, new_id())):
        await pool.execute(
            "INSERT INTO public.account (id, version, status, name, language, login, login_index, password,"
            " volunteer_id, made_by, made_at) VALUES ($1, 1, 'active', 'n', 'kk', 'l', $2, 'p', $3, 'x', now())",
            identity, identity.bytes, volunteer_id,
        )  # fmt: skip
        await pool.execute(
            "INSERT INTO public.session (id, version, secret, account_id, agent, made_at, seen_at, ends_at)"
            " VALUES ($1, 1, $2, $1, 'Firefox', now(), now(), now())",
            identity, identity.bytes,
        )  # fmt: skip
    [_, gone] = await own_model.tell(approved, facts.erased(approved, on=AFTER))

    again = await own_model.fold([gone])

    accounts = {row["id"]: row for row in await pool.fetch("SELECT * FROM public.account")}
    sessions = {row["account_id"]: row for row in await pool.fetch("SELECT * FROM public.session")}
    erased = accounts[account_id]
    assert again == 0
    assert [erased[name] for name in ("status", "name", "login", "login_index", "password")] == ["revoked", *[None] * 4]
    assert (sessions[account_id]["agent"], sessions[account_id]["ended_at"] is None) == ("", False)
    assert (accounts[other_id]["status"], sessions[other_id]["ended_at"]) == ("active", None)


async def test_registered_are_the_approved_and_the_active(model: ReadModelUnderTest) -> None:
    person = {"volunteer_id": new_id(), "centre_id": new_id()}
    steps: list[tuple[type[volunteers.VolunteerFact], str | None, str, int]] = [
        (volunteers.VolunteerRegistered, None, "applied", 0),
        (volunteers.VolunteerApproved, "applied", "approved", 1),
        (volunteers.VolunteerActivated, "approved", "active", 1),
        (volunteers.VolunteerPaused, "active", "paused", 0),
        (volunteers.VolunteerResumed, "paused", "active", 1),
        (volunteers.VolunteerLeft, "active", "left", 0),
    ]
    for number, (step, was, status, registered) in enumerate(steps):
        on = DAY + timedelta(days=number)
        await model.tell(facts.volunteer(step, was, status, on=on, **person))

        assert (await model.figures(end=on)).get("volunteers_registered", 0) == registered, status
    await model.tell(facts.volunteer(volunteers.VolunteerRejected, "applied", "rejected"))
    series = (await model.state())["series"]
    assert series["volunteers_registered"] == [1, -1, 1, -1]
    # Applications and returns are worth a line; what a person does between is not.
    assert [tick["type"].split(".")[2] for tick in (await model.state())["ticker"]] == [
        "resumed", "approved", "registered",
    ]  # fmt: skip


async def test_a_declaration_replaces_the_one_before(model: ReadModelUnderTest) -> None:
    centre_id = new_id()
    await model.tell(facts.declared(centre_id=centre_id, number=300))
    await model.tell(facts.declared(centre_id=centre_id, number=120, before=300, on=AFTER))

    assert await model.figures(end=DAY) == {"volunteers_declared": 300}
    assert await model.figures() == {"volunteers_declared": 120}
    assert [tick["number"] for tick in (await model.state())["ticker"]] == [120, 300]


async def test_hours_are_corrected_by_what_takes_back(model: ReadModelUnderTest) -> None:
    earned = facts.hours(minutes=120)
    await model.tell(earned, facts.hours(centre_id=earned.centre_id, minutes=-120, corrects_id=earned.entry_id))
    await model.tell(facts.hours(centre_id=earned.centre_id, minutes=90))

    assert await model.figures(start=DAY, end=DAY) == {"hours_minutes": 90}
    assert await model.figures(start=AFTER) == {}


async def test_an_event_is_planned_then_held_or_not_at_all(model: ReadModelUnderTest) -> None:
    coming = TODAY + timedelta(days=3)
    happening = {"event_id": new_id(), "centre_id": new_id(), "campaign_id": new_id(), "on": coming}
    await model.tell(facts.event(events.EventDrafted, None, "draft", **happening))
    assert await model.figures() == {}

    await model.tell(facts.event(events.EventPublished, "draft", "published", **happening))
    assert await model.figures(f"campaign:{happening['campaign_id']}") == {"events_coming": 1}
    assert await model.figures(end=TODAY) == {}

    await model.tell(facts.event(events.EventHeld, "published", "held", **happening))
    assert await model.figures(today=coming) == {"events_held": 1}

    await model.tell(facts.event(events.EventPublished, None, "published", event_id=(other := new_id()), on=coming))
    await model.tell(
        facts.event(events.EventCancelled, "published", "cancelled", event_id=other, on=coming, reason="-")
    )
    assert await model.figures(today=coming) == {"events_held": 1}


async def test_an_event_that_is_past_and_was_not_held_is_not_coming(model: ReadModelUnderTest) -> None:
    await model.tell(facts.event(events.EventPublished, None, "published", on=DAY))

    assert await model.figures() == {}
    assert await model.figures(today=DAY) == {"events_coming": 1}
    assert await model.figures(today=AFTER) == {}


async def test_a_moved_event_is_planned_where_it_went(model: ReadModelUnderTest) -> None:
    one, other = new_id(), new_id()
    happening = {"event_id": new_id(), "centre_id": new_id()}
    new_day = AFTER + timedelta(days=30)
    await model.tell(
        facts.event(events.EventPublished, None, "published", campaign_id=one, on=AFTER, **happening),
        facts.event(
            events.EventChanged, "published", "published", campaign_id=other, on=new_day,
            was_on=AFTER, was_campaign_id=one, **happening,
        ),
    )  # fmt: skip

    assert await model.figures(f"campaign:{one}", today=DAY) == {}
    assert await model.figures(f"campaign:{other}", end=AFTER, today=DAY) == {}
    assert await model.figures(f"campaign:{other}", end=new_day, today=DAY) == {"events_coming": 1}


async def test_a_changed_draft_is_still_none_of_anybody_s_business(model: ReadModelUnderTest) -> None:
    happening = {"event_id": new_id(), "centre_id": new_id()}
    await model.tell(
        facts.event(events.EventDrafted, None, "draft", **happening),
        facts.event(events.EventChanged, "draft", "draft", was_on=DAY, on=AFTER, **happening),
    )

    state = await model.state(today=DAY)
    assert not any(state["figures"].values())
    assert state["ticker"] == []


async def test_sign_ups_can_be_given_back(model: ReadModelUnderTest) -> None:
    place = {"signup_id": new_id(), "centre_id": new_id()}
    await model.tell(facts.sign_up(events.SignUpConfirmed, **place), facts.sign_up(events.SignUpConfirmed))
    assert await model.figures() == {"sign_ups": 2}

    await model.tell(facts.sign_up(events.SignUpWithdrawn, **place))
    assert await model.figures() == {"sign_ups": 1}


@pytest.mark.parametrize(
    ("steps", "counted"),
    [
        ([(None, "present")], {"attendances": 1}),
        ([(None, "absent")], {}),
        ([(None, "present"), ("present", "excused")], {}),
        ([(None, "absent"), ("absent", "present"), ("present", "present")], {"attendances": 1}),
    ],
)
async def test_only_who_came_has_attended(
    model: ReadModelUnderTest, steps: list[tuple[str | None, str]], counted: dict[str, int]
) -> None:
    place = {"signup_id": new_id(), "centre_id": new_id()}
    await model.tell(*(facts.attendance(was=was, attendance=now, **place) for was, now in steps))

    assert await model.figures() == counted


async def test_a_later_headcount_replaces_the_one_before(model: ReadModelUnderTest) -> None:
    happening = {"event_id": new_id(), "centre_id": new_id()}
    await model.tell(facts.headcount(helpers=10, guests=100, **happening))
    await model.tell(facts.headcount(helpers=12, guests=80, helpers_before=10, guests_before=100, **happening))

    assert await model.figures() == {"helpers": 12, "guests": 80}


async def test_goods_are_valued_apart_from_money(model: ReadModelUnderTest) -> None:
    await model.tell(facts.donation(kind="goods", method="goods", amount_minor=900))

    assert await model.figures() == {"goods_value_minor": 900}
    assert [tick["amount_minor"] for tick in (await model.state())["ticker"]] == [900]


async def test_a_refund_counts_on_its_own_day(model: ReadModelUnderTest) -> None:
    gift = facts.donation(amount_minor=1000)
    await model.tell(gift, facts.refund(gift, amount_minor=400, on=AFTER))

    assert (await model.figures(end=DAY))["money_net_minor"] == 1000
    assert await model.figures(start=AFTER) == {
        "money_refunded_minor": 400, "money_net_minor": -400, "money_on_hand_minor": -400,
    }  # fmt: skip
    assert (await model.figures())["money_net_minor"] == 600
    assert (await model.state())["series"]["money_net_minor"] == [1000, -400]


async def test_money_has_left_when_it_is_paid_not_before(model: ReadModelUnderTest) -> None:
    gift = facts.donation(amount_minor=1000)
    payment = {"disbursement_id": new_id(), "campaign_id": gift.campaign_id, "amount_minor": 300}
    await model.tell(
        gift,
        facts.disbursement(charity.DisbursementRequested, None, "requested", **payment),
        facts.disbursement(charity.DisbursementApproved, "requested", "approved", **payment),
    )
    assert (await model.figures())["money_on_hand_minor"] == 1000

    await model.tell(facts.disbursement(charity.DisbursementPaid, "approved", "paid", **payment))
    await model.tell(facts.disbursement(charity.DisbursementVoided, "requested", "voided", amount_minor=999))

    figures = await model.figures(f"campaign:{gift.campaign_id}")
    assert (figures["money_disbursed_minor"], figures["money_on_hand_minor"]) == (300, 700)


async def test_a_campaign_is_listed_from_its_opening_as_it_was_last_described(model: ReadModelUnderTest) -> None:
    campaign = {"campaign_id": new_id()}
    await model.tell(facts.campaign(charity.CampaignDrafted, None, "draft", **campaign))
    assert (await model.state())["campaigns"] == []

    await model.tell(facts.campaign(charity.CampaignOpened, "draft", "open", **campaign))
    await model.tell(facts.campaign(charity.CampaignChanged, "open", "open", goal_minor=1, **campaign))
    await model.tell(facts.campaign(charity.CampaignClosed, "open", "closed", goal_minor=1, **campaign))
    await model.tell(facts.campaign(charity.CampaignReported, "closed", "reported", goal_minor=1, **campaign))

    [listed] = (await model.state())["campaigns"]
    assert (listed["id"], listed["status"], listed["goal_minor"]) == (str(campaign["campaign_id"]), "reported", 1)
    assert [tick["type"] for tick in (await model.state())["ticker"]] == ["charity.campaign.opened.v1"]


async def test_a_region_s_share_of_a_campaign_has_no_goal(model: ReadModelUnderTest) -> None:
    campaign_id = new_id()
    await model.tell(
        facts.campaign(charity.CampaignOpened, None, "open", campaign_id=campaign_id),
        facts.donation(campaign_id=campaign_id, amount_minor=100),
        facts.donation(campaign_id=campaign_id, amount_minor=30, region="KZ-71"),
        facts.delivered(campaign_id=campaign_id),
    )

    [whole] = (await model.state())["campaigns"]
    [share] = (await model.state(ALMATY))["campaigns"]

    assert (whole["received_minor"], whole["goal_minor"]) == (130, 5_000_000_00)
    assert (share["received_minor"], share["goal_minor"], share["deliveries"]) == (100, None, 1)


async def test_a_delivery_helps_a_family_and_its_members_once(model: ReadModelUnderTest) -> None:
    first = facts.delivered()
    again = facts.delivered(family_id=first.family_id, person_ids=[*first.person_ids[:2], new_id()], on=AFTER)
    await model.tell(first, again)

    assert await model.figures() == {"deliveries": 2, "families_helped": 1, "people_helped": 6}
    assert await model.figures(start=AFTER) == {"deliveries": 1, "families_helped": 1, "people_helped": 3}


async def test_a_voided_delivery_never_counted(model: ReadModelUnderTest) -> None:
    made = facts.delivered()
    await model.tell(made)
    await model.tell(facts.voided(made))

    assert await model.figures() == {}
    assert (await model.state())["series"]["days"] == []


async def test_a_person_named_twice_in_one_delivery_is_one_person(model: ReadModelUnderTest) -> None:
    person = new_id()
    await model.tell(facts.delivered(person_ids=[person, person]))

    assert (await model.figures())["people_helped"] == 1


async def test_everything_is_kept_for_who_follows_even_what_shows_nowhere(model: ReadModelUnderTest) -> None:
    family = {"family_id": new_id()}
    page = await model.tell(
        facts.family(charity.FamilyRegistered, None, "draft", **family),
        facts.family(charity.FamilyVerified, "draft", "verified", **family),
        facts.family(charity.FamilyChanged, "verified", "verified", **family),
        facts.family(charity.FamilyArchived, "verified", "archived", **family),
    )

    kept = await model.database.pool.fetch("SELECT message_id, body FROM public.feed ORDER BY position")
    assert [(row["message_id"], row["body"]) for row in kept] == [(d.message_id, d.body) for d in page]
    state = await model.state()
    assert (state["revision"], state["as_of"].second, state["ticker"]) == (4, 4, [])


async def test_the_ticker_shows_the_newest_twenty_of_its_scope(model: ReadModelUnderTest) -> None:
    here = {"centre_id": new_id()}
    await model.tell(*(facts.donation(amount_minor=n, **here) for n in range(30)), facts.donation(region="KZ-71"))

    shown = {scope: (await model.state(scope))["ticker"] for scope in ("kz", ALMATY, "KZ-71")}

    assert [tick["amount_minor"] for tick in shown[ALMATY]] == list(range(29, 9, -1))
    assert [len(shown[scope]) for scope in ("kz", "KZ-71")] == [20, 1]
    assert shown["kz"][0] == shown["KZ-71"][0]


# --- what is not shown ------------------------------------------------------------------------------------------------


async def test_small_numbers_of_people_are_withheld_below_the_country(model: ReadModelUnderTest) -> None:
    made = facts.delivered(campaign_id=new_id(), person_ids=[new_id() for _ in range(4)])
    await model.tell(
        facts.centre_opened(centre_id=made.centre_id),
        facts.campaign(charity.CampaignOpened, None, "open", campaign_id=made.campaign_id),
        made,
    )

    country = await model.state()
    assert (country["figures"]["families_helped"], country["figures"]["people_helped"]) == (1, 4)
    assert country["hidden"] == []
    [part] = [region for region in country["regions"] if region["code"] == ALMATY]
    withheld: list[dict[str, Any]] = [part, country["campaigns"][0]]
    for scope in (ALMATY, f"centre:{made.centre_id}", f"campaign:{made.campaign_id}"):
        state = await model.state(scope)
        assert state["hidden"] == ["families_helped", "people_helped"], scope
        withheld += [state["figures"], *state["centres"], *state["campaigns"]]
    assert {shown["families_helped"] for shown in withheld} == {None}
    assert [shown["people_helped"] for shown in withheld if "people_helped" in shown] == [None] * 5


async def test_five_are_many_enough_and_none_is_no_secret(model: ReadModelUnderTest) -> None:
    await model.tell(*(facts.delivered(person_ids=[]) for _ in range(5)))

    state = await model.state(ALMATY)

    assert (state["figures"]["families_helped"], state["figures"]["people_helped"], state["hidden"]) == (5, 0, [])


async def test_the_ticker_does_not_tell_how_many_were_helped_where_few_were(model: ReadModelUnderTest) -> None:
    await model.tell(
        facts.delivered(person_ids=[new_id() for _ in range(4)]),
        facts.delivered(person_ids=[new_id() for _ in range(5)]),
    )

    many, few = (await model.state())["ticker"]

    assert many["number"] == 5
    assert "number" not in few


# --- scopes and periods -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "regions"), [(date(2021, 12, 31), 17), (date(2022, 6, 7), 17), (date(2022, 6, 8), 20), (None, 20)]
)
async def test_a_report_lists_the_regions_of_its_time(
    model: ReadModelUnderTest, end: date | None, regions: int
) -> None:
    listed = [region["code"] for region in (await model.state(end=end))["regions"]]

    assert len(listed) == regions
    assert ("KZ-10" in listed) == (regions == 20)


async def test_a_region_lists_the_centres_that_worked_in_the_period(model: ReadModelUnderTest) -> None:
    old, current, later = (
        facts.centre_opened(centre_id=facts.identity(n), opened_on=date(year, 1, 1))
        for n, year in ((1, 2018), (2, 2020), (3, 2022))
    )
    await model.tell(old, current, later, facts.centre_opened(region="KZ-71"), facts.centre_closed(old, on=DAY))

    async def listed(start: date | None, end: date | None) -> list[str]:
        return [centre["id"][-1] for centre in (await model.state(ALMATY, start, end))["centres"]]

    assert await listed(None, None) == ["1", "2", "3"]
    assert await listed(DAY, DAY) == ["1", "2"]
    assert await listed(AFTER, date(2021, 12, 31)) == ["2"]
    assert await listed(date(2022, 1, 1), None) == ["2", "3"]


@pytest.mark.parametrize(
    "code", ["", "KZ", "kz-75", "KZ-7٥", "KZ-755", "centre:", "centre:x", "volunteer:1", "KZ-75/x"]
)
def test_what_is_no_scope_is_refused(code: str) -> None:
    with pytest.raises(ScopeUnknown):
        Scope.parse(code)


@pytest.mark.parametrize("code", ["KZ-99", f"centre:{facts.identity(9)}", f"campaign:{facts.identity(9)}"])
async def test_a_scope_that_nobody_has_heard_of_is_refused(model: ReadModelUnderTest, code: str) -> None:
    with pytest.raises(ScopeUnknown):
        await model.state(code)


async def test_scopes_are_named_with_what_they_lie_in(model: ReadModelUnderTest) -> None:
    centre = facts.centre_opened()
    campaign = facts.campaign(charity.CampaignOpened, None, "open")
    await model.tell(centre, campaign)

    paths = {
        scope: [step["code"] for step in (await model.state(scope))["scope"]["path"]]
        for scope in ("kz", ALMATY, f"centre:{centre.centre_id}", f"campaign:{campaign.campaign_id}")
    }

    assert list(paths.values()) == [[], ["kz"], ["kz", ALMATY], ["kz"]]
    assert (await model.state(f"centre:{centre.centre_id}"))["scope"]["name"] == facts.NAMES


# --- the fold as a whole ----------------------------------------------------------------------------------------------


def test_every_contract_is_folded_or_left_out_on_purpose() -> None:
    shown_nowhere = {
        "events.event.drafted.v1",
        "events.shift.opened.v1",
        "charity.disbursement.requested.v1",
        "charity.disbursement.approved.v1",
        "charity.disbursement.voided.v1",
        "charity.family.registered.v1",
        "charity.family.verified.v1",
        "charity.family.changed.v1",
        "charity.family.archived.v1",
    }
    contracts = {
        known.type
        for module in (volunteers, events, charity)
        for known in vars(module).values()
        if isinstance(known, type) and issubclass(known, DomainEvent) and "type" in vars(known)
    }

    assert contracts - set(consumer._handlers) == shown_nowhere  # noqa: SLF001  # nobody else has to know


async def test_a_page_delivered_twice_changes_nothing(model: ReadModelUnderTest) -> None:
    made = facts.delivered()
    page = await model.tell(facts.donation(), made, facts.voided(made), facts.declared(), facts.centre_opened())
    before = await model.everything()

    assert await model.fold(page) == 0
    assert await model.fold(reversed(page)) == 0
    assert await model.everything() == before
