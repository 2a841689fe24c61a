"""T13: whatever people call things, to a browser it is text; and what the page may not do, the browser refuses."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from services.gateway.headers import CONTENT_SECURITY_POLICY
from services.gateway.routes.pages import PAGES, STATIC
from shared.contracts import charity, events
from shared.ids import new_id
from tests.e2e.chromium import OPTIONS, executable
from tests.gateway import facts
from tests.gateway.reading import ReadModelUnderTest
from tests.gateway.serving import RunningGateway, until

TEMPLATES = PAGES.parent / "templates"
CENTRE, CAMPAIGN = new_id(), new_id()
HOSTILE = [
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "\"><svg onload=document.title='owned'>",
    "'-document.title='owned'-'",
    "</title><script>document.title='owned'</script>",
    "javascript:document.title='owned'",
    "{{constructor.constructor('document.title=1')()}}",
    "${document.title='owned'}",
    "<a href=javascript:document.title='owned'>",
    "<style>@import 'http://192.0.2.1/'</style>",
]
_NOTICE = """
window.violations = [];
document.addEventListener("securitypolicyviolation", event =>
  window.violations.push(`${event.effectiveDirective} ${event.blockedURI}`));
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
    """A page that writes down what its policy refuses it."""
    context = await browser.new_context(base_url=gateway.url)
    await context.add_init_script(_NOTICE)
    yield await context.new_page()
    await context.close()


async def violations(page: Page) -> list[str]:
    return list(await page.evaluate("window.violations"))


def named(text: str) -> dict[str, str]:
    return {"kk": text, "ru": text, "en": text}


async def name_everything(model: ReadModelUnderTest, text: str) -> None:
    """A centre, a campaign and an event of that name, with something to be shown of each."""
    place: dict[str, Any] = {"centre_id": CENTRE, "region": facts.ALMATY}
    campaign = facts.campaign(
        charity.CampaignOpened, None, "open", campaign_id=CAMPAIGN, title=named(text), centre_ids=[CENTRE]
    )
    await model.tell(
        facts.centre_opened(**place, name=named(text)),
        campaign,
        facts.event(events.EventPublished, "draft", "published", **place, title=named(text)),
        facts.donation(**place, campaign_id=CAMPAIGN),
    )


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_t13_a_hostile_name_is_only_text(
    page: Page, gateway: RunningGateway, model: ReadModelUnderTest, hostile: str
) -> None:
    await name_everything(model, hostile)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    for scope in ("kz", facts.ALMATY, f"centre:{CENTRE}", f"campaign:{CAMPAIGN}"):
        for path in ("/en/", "/plain/en/"):
            await page.goto(f"{path}?scope={scope}")
            heading = page.locator("h1")
            await expect(heading).not_to_be_empty()
            if scope.startswith(("centre:", "campaign:")):
                await expect(heading).to_contain_text(hostile)
            assert "owned" not in (await page.title()).replace(hostile, "")
            assert await page.evaluate("document.querySelectorAll('[onerror], [onload], main script').length") == 0
            assert await violations(page) == []
    assert all(url.startswith((gateway.url, "data:")) for url in asked)


@pytest.mark.parametrize("path", ["/kk/", "/ru/", "/en/", "/plain/kk/", "/docs"])
async def test_t13_an_ordinary_visit_violates_nothing(page: Page, gateway: RunningGateway, path: str) -> None:
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    answer = await page.goto(path)

    assert answer is not None
    assert (await answer.all_headers())["content-security-policy"] == CONTENT_SECURITY_POLICY
    await expect(page.locator("h1").first).not_to_be_empty()
    assert (await violations(page), complaints) == ([], [])


