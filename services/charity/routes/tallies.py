"""Tallies."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from services.charity import queries
from services.charity.domain import too_few_to_show
from services.charity.queries import Figures, Scope
from services.charity.reference import DEFINITIONS
from services.charity.schemas import TallyFigures, TallyPeriod, TallyScope, TallyView
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission
from shared.access.principal import Principal
from shared.clock import Now
from shared.forms import Day, RegionCode
from shared.money import MoneyView
from shared.requests import Tx
from shared.requests import router as _router

router = _router("/v1/tallies", tags=["tallies"])


def _figures(figures: Figures) -> TallyFigures:
    return TallyFigures(
        money_received=MoneyView.of_minor(figures.received_minor),
        money_refunded=MoneyView.of_minor(figures.refunded_minor),
        money_net=MoneyView.of_minor(figures.received_minor - figures.refunded_minor),
        money_disbursed=MoneyView.of_minor(figures.disbursed_minor),
        money_on_hand=MoneyView.of_minor(figures.on_hand_minor),
        goods_value=MoneyView.of_minor(figures.goods_minor),
        donations=figures.donations,
        deliveries=figures.deliveries,
        families_helped=figures.families,
        people_helped=figures.people,
    )


def _looks_after(caller: Principal, centre_id: UUID | None) -> bool:
    """Whether the families that are counted are all the caller's own to read."""
    centres = {centre for centre, _ in caller.reach(Permission.READ_FAMILIES).parts}
    return None in centres or centre_id in centres


@router.get("", dependencies=[permits(Permission.READ_FIGURES)])
async def read_tally(
    tx: Tx,
    caller: Caller,
    now: Now,
    start: Annotated[
        Day | None, Query(alias="from", description="Civil day, included; absent: from the beginning.")
    ] = None,
    end: Annotated[Day | None, Query(alias="to", description="Civil day, included; absent: until today.")] = None,
    region: RegionCode | None = None,
    centre_id: UUID | None = None,
    campaign_id: UUID | None = None,
) -> TallyView:
    """What came in, what went out and whom it helped, in any period, region, centre and campaign."""
    scope = Scope(start, end, region, centre_id, campaign_id)
    figures = await queries.tally(tx, scope)
    shown, hidden = _figures(figures), list[str]()
    if not scope.is_whole_country and not _looks_after(caller, centre_id):
        hidden = [name for name in ("families_helped", "people_helped") if too_few_to_show(getattr(shown, name))]
        shown = shown.model_copy(update=dict.fromkeys(hidden))
    return TallyView(
        scope=TallyScope(region=region, centre_id=centre_id, campaign_id=campaign_id),
        period=TallyPeriod(start=start, end=end),
        as_of=now,
        figures=shown,
        hidden=hidden,
        definitions=DEFINITIONS,
    )
