"""Pages and files: in the visitor's language, the built page where there is one, the plain one always."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.routes import pages
from shared.languages import LANGUAGES, preferred
from tests.gateway import facts
from tests.gateway.reading import ReadModelUnderTest
from tests.gateway.serving import RunningGateway


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [
        (None, "", "kk"),
        (None, "kk-KZ,ru;q=0.9,en;q=0.8", "kk"),
        (None, "ru-RU, kk;q=0.5", "ru"),
        (None, "de-DE, en-GB;q=0.7, ru;q=0.6", "en"),
        (None, "fr, de;q=0.5", "kk"),
        (None, "ru;q=0, en;q=0.1", "en"),
        (None, "en;q=0", "kk"),
        (None, "RU", "ru"),
        (None, "ru;q=²", "kk"),
        (None, "*", "kk"),
        ("en", "ru", "en"),
        ("xx", "ru", "ru"),
    ],
)
def test_the_language_is_the_one_chosen_before_or_the_best_accepted(
    cookie: str | None, accepted: str, language: str
) -> None:
    assert preferred(accepted, chosen=cookie) == language


@given(st.text(max_size=60))
def test_whatever_a_browser_accepts_some_language_is_chosen(accepted: str) -> None:
    assert preferred(accepted) in LANGUAGES


async def test_the_front_door_leads_to_the_visitor_s_language_with_place_and_period(gateway: RunningGateway) -> None:
    status, headers, _ = await gateway.get("/?scope=KZ-75&from=2021-01-01", accept_language="ru")
    again = await gateway.get("/", accept_language="ru", cookie="language=en")

    assert (status, headers["location"]) == (307, "/ru/?scope=KZ-75&from=2021-01-01")
    assert {"accept-language", "cookie"} <= set(headers["vary"].lower().split(", "))
    assert again[1]["location"] == "/en/"


@pytest.mark.parametrize("path", ["/xx/", "/docs/", "/plain/xx/", "/kk/x", "/plain/", "/pages/", "/assets/"])
async def test_what_is_no_page_is_not_there(gateway: RunningGateway, path: str) -> None:
    async with gateway.client.get(path) as answer:
        assert (answer.status, answer.content_type) == (404, "application/problem+json")


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
async def test_without_a_build_the_plain_page_is_there(
    gateway: RunningGateway, model: ReadModelUnderTest, language: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pages, "STATIC", tmp_path)
    await model.tell(facts.donation(amount_minor=12_345_00))

    for path in (f"/{language}/", f"/plain/{language}/?scope=KZ-75&from=2021-01-01"):
        status, headers, html = await gateway.get(path)
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert f'lang="{language}"'.encode() in html
        assert b"<script" not in html
        assert b'data-value="1234500"' in html


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("scope=KZ-99", 404, "scope-unknown"),
        ("from=soon", 422, "day-unreadable"),
        ("to=2021-02-30", 422, "day-unreadable"),
    ],
)
async def test_a_plain_page_of_what_cannot_be_shown_is_a_problem(
    gateway: RunningGateway, query: str, status: int, code: str
) -> None:
    answer, _, problem = await gateway.get(f"/plain/kk/?{query}")

    assert (answer, problem["code"]) == (status, code)


async def test_the_built_page_and_its_files_are_served(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "kk").mkdir()
    (tmp_path / "kk" / "index.html").write_text("<!doctype html>built")
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "page-1a2b.js").write_text("export {}")
    (tmp_path / "favicon.svg").write_text("<svg/>")
    monkeypatch.setattr(pages, "STATIC", tmp_path)

    page = await gateway.get("/kk/?scope=KZ-75")
    script = await gateway.get("/assets/page-1a2b.js")
    icon = await gateway.get("/favicon.svg")

    assert (page[0], page[1]["cache-control"], page[2]) == (200, "no-cache", b"<!doctype html>built")
    assert "immutable" in script[1]["cache-control"]
    assert script[1]["content-type"].startswith(("text/javascript", "application/javascript"))
    assert (icon[0], icon[1]["content-type"]) == (200, "image/svg+xml")


@pytest.mark.parametrize(
    "path",
    [
        "/assets/..%2f..%2fapp.py",
        "/assets/%2e%2e",
        "/assets/..",
        "/pages/..%2fapp.py",
        "/pages/%2e%2e%2fapp.py",
        "/pages/../app.py",
        "/assets/%00",
        "/pages/nothing.css",
        "/assets/a\\..\\b",
    ],
)
async def test_no_path_leads_to_other_files(gateway: RunningGateway, path: str) -> None:
    status, body = await gateway.ask(f"GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n".encode())

    assert status == 404
    assert b"import" not in body


async def test_a_link_out_of_the_folder_is_not_followed(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (static / "assets" / "link").symlink_to(tmp_path / "secret")
    monkeypatch.setattr(pages, "STATIC", static)

    assert (await gateway.get("/assets/link"))[0] == 404


async def test_forwarded_requests_are_counted_by_noun_and_without_ids(gateway: RunningGateway) -> None:
    await gateway.get(f"/v1/centres/{facts.identity(7)}")

    _, _, metrics = await gateway.get("/metrics")

    assert b'route="/v1/centres"' in metrics
    assert str(facts.identity(7)).encode() not in metrics
