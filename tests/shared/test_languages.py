"""A caller is told in Kazakh, Russian or English what is wrong; a program is told the same in all of them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.languages import LANGUAGES, Language, preferred
from tests.shared.kites import Kites
from tests.systems import ServiceUnderTest, make_settings, serving

TITLES = {
    "kk": "Кейбір өрістер дұрыс толтырылмаған.",
    "ru": "Некоторые поля заполнены неверно.",
    "en": "Some fields are not as they must be.",
}
REQUIRED = {"kk": "міндетті", "ru": "обязательно", "en": "is required"}


@pytest.fixture(scope="module")
async def kites(common_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServiceUnderTest]:
    settings = make_settings(common_url, "nats://127.0.0.1:1", tmp_path_factory.mktemp("keys"))
    async with serving(Kites, settings) as service:
        yield service


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("kk", "kk"),
        ("kk-KZ, ru", "kk"),
        ("kk-Cyrl-KZ;q=0.9, en;q=0.8", "kk"),
        ("ru-RU,ru;q=0.9,kk;q=0.8", "ru"),
        ("EN-gb", "en"),
        ("ru;q=0.5, en; q=0.7", "en"),
        ("fr, de;q=0.9", "kk"),
        ("*", "kk"),
        ("kk;q=0, *", "ru"),
        ("kk;q=0, ru;q=0, en;q=0.001", "en"),
        ("kk;q=0, ru;q=0, en;q=0", "kk"),
        ("ru;q=2, en", "en"),
        ("ru;q=abc, en;q=0.1", "en"),
        ("", "kk"),
        (",,;q=,", "kk"),
    ],
)
def test_the_best_of_what_a_caller_accepts(accepted: str, language: Language) -> None:
    assert preferred(accepted) == language


def test_what_somebody_has_chosen_counts_more_than_what_their_browser_accepts() -> None:
    assert preferred("ru", chosen="en") == "en"
    assert preferred("ru", chosen="xx") == "ru"


@given(st.text(max_size=200), st.none() | st.text(max_size=5))
def test_whatever_is_asked_for_some_language_is_spoken(accepted: str, chosen: str | None) -> None:
    assert preferred(accepted, chosen=chosen) in LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_problem_is_told_in_the_caller_s_language(kites: ServiceUnderTest, language: Language) -> None:
    answer = await kites.post("/v1/kites", {}, accept_language=language)

    problem = answer.json()
    assert (answer.headers["content-language"], answer.headers["vary"]) == (language, "Accept-Language")
    assert (problem["title"], problem["errors"][0]["message"]) == (TITLES[language], REQUIRED[language])


async def test_a_program_that_says_no_language_is_told_in_english(kites: ServiceUnderTest) -> None:
    answer = await kites.post("/v1/kites", {})

    assert (answer.headers["content-language"], answer.json()["title"]) == ("en", TITLES["en"])


async def test_codes_are_the_same_in_every_language(kites: ServiceUnderTest) -> None:
    answers = [await kites.post("/v1/kites", {"x": 1, "id": "1"}, accept_language=language) for language in LANGUAGES]

    def for_programs(problem: dict[str, Any]) -> Any:
        names = [(error["pointer"], error["code"]) for error in problem["errors"]]
        return problem["type"], problem["code"], problem["status"], names

    assert len({str(for_programs(answer.json())) for answer in answers}) == 1


async def test_the_rows_of_a_batch_are_told_in_the_caller_s_language(kites: ServiceUnderTest) -> None:
    answer = await kites.post("/v1/kites/batches", {"items": [{}, {"name": 1}]}, accept_language="kk-KZ")

    assert (answer.headers["content-language"], answer.headers["vary"]) == ("kk", "Accept-Language")
    rows = answer.json()["items"]
    assert {row["problem"]["title"] for row in rows} == {TITLES["kk"]}
    assert rows[0]["problem"]["errors"][0]["message"] == REQUIRED["kk"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "content", "begins"),
    [
        ("GET", "/nowhere", {}, b"", "По этому адресу ничего нет."),
        ("DELETE", "/v1/kites", {}, b"", "Этот адрес не принимает такой метод."),
        ("POST", "/v1/kites", {"Content-Type": "text/plain"}, b"{}", "Отправьте JSON с content-type application/json."),
        ("POST", "/v1/kites", {"Content-Type": "application/json"}, b"{", "Запрос не удалось прочитать."),
        ("POST", "/v1/kites", {"Content-Length": "99999999"}, b"", "Запрос больше"),
        ("GET", "/v1/kites?cursor=x", {}, b"", "Этот курсор не наш"),
        ("GET", "/v1/kites", {"Authorization": "Bearer x"}, b"", "Этот сервис отвечает только шлюзу"),
        ("POST", "/v1/kites/crashes", {"Content-Type": "application/json"}, b"{}", "На нашей стороне"),
    ],
)  # fmt: skip
async def test_every_kind_of_problem_is_told_so(
    kites: ServiceUnderTest, method: str, path: str, headers: dict[str, str], content: bytes, begins: str
) -> None:
    answer = await kites.client.request(method, path, headers={"Accept-Language": "ru"} | headers, content=content)

    assert answer.json()["title"].startswith(begins), answer.text
    assert answer.headers["content-language"] == "ru"