@pytest.mark.parametrize(
    ("attempt", "refused"),
    [
        (
            "document.head.append(Object.assign(document.createElement('style'), {textContent: 'x{}'}))",
            "style-src-elem",
        ),
        ("document.body.setAttribute('style', 'color: red')", "style-src-attr"),
        ("document.body.innerHTML = '<b>owned</b>'", "require-trusted-types-for"),
        ("document.write('<b>owned</b>')", "require-trusted-types-for"),
        ("setTimeout('1')", "require-trusted-types-for"),
        ("document.createElement('script').src = '/assets/x.js'", "require-trusted-types-for"),
        ("trustedTypes.createPolicy('own', {createHTML: text => text})", "trusted-types"),
        ("trustedTypes.createPolicy('svelte-trusted-html', {createHTML: text => text})", "trusted-types"),
        ("document.body.append(Object.assign(new Image(), {src: 'http://192.0.2.1/x.png'}))", "img-src"),
        ("fetch('http://192.0.2.1/').catch(() => 0)", "connect-src"),
        ("new WebSocket('ws://192.0.2.1/')", "connect-src"),
        ("document.body.append(Object.assign(document.createElement('iframe'), {src: '/en/'}))", "frame-src"),
        (
            "document.head.append(Object.assign(document.createElement('base'), {href: 'http://192.0.2.1/'}))",
            "base-uri",
        ),
        (
            "(form => {document.body.append(form); form.submit()})"
            "(Object.assign(document.createElement('form'), {action: 'http://192.0.2.1/'}))",
            "form-action",
        ),
        ("new Worker('/assets/x.js')", "require-trusted-types-for"),
    ],
)
async def test_t13_what_the_page_may_not_do_is_refused_and_reported(page: Page, attempt: str, refused: str) -> None:
    """That the tests above can fail: the browser does hold the page to its policy."""
    await page.goto("/en/")
    await expect(page.locator("h1")).not_to_be_empty()

    await page.evaluate(f"() => {{ try {{ {attempt} }} catch {{ }} }}")
    reported = await until(lambda: violations(page))

    assert reported[0].split(" ")[0] == refused


async def test_t13_nobody_puts_the_page_into_a_frame(browser: Browser, gateway: RunningGateway) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text))

    await page.set_content(f"<iframe src='{gateway.url}/en/'></iframe>")
    frame = page.frames[1]
    await frame.wait_for_load_state()

    assert await frame.locator("#page").count() == 0
    await until(lambda: any("frame-ancestors" in line for line in refused))
    await context.close()


# --- without a browser: what is served holds nothing that the policy would have to refuse ----------------------------

_INLINE = {
    "a script without a file": re.compile(r"<script(?![^>]*\bsrc=)[^>]*>", re.IGNORECASE),
    "a style": re.compile(r"<style|\sstyle\s*=", re.IGNORECASE),
    "a handler": re.compile(r"<[^>]*\son[a-z]+\s*=", re.IGNORECASE),
    "an address that is a script": re.compile(r"(?:href|src|action)\s*=\s*[\"']?\s*javascript:", re.IGNORECASE),
}
PAGES_AND_TEMPLATES = [*TEMPLATES.glob("**/*.html"), *STATIC.glob("**/*.html")]


@pytest.mark.parametrize("what", _INLINE)
def test_t13_no_template_and_no_built_page_holds_anything_inline(what: str) -> None:
    assert {path.parent.name for path in PAGES_AND_TEMPLATES} >= {"templates", "kk", "ru", "en"}
    for path in PAGES_AND_TEMPLATES:
        assert not _INLINE[what].search(path.read_text()), path


@pytest.mark.parametrize(
    "html",
    ["<script>1</script>", "<p style='x'>", "<style>", '<img src="x" onerror="1">', "<a href='javascript:1'>"],
)
def test_the_rule_above_would_notice(html: str) -> None:
    assert any(pattern.search(html) for pattern in _INLINE.values())


def test_t13_nothing_turns_text_into_html_by_hand() -> None:
    """Neither the templates nor the page's components say that something is safe."""
    written = [*TEMPLATES.glob("**/*.html"), *(PAGES.parent / "dashboard" / "src").glob("**/*.svelte")]
    assert len(written) > 10
    for path in written:
        assert not re.search(r"\|\s*safe\b|autoescape|\{@html|innerHTML|insertAdjacentHTML", path.read_text()), path
    for path in Path(PAGES.parent).glob("*.py"):
        assert not re.search(r"Markup\(|autoescape=False", path.read_text()), path
