"""The pages for signing in and for rights in a real browser: by keyboard alone, on a phone, and as axe judges them."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, async_playwright, expect

import services.gateway
from shared.access.permissions import Role
from shared.ids import new_id
from tests.e2e.chromium import OPTIONS, executable
from tests.gateway import facts
from tests.gateway.people import PASSWORD, link
from tests.gateway.reading import ReadModelUnderTest
from tests.gateway.serving import RunningGateway

AXE = Path(services.gateway.__file__).parent / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = ("serious", "critical")
# The browser's own note of a form that was refused; all else that it says is a fault.
_REFUSED = re.compile(r"Failed to load resource: the server responded with a status of (401|403|409|422|429) ")
_BOXES = """
[...document.querySelectorAll("header.bar .inside > *")].map(part => part.getBoundingClientRect())
  .map(box => [box.left, box.top, box.right - 1, box.bottom - 1])
"""

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=executable(), args=OPTIONS)
        yield chromium
        await chromium.close()


@pytest.fixture
async def page(browser: Browser, gateway: RunningGateway) -> AsyncIterator[Page]:
    """A page that may neither complain nor be refused anything by its policy."""
    context = await browser.new_context(base_url=gateway.url, locale="en")
    complaints: list[str] = []

    def hear(said: ConsoleMessage) -> None:
        if not _REFUSED.match(said.text):
            complaints.append(said.text)

    tab = await context.new_page()
    tab.on("console", hear)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    yield tab
    await context.close()
    assert complaints == []


def place(page: Page) -> str:
    return urlsplit(page.url).path


async def enrol(page: Page, gateway: RunningGateway, role: Role = Role.ADMINISTRATOR) -> str:
    """Accept an invitation; answers the login."""
    login = f"{new_id().hex}@example.org"
    await page.goto(f"/enrolment/{await link(gateway, role)}")
    await page.get_by_label("Your name").fill("Aigul")
    await page.get_by_label("Login").fill(login)
    await page.get_by_label("New password").fill(PASSWORD)
    await page.get_by_role("button", name="Save and sign in").click()
    await expect(page.get_by_role("status")).to_contain_text("you are signed in")
    return login


async def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until this has the focus, as who uses no mouse does."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("The keyboard does not get there.")


async def test_one_comes_in_looks_around_and_leaves_by_keyboard_alone(page: Page, gateway: RunningGateway) -> None:
    login = f"{new_id().hex}@example.org"
    await page.goto(f"/enrolment/{await link(gateway, Role.COORDINATOR)}")
    for label, text in (("Your name", "Aigul"), ("Login", login), ("New password", PASSWORD)):
        await tab_to(page, page.get_by_label(label))
        await page.keyboard.type(text)
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("/en/account"))

    # The way past the header is the first that one meets.
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await tab_to(page, page.get_by_role("link", name="Make a key"))
    await page.keyboard.press("Enter")
    await tab_to(page, page.get_by_label("Name"))
    await page.keyboard.type("Reports")
    await tab_to(page, page.get_by_label("Read volunteers"))
    await page.keyboard.press("Space")
    await tab_to(page, page.get_by_label("Only these centres"))
    await page.keyboard.press("ArrowUp")
    await tab_to(page, page.get_by_role("button", name="Make a key"))
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Reports")).to_have_value(re.compile("^asar_dev_"))

    await tab_to(page, page.get_by_role("button", name="Sign out"))
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_have_text("You are signed out.")
    await tab_to(page, page.get_by_label("Login"))
    await page.keyboard.type(login)
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("/en/account"))


async def test_what_is_wrong_gets_the_focus_and_leads_to_its_field(page: Page, gateway: RunningGateway) -> None:
    await page.goto(f"/enrolment/{await link(gateway)}")
    await page.get_by_label("Your name").fill("Aigul")
    await page.get_by_label("Login").fill("with spaces")
    await page.get_by_label("New password").fill("kazakhstan kazakhstan")
    await page.keyboard.press("Enter")

    summary = page.get_by_role("alert")
    await expect(summary).to_be_focused()
    await expect(page).to_have_title(re.compile("^Error · "))
    await summary.get_by_role("link", name="Login").click()
    await expect(page.get_by_label("Login")).to_be_focused()
    await expect(page.get_by_label("Login")).to_have_accessible_description(re.compile("must not contain spaces"))
    await expect(page.get_by_label("Login")).to_have_value("with spaces")
    await expect(page.get_by_label("New password")).to_have_value("")


async def test_a_link_s_secret_is_in_no_address_and_no_history(page: Page, gateway: RunningGateway) -> None:
    token = await link(gateway)
    seen: list[str] = []
    page.on("request", lambda request: seen.append(f"{request.url} {request.headers.get('referer')}"))

    await page.goto(f"/enrolment/{token}")

    assert place(page) == "/en/enrolment"
    assert token not in await page.content()
    assert [address for address in seen if token in address] == [f"{gateway.url}/enrolment/{token} None"]


async def test_the_dashboard_shows_the_way_in_and_then_who_one_is(page: Page, gateway: RunningGateway) -> None:
    login = await enrol(page, gateway)
    await page.get_by_role("button", name="Sign out").click()

    await page.goto("/en/?scope=KZ-75")
    await page.get_by_role("link", name="Sign in").click()
    await page.get_by_label("Login").fill(login)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")

    await expect(page).to_have_url(f"{gateway.url}/en/?scope=KZ-75")
    await page.get_by_role("link", name=re.compile("Aigul|My account")).click()
    await expect(page).to_have_url(f"{gateway.url}/en/account")


@pytest.mark.parametrize("width", [320, 400, 640, 1140, 1280])
async def test_nothing_in_the_dashboard_s_bar_lies_on_something_else(page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 640})
    await page.goto("/ru/")
    await expect(page.get_by_role("link", name="Войти")).to_be_visible()

    boxes: list[list[float]] = await page.evaluate(_BOXES)

    for one, (left, top, right, bottom) in enumerate(boxes):
        assert right <= width
        for other in boxes[one + 1 :]:
            beside = left >= other[2] or other[0] >= right or top >= other[3] or other[1] >= bottom
            assert beside, (boxes[one], other)


@pytest.mark.parametrize(("scheme", "language"), [("light", "kk"), ("dark", "ru")])
async def test_every_page_is_without_grave_findings_and_fits_a_phone(
    page: Page, gateway: RunningGateway, model: ReadModelUnderTest, scheme: Any, language: str
) -> None:
    await model.tell(facts.centre_opened(), facts.centre_opened(region="KZ-71"))
    await page.emulate_media(color_scheme=scheme)
    await page.goto(f"/{language}/sign-in")
    await judge(page)
    await page.locator("#login").fill("somebody")
    await page.locator("#password").fill("not the password")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_be_focused()
    await judge(page)
    await page.goto(f"/enrolment/{await link(gateway, Role.AUDITOR)}")
    await page.goto(f"/{language}/enrolment")
    await judge(page)

    await enrol(page, gateway)
    for path in ("account", "account/password", "account/keys/new", "people", "people/invite", "sign-out"):
        await page.goto(f"/{language}/{path}")
        await judge(page)

    # What is refused, what is shown once, and what there is to be done with it.
    await page.goto(f"/{language}/account/keys/new")
    await page.locator("#name").fill("Reports")
    await page.locator("main button").click()
    await expect(page.get_by_role("alert")).to_be_focused()
    await judge(page)
    await page.locator("input[value='volunteers:read']").check()
    await page.locator("input[value=everywhere]").check()
    await page.locator("main button").click()
    await expect(page.locator("#key")).to_be_visible()
    await judge(page)
    for action in ("rotate", "end"):
        await page.goto(f"/{language}/account")
        await judge(page)
        await page.locator(f"a[href$='/{action}']").click()
        await judge(page)

    await page.goto(f"/{language}/people/invite")
    await page.locator("#for_whom").fill("Marat")
    await page.locator("input[value=auditor]").check()
    await page.locator("input[value=everywhere]").check()
    await page.locator("main button").click()
    await expect(page.locator("#link")).to_be_visible()
    await judge(page)
    await page.goto(f"/{language}/people")
    await judge(page)
    await page.locator(f"a[href^='/{language}/people/0']").first.click()
    person = place(page)
    await judge(page)
    for path in ("give", "password", "revoke"):
        await page.goto(f"{person}/{path}")
        await judge(page)
    await page.goto(person)
    await page.locator("a[href*='/grants/']").first.click()
    await judge(page)


async def test_who_may_not_gets_a_page_without_grave_findings(page: Page, gateway: RunningGateway) -> None:
    await enrol(page, gateway, Role.AUDITOR)

    await page.goto("/en/people")

    await expect(page.get_by_role("heading", level=1)).to_have_text("That did not work")
    await judge(page)


async def judge(page: Page) -> None:
    """As axe finds it, and as wide as a phone."""
    assert await page.evaluate("document.documentElement.lang"), page.url
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = await page.evaluate("axe.run().then(found => found.violations)")
    grave = [
        f"{place(page)} {one['id']}: {node['html']}" for one in found for node in one["nodes"] if one["impact"] in GRAVE
    ]
    assert grave == []
    await page.set_viewport_size({"width": 320, "height": 640})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320, page.url
    await page.set_viewport_size({"width": 1280, "height": 800})
