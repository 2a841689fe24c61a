"""What a coordinator sees: the page follows the facts by itself, in three languages, and says when it cannot."""

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.e2e.calls import let_one_in, open_a_centre
from tests.running import RunningSystem

pytestmark = pytest.mark.browser
TITLES = {"kk": "Қазақстан", "ru": "Казахстан", "en": "Kazakhstan"}


async def test_a_call_through_the_gateway_changes_what_the_browser_shows_without_reload(
    running_system: RunningSystem, page: Page
) -> None:
    async with running_system.client() as client:
        centre_id = await open_a_centre(client)
        await page.goto(f"{running_system.address}/kk/")
        tile = page.locator("[data-figure=volunteers_registered]").first
        await expect(page.locator("[data-state=live]")).to_be_visible()
        before = int(await tile.get_attribute("data-value") or 0)
        await page.evaluate("window.stillTheSamePage = true")

        await let_one_in(client, centre_id)

        await expect(tile).to_have_attribute("data-value", str(before + 1))
        assert await page.evaluate("window.stillTheSamePage")


@pytest.mark.parametrize("language", TITLES)
async def test_the_page_speaks_three_languages(running_system: RunningSystem, page: Page, language: str) -> None:
    await page.goto(f"{running_system.address}/{language}/")

    await expect(page.locator("html")).to_have_attribute("lang", language)
    await expect(page.locator("h1")).to_contain_text(TITLES[language])
    await expect(page.locator("[data-state=live]")).to_be_visible()


async def test_the_plain_page_shows_the_same_without_a_script(running_system: RunningSystem) -> None:
    async with running_system.client() as client:
        state = (await client.get("/v1/dashboard")).json()
        plain = await client.get("/plain/ru/")

    assert plain.status_code == httpx.codes.OK
    assert "<script" not in plain.text
    assert f'data-value="{state["figures"]["volunteers_registered"]}"' in plain.text
