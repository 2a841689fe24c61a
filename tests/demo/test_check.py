"""The check after loading compares every figure, names what differs, and knows what may be withheld."""

import httpx
import pytest

from deploy.demo import check, patience
from deploy.demo.patience import CannotLoad
from deploy.demo.recount import COUNTRY, YEAR, Recount


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LONGEST_PAUSE_S", 0.001)


class Dashboard:
    """Shows what a recount says, but for what is changed in `shown`."""

    def __init__(self, recount: Recount) -> None:
        self.recount = recount
        self.asked = 0
        self.shown: dict[str, int | None] = {}
        self.hidden: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        asked = request.url.params
        figures = self.recount.figures(asked["scope"], (asked["from"], asked["to"]))
        return httpx.Response(200, json={"figures": figures | self.shown, "hidden": self.hidden})

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self), base_url="http://gateway")


async def test_the_check_compares_every_scope_and_month(recount: Recount) -> None:
    dashboard = Dashboard(recount)

    await check.wait_for_figures(dashboard.client(), recount)
    await check.check_everything(dashboard.client(), recount)

    assert dashboard.asked == 1 + len(recount.scopes()) + 12


async def test_a_figure_that_stays_wrong_is_named(recount: Recount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE_S", 0.05)
    dashboard = Dashboard(recount)
    dashboard.shown = {"families_helped": 16_551}

    with pytest.raises(CannotLoad, match=r"families_helped is 16551, must be 16552"):
        await check.wait_for_figures(dashboard.client(), recount)


async def test_a_figure_may_be_withheld_only_where_it_is_small(recount: Recount) -> None:
    dashboard = Dashboard(recount)
    dashboard.shown, dashboard.hidden = {"people_helped": None}, ["people_helped"]

    small = await check.differences(dashboard.client(), "KZ-11", YEAR, {"people_helped": 4})
    large = await check.differences(dashboard.client(), "KZ-11", YEAR, {"people_helped": 5})
    country = await check.differences(dashboard.client(), COUNTRY, YEAR, recount.figures(COUNTRY))

    assert not small
    assert [difference.figure for difference in [*large, *country]] == ["people_helped", "people_helped"]
