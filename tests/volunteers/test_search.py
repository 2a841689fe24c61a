"""Volunteers found by the beginnings of their names' words, and nobody's name who is out of reach."""

from typing import Any
from uuid import UUID

import orjson
import pytest

from services.volunteers import queries
from services.volunteers.schemas import SearchVolunteers
from shared.access.permissions import Permission, Role
from shared.access.principal import Principal, person
from tests.factories import registration
from tests.systems import ServiceUnderTest

ADMINISTRATOR = person("person:a", Role.ADMINISTRATOR)


@pytest.fixture
async def elsewhere(volunteers: ServiceUnderTest) -> str:
    """The id of another centre."""
    form = {"kind": "volunteer_centre", "name": {"kk": "Басқа"}, "region": "KZ-71", "opened_on": "2020-01-01"}
    return (await volunteers.post("/v1/centres", form)).json()["id"]


async def register(volunteers: ServiceUnderTest, centre: str, *names: str, **fields: Any) -> list[str]:
    forms = [registration(centre, full_name=name, **fields) for name in names]
    answer = await volunteers.post("/v1/volunteers/batches", {"items": forms})
    return [item["id"] for item in answer.json()["items"]]


async def found(volunteers: ServiceUnderTest, by: Principal = ADMINISTRATOR, **asked: Any) -> list[str]:
    answer = await volunteers.post("/v1/volunteers/searches", asked, **volunteers.as_principal(by))
    assert answer.status_code == 200, answer.text
    return [item["full_name"] for item in answer.json()["items"]]


async def test_all_words_that_are_typed_begin_one_of_the_name(volunteers: ServiceUnderTest, centre: str) -> None:
    await register(volunteers, centre, "Қасымова Айгүл", "Касымов Айбек", "Айтқали Қас", "Әлиева Айгүл")

    assert await found(volunteers, name="ай кас") == ["Айтқали Қас", "Касымов Айбек", "Қасымова Айгүл"]
    assert await found(volunteers, name="касым айгуль") == ["Қасымова Айгүл"]
    # A word in its middle is not meant; nor is what is no word at all.
    assert await found(volunteers, name="гүл") == []
    assert await found(volunteers, name="?!") == []


async def test_a_name_narrows_what_else_is_asked(volunteers: ServiceUnderTest, centre: str, elsewhere: str) -> None:
    await register(volunteers, centre, "Сапар Дос", "Сапар Нұр", directions=["sport"], skills=["гитара"])
    await register(volunteers, elsewhere, "Сапар Бек", directions=["ecology"])

    assert await found(volunteers, name="сапар", direction="sport") == ["Сапар Дос", "Сапар Нұр"]
    assert await found(volunteers, name="сапар", skill="гитара", status="applied", limit=1) == ["Сапар Дос"]
    assert await found(volunteers, name="сапар", centre_id=elsewhere) == ["Сапар Бек"]


@pytest.mark.parametrize("few", [2, queries.FEW])
async def test_many_of_one_name_come_in_pages_as_few_do(
    volunteers: ServiceUnderTest, centre: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "FEW", few)
    names = [f"Болат {name}" for name in ("Абай", "Әсет", "Бауыржан", "Ғани", "Дамир")]
    await register(volunteers, centre, *reversed(names), "Дамир Өмір")

    asked, met = {"name": "болат", "limit": 2}, list[str]()
    while True:
        answer = (await volunteers.post("/v1/volunteers/searches", asked)).json()
        met += [item["full_name"] for item in answer["items"]]
        if answer.get("next") is None:
            break
        asked["cursor"] = answer["next"]

    assert met == names


async def test_nobody_is_found_by_name_who_is_out_of_reach(
    volunteers: ServiceUnderTest, centre: str, elsewhere: str
) -> None:
    [_, mine] = await register(volunteers, centre, "Асан Серік", "Асан Жомарт")
    await register(volunteers, elsewhere, "Асан Мейірім")
    await register(volunteers, elsewhere, "Асан Спорт", directions=["sport"])

    everywhere = person("person:s", Role.COORDINATOR, directions=["sport"])
    coordinator = person("person:c", Role.COORDINATOR, centres=[UUID(centre)])
    volunteer = person("person:v", Role.VOLUNTEER, volunteer_id=UUID(mine))

    assert await found(volunteers, coordinator, name="асан") == ["Асан Жомарт", "Асан Серік"]
    assert await found(volunteers, everywhere, name="асан") == ["Асан Спорт"]
    # Oneself, and only if one is called so.
    assert await found(volunteers, volunteer, name="асан") == ["Асан Жомарт"]
    assert await found(volunteers, volunteer, name="серік") == []


async def test_others_names_do_not_even_take_time(volunteers: ServiceUnderTest, centre: str, elsewhere: str) -> None:
    """Of the words of others not one row of the index is looked at: what is looked at can be timed."""
    names = [f"Асан {chr(ord('а') + n)}" for n in range(30)]
    await register(volunteers, elsewhere, *names)
    await register(volunteers, centre, "Асан Серік", "Болат Серік")
    await volunteers.database.pool.execute("VACUUM ANALYZE volunteerword")

    def rows_read(plan: dict[str, Any]) -> int:
        """Rows of the words that were found by an index or removed by a filter after it."""
        own = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) if "Relation Name" in plan else 0
        return int(own * plan["Actual Loops"]) + sum(rows_read(part) for part in plan.get("Plans", []))

    for by, rows in ((person("person:c", Role.COORDINATOR, centres=[UUID(centre)]), 1), (ADMINISTRATOR, 31)):
        async with volunteers.process.database.transaction(by.reach(Permission.READ_VOLUNTEERS)) as tx:
            # A table of so few rows would be read from its beginning to its end.
            await tx.sql("SET LOCAL enable_seqscan = off")
            await tx.sql("SET LOCAL enable_bitmapscan = off")
            explain = "EXPLAIN (ANALYZE, FORMAT JSON) " + queries.naming(1)
            [[plan]] = await tx.sql(explain, 100, "асан", "асао")
            assert rows_read(orjson.loads(plan)[0]["Plan"]) == rows


async def test_whoever_is_called_otherwise_is_found_by_the_new_name_only(
    volunteers: ServiceUnderTest, centre: str
) -> None:
    [changed, _] = await register(volunteers, centre, "Ескі Аты", "Ескі Ат")

    await volunteers.database.pool.execute(
        "UPDATE volunteer SET full_name = 'Жаңа Аты', name_folded = 'жана аты' WHERE id = $1", UUID(changed)
    )

    assert await found(volunteers, name="ескі") == ["Ескі Ат"]
    assert await found(volunteers, name="жаңа") == ["Жаңа Аты"]
    async with volunteers.process.database.transaction(ADMINISTRATOR.reach(Permission.READ_VOLUNTEERS)) as tx:
        form = SearchVolunteers(name="жана")
        [row] = await queries.find_volunteers(tx, form, after=None, fetch=5, seal=volunteers.process.seal)
    assert row.id == UUID(changed)
