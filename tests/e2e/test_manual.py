"""The API's manual in a real browser: styled, readable on a phone, and nothing in it is refused by its own policy."""

import pytest
from playwright.async_api import Page, expect

from tests.running import RunningSystem

pytestmark = pytest.mark.browser


async def test_the_manual_opens_what_one_looks_for(running_system: RunningSystem, page: Page) -> None:
    await page.goto(f"{running_system.address}/docs")
    operation = page.locator("#post-v1-donations")
    await expect(operation).to_contain_text("Record a gift of money or goods")

    await operation.locator("summary").click()

    await expect(operation.get_by_text("donations:write")).to_be_visible()
    await expect(operation.get_by_role("rowheader", name="campaign_id").first).to_be_visible()
    # The stylesheet was let through.
    assert await page.locator(".contents").evaluate("element => getComputedStyle(element).position") == "sticky"


async def test_the_manual_fits_a_phone(running_system: RunningSystem, page: Page) -> None:
    await page.set_viewport_size({"width": 320, "height": 640})
    await page.goto(f"{running_system.address}/docs")
    await page.locator("#post-v1-donations summary").click()

    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
