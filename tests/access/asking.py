"""How each operation is asked for: on a target of its own, which belongs to the world's first centre and to ecology."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from shared.ids import new_id
from tests.access.world import World
from tests.charity import factories as charity
from tests.events import factories as events
from tests.factories import registration
from tests.volunteers import factories as volunteers


@dataclass(frozen=True)
class Asked:
    """One request, ready to be sent by anybody."""

    ids: dict[str, str] = field(default_factory=dict[str, str])
    """What stands for the names in braces in the path."""
    body: Any = None
    query: dict[str, Any] = field(default_factory=dict[str, Any])
    seeks: str | None = None
    """The id that is in the answer if the caller may see the target."""
    about: str | None = None
    """The volunteer whom it is about."""
    content: bytes | None = None
    """A CSV file that is sent in place of JSON."""


Ask = Callable[[World], Awaitable[Asked]]
ASK: dict[str, Ask] = {}
_days = count()


def _asks(*operations: str) -> Callable[[Ask], Ask]:
    def add(ask: Ask) -> Ask:
        ASK.update(dict.fromkeys(operations, ask))
        return ask

    return add


def _decides(noun: str, key: str, make: Callable[[World], Awaitable[str]], body: Any = None) -> None:
    """A decision on a target that is made for it: `POST /v1/<noun>/{<key>}/<decision>`."""

    async def ask(world: World) -> Asked:
        target = await make(world)
        return Asked({key: target}, body or {}, about=target if key == "volunteer_id" else None)

    ASK[f"POST /v1/{noun.replace('/', f'/{{{key}}}/', 1)}"] = ask


# --- volunteers ------------------------------------------------------------------------------------------------------


@_asks("POST /v1/volunteers")
async def _(world: World) -> Asked:
    return Asked(body=registration(world.here))


@_asks("GET /v1/volunteers", "GET /v1/volunteers/{volunteer_id}")
async def _(world: World) -> Asked:
    target = await world.volunteer()
    return Asked({"volunteer_id": target}, query={"limit": 200}, seeks=target, about=target)


@_asks("POST /v1/volunteers/searches")
async def _(world: World) -> Asked:
    target = await world.volunteer()
    return Asked(body={"centre_id": world.here, "limit": 200}, seeks=target, about=target)


_decides("volunteers/approvals", "volunteer_id", lambda world: world.volunteer())
_decides("volunteers/rejections", "volunteer_id", lambda world: world.volunteer())
_decides("volunteers/activations", "volunteer_id", lambda world: world.volunteer("approvals"))
_decides("volunteers/pauses", "volunteer_id", lambda world: world.volunteer("approvals", "activations"))
_decides("volunteers/resumptions", "volunteer_id", lambda world: world.volunteer("approvals", "activations", "pauses"))
_decides("volunteers/departures", "volunteer_id", lambda world: world.volunteer("approvals"))


_SHEET = "full_name;born_on\nАйгүл;1990-05-17\n".encode()


@_asks("POST /v1/volunteers/imports")
async def _(world: World) -> Asked:
    return Asked(query={"centre_id": world.here}, content=_SHEET)


@_asks(
    "GET /v1/volunteers/imports",
    "GET /v1/volunteers/imports/{import_id}",
    "DELETE /v1/volunteers/imports/{import_id}",
)
async def _(world: World) -> Asked:
    # The administrator's: each sees their own and no others, wherever the people in it belong.
    target = await _import(world)
    return Asked({"import_id": target}, seeks=target)


@_asks(
    "GET /v1/volunteers/imports/{import_id}/rows",
    "GET /v1/volunteers/imports/{import_id}/refused-rows",
)
async def _(world: World) -> Asked:
    return Asked({"import_id": await _import(world)})


async def _import(world: World) -> str:
    answer = await world.ask("POST", "/v1/volunteers/imports", query={"centre_id": world.here}, content=_SHEET)
    return str(answer.json()["id"])


@_asks("GET /v1/volunteers/import-templates")
async def _(world: World) -> Asked:
    return Asked()


@_asks("POST /v1/centres")
async def _(world: World) -> Asked:
    return Asked(body=volunteers.centre())


@_asks("GET /v1/centres", "GET /v1/centres/{centre_id}")
async def _(world: World) -> Asked:
    return Asked({"centre_id": world.here}, seeks=world.here)


async def _another_centre(world: World) -> str:
    return str((await world.make("/v1/centres", volunteers.centre()))["id"])


@_asks("PUT /v1/centres/{centre_id}")
async def _(world: World) -> Asked:
    return Asked({"centre_id": await _another_centre(world)}, volunteers.change())


_decides("centres/closures", "centre_id", _another_centre)


async def _assignment(world: World) -> str:
    return str((await world.make("/v1/assignments", volunteers.assignment(world.here)))["id"])


@_asks("POST /v1/assignments")
async def _(world: World) -> Asked:
    return Asked(body=volunteers.assignment(world.here))


@_asks("GET /v1/assignments")
async def _(world: World) -> Asked:
    return Asked(query={"centre_id": world.here, "limit": 200}, seeks=await _assignment(world))


_decides("assignments/endings", "assignment_id", _assignment)


@_asks("POST /v1/declarations")
async def _(world: World) -> Asked:
    return Asked(body=volunteers.declaration(world.here, declared_on=_day()))


@_asks("GET /v1/declarations")
async def _(world: World) -> Asked:
    made = await world.make("/v1/declarations", volunteers.declaration(world.here, declared_on=_day()))
    return Asked(query={"limit": 200}, seeks=made["id"])


@_asks("GET /v1/hours")
async def _(world: World) -> Asked:
    target = await world.volunteer("approvals")
    return Asked(query={"volunteer_id": target}, seeks=await world.hours_of(target), about=target)


@_asks("GET /v1/regions", "GET /v1/directions", "GET /v1/formats", "GET /v1/categories")
async def _(world: World) -> Asked:
    return Asked()


@_asks("GET /v1/journal/volunteers", "GET /v1/journal/events", "GET /v1/journal/charity")
async def _(world: World) -> Asked:
    return Asked()


_decides("volunteers/disclosures", "volunteer_id", lambda world: world.volunteer(), {"purpose": "Хабарласу"})


# --- events ----------------------------------------------------------------------------------------------------------


@_asks("POST /v1/events")
async def _(world: World) -> Asked:
    return Asked(body=events.event(world.here))


@_asks("GET /v1/events", "GET /v1/events/{event_id}")
async def _(world: World) -> Asked:
    target = await world.event()
    return Asked({"event_id": target}, query={"limit": 200}, seeks=target)


@_asks("GET /v1/events (a public one)", "GET /v1/events/{event_id} (a public one)")
async def _(world: World) -> Asked:
    target = await world.event(public=True)
    return Asked({"event_id": target}, query={"limit": 200}, seeks=target)


@_asks("GET /v1/events/{event_id} (a public draft)")
async def _(world: World) -> Asked:
    target = await world.event(public=True, status="draft")
    return Asked({"event_id": target}, seeks=target)


@_asks("PUT /v1/events/{event_id}")
async def _(world: World) -> Asked:
    return Asked({"event_id": await world.event(public=True)}, events.plan(venue="Саябақ"))


_decides("events/publications", "event_id", lambda world: world.event(status="draft"))
_decides("events/holdings", "event_id", lambda world: world.event(public=True))
_decides("events/cancellations", "event_id", lambda world: world.event(public=True), {"reason": "Жауын"})


@_asks("POST /v1/shifts")
async def _(world: World) -> Asked:
    return Asked(body=events.shift(await world.event(public=True)))


@_asks("GET /v1/shifts", "GET /v1/shifts/{shift_id}")
async def _(world: World) -> Asked:
    event_id = await world.event()
    target = await world.shift(event_id)
    return Asked({"shift_id": target}, query={"event_id": event_id}, seeks=target)


@_asks("GET /v1/shifts (of a public event)", "GET /v1/shifts/{shift_id} (of a public event)")
async def _(world: World) -> Asked:
    event_id = await world.event(public=True)
    target = await world.shift(event_id)
    return Asked({"shift_id": target}, query={"event_id": event_id}, seeks=target)


async def _future_shift(world: World, **fields: Any) -> str:
    """A shift at a time of its own, so that nobody is busy."""
    day = _day(2150)
    times = {"starts_at": f"{day}T04:00:00Z", "ends_at": f"{day}T08:00:00Z"}
    return await world.shift(await world.event(**times, **fields), **times)


@_asks("POST /v1/sign-ups")
async def _(world: World) -> Asked:
    target = await world.known_volunteer()
    return Asked(body={"shift_id": await _future_shift(world), "volunteer_id": target}, about=target)


@_asks("POST /v1/sign-ups (to a public event)")
async def _(world: World) -> Asked:
    target = await world.known_volunteer()
    return Asked(body={"shift_id": await _future_shift(world, public=True), "volunteer_id": target}, about=target)


@_asks("GET /v1/sign-ups", "GET /v1/sign-ups/{signup_id}")
async def _(world: World) -> Asked:
    volunteer_id = await world.known_volunteer()
    target = await world.sign_up(volunteer_id)
    return Asked({"signup_id": target}, query={"volunteer_id": volunteer_id}, seeks=target, about=volunteer_id)


@_asks("POST /v1/sign-ups/{signup_id}/withdrawals")
async def _(world: World) -> Asked:
    volunteer_id = await world.known_volunteer()
    target = await world.sign_up(volunteer_id, shift_id=await _future_shift(world, public=True))
    return Asked({"signup_id": target}, {}, about=volunteer_id)


@_asks("POST /v1/sign-ups/{signup_id}/attendances")
async def _(world: World) -> Asked:
    volunteer_id = await world.known_volunteer()
    return Asked({"signup_id": await world.sign_up(volunteer_id)}, {"attendance": "present"}, about=volunteer_id)


def _headcount(event_id: str) -> dict[str, Any]:
    return {"event_id": event_id, "helpers": 3, "guests": 40, "counted_by": "Санақшы"}


@_asks("POST /v1/headcounts")
async def _(world: World) -> Asked:
    return Asked(body=_headcount(await world.event(public=True)))


@_asks("GET /v1/headcounts", "GET /v1/headcounts/{headcount_id}")
async def _(world: World) -> Asked:
    event_id = await world.event(public=True)
    target = (await world.make("/v1/headcounts", _headcount(event_id)))["id"]
    return Asked({"headcount_id": target}, query={"event_id": event_id}, seeks=target)


# --- charity ---------------------------------------------------------------------------------------------------------


@_asks("POST /v1/campaigns")
async def _(world: World) -> Asked:
    return Asked(body=charity.campaign(centre_ids=[world.here]))


@_asks("GET /v1/campaigns", "GET /v1/campaigns/{campaign_id}")
async def _(world: World) -> Asked:
    return Asked({"campaign_id": world.campaign}, query={"limit": 200}, seeks=world.campaign)


@_asks("GET /v1/campaigns (a draft)", "GET /v1/campaigns/{campaign_id} (a draft)")
async def _(world: World) -> Asked:
    target = await world.draft_campaign()
    return Asked({"campaign_id": target}, query={"limit": 200}, seeks=target)


@_asks("PUT /v1/campaigns/{campaign_id}")
async def _(world: World) -> Asked:
    return Asked({"campaign_id": await world.draft_campaign()}, charity.campaign(centre_ids=[world.here]))


_decides("campaigns/openings", "campaign_id", lambda world: world.draft_campaign())
_decides("campaigns/closures", "campaign_id", lambda world: world.draft_campaign("openings"))
_decides("campaigns/reports", "campaign_id", lambda world: world.draft_campaign("openings", "closures"))


@_asks("POST /v1/donations")
async def _(world: World) -> Asked:
    return Asked(body=charity.donation(world.campaign, world.here))


@_asks("GET /v1/donations", "GET /v1/donations/{donation_id}", "GET /v1/ledger")
async def _(world: World) -> Asked:
    target = await world.donation()
    return Asked({"donation_id": target}, query={"limit": 200, "centre_id": world.here}, seeks=target)


_decides("donations/refunds", "donation_id", lambda world: world.donation(), charity.refund())


@_asks("GET /v1/donations/{donation_id}/refunds")
async def _(world: World) -> Asked:
    donation_id = await world.donation()
    refund = await world.make(f"/v1/donations/{donation_id}/refunds", charity.refund())
    return Asked({"donation_id": donation_id}, seeks=refund["id"])


@_asks("POST /v1/disbursements")
async def _(world: World) -> Asked:
    return Asked(body=charity.disbursement(world.campaign, world.here, amount=charity.money("1.00")))


@_asks("GET /v1/disbursements", "GET /v1/disbursements/{disbursement_id}")
async def _(world: World) -> Asked:
    target = await world.disbursement()
    return Asked({"disbursement_id": target}, query={"limit": 200}, seeks=target)


_decides("disbursements/approvals", "disbursement_id", lambda world: world.disbursement())
_decides("disbursements/payments", "disbursement_id", lambda world: world.disbursement("approvals"))
_decides("disbursements/voids", "disbursement_id", lambda world: world.disbursement(), {"reason": "Керек емес"})


@_asks("GET /v1/funds", "GET /v1/funds/{campaign_id}")
async def _(world: World) -> Asked:
    return Asked({"campaign_id": world.campaign}, query={"limit": 200}, seeks=world.campaign)


@_asks("GET /v1/tallies")
async def _(world: World) -> Asked:
    return Asked()


@_asks("POST /v1/families")
async def _(world: World) -> Asked:
    return Asked(body=charity.family(world.here))


@_asks("GET /v1/families", "GET /v1/families/{family_id}")
async def _(world: World) -> Asked:
    target = (await world.family())["id"]
    return Asked({"family_id": target}, query={"limit": 200}, seeks=target)


async def _draft_family(world: World) -> str:
    return str((await world.family())["id"])


_decides("families/verifications", "family_id", _draft_family)
_decides("families/archivals", "family_id", _draft_family)
_decides("families/members", "family_id", _draft_family, charity.member())


@_asks("POST /v1/families/{family_id}/members/{member_id}/endings")
async def _(world: World) -> Asked:
    family = await world.family()
    return Asked({"family_id": family["id"], "member_id": family["members"][-1]["id"]}, {})


@_asks("POST /v1/deliveries")
async def _(world: World) -> Asked:
    family = await world.family("verifications")
    return Asked(body=charity.delivery(family["id"], world.here))


@_asks("GET /v1/deliveries", "GET /v1/deliveries/{delivery_id}")
async def _(world: World) -> Asked:
    target = await world.delivery()
    return Asked({"delivery_id": target}, query={"limit": 200}, seeks=target)


_decides("deliveries/voids", "delivery_id", lambda world: world.delivery(), {"reason": "Қате"})


_PURPOSE = {"purpose": "Өтініш бойынша"}
_decides("volunteers/erasures", "volunteer_id", lambda world: world.volunteer(), _PURPOSE)
_decides("donations/erasures", "donation_id", lambda world: world.donation(), _PURPOSE)
_decides("families/erasures", "family_id", _draft_family, _PURPOSE)


_decides("families/exports", "family_id", _draft_family, _PURPOSE)


@_asks(
    "POST /v1/families/{family_id}/members/{member_id}/erasures",
    "POST /v1/families/{family_id}/members/{member_id}/exports",
)
async def _(world: World) -> Asked:
    family = await world.family()
    return Asked({"family_id": family["id"], "member_id": family["members"][-1]["id"]}, _PURPOSE)


_decides("donations/disclosures", "donation_id", lambda world: world.donation(), {"purpose": "Алғыс хат"})
_decides("families/disclosures", "family_id", _draft_family, {"purpose": "Жеткізу"})
_decides("deliveries/disclosures", "delivery_id", lambda world: world.delivery(), {"purpose": "Тексеру"})


def _day(year: int = 2021) -> str:
    """A day that nobody else got: of a series of some ten thousand from this year on."""
    month, day = divmod(next(_days), 28)
    years, month = divmod(month, 12)
    return f"{year + years}-{month + 1:02d}-{day + 1:02d}"


def unknown_id() -> str:
    return str(new_id())
