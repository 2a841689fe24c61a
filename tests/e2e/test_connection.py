"""What a coordinator sees of a gateway that dies: that it is gone, and later all that has happened meanwhile."""

import os
import signal

import httpx
import pytest
from playwright.async_api import Browser, expect

from shared.access.token import Signer
from tests.e2e.calls import let_one_in, open_a_centre
from tests.e2e.chromium import PATIENCE_MS
from tests.running import RunningSystem
from tests.systems import ADMINISTRATOR

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
async def test_a_page_without_its_gateway_says_so_and_catches_up_when_it_is_back(
    running_system: RunningSystem, browser: Browser, how: signal.Signals
) -> None:
    installation = running_system.installation
    # Straight to the service: its door stays open while the gateway is away.
    volunteers = httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{installation.port_of('volunteers')}",
        headers={"Authorization": f"Bearer {Signer(installation.keys).sign(ADMINISTRATOR, 'volunteers')}"},
        timeout=30,
    )
    # This page may complain: its connection breaks.
    context = await browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    async with volunteers, context:
        page = await context.new_page()
        centre_id = await open_a_centre(volunteers)
        await page.goto(f"{running_system.address}/en/")
        live, tile = page.locator("[data-state=live]"), page.locator("[data-figure=volunteers_registered]").first
        await expect(live).to_be_visible()
        before = int(await tile.get_attribute("data-value") or 0)
        await page.evaluate("window.stillTheSamePage = true")

        pid = running_system.pid_of("gateway")
        assert pid is not None
        # Nobody starts another one while this is looked at.
        with running_system.held():
            os.kill(pid, how)
            await expect(live).to_be_hidden()
            assert await tile.get_attribute("data-value") == str(before)
            await let_one_in(volunteers, centre_id)

        await expect(live).to_be_visible()
        await expect(tile).to_have_attribute("data-value", str(before + 1))
        assert await page.evaluate("window.stillTheSamePage")
    await running_system.wait_ready()
