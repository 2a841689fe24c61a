"""The key of what is sealed is changed while people register: nothing is lost, and the old key can go."""

import asyncio
from pathlib import Path

import pytest

from services.volunteers.app import Volunteers
from shared import resealing
from shared.access import keys
from shared.ids import new_id
from shared.sealed import Seal
from tests.factories import registration
from tests.systems import ServiceUnderTest, make_settings, serving

PURPOSE = {"purpose": "Кілт ауыстыруды тексеру"}


def quiet(_: str) -> None:
    return None


async def everybody_is_readable(volunteers: ServiceUnderTest, phones: dict[str, str]) -> bool:
    for volunteer_id, phone in phones.items():
        told = await volunteers.post(f"/v1/volunteers/{volunteer_id}/disclosures", PURPOSE)
        if told.status_code != 200 or told.json()["phone"] != phone:
            return False
    return True


async def register(volunteers: ServiceUnderTest, centre: str, phones: dict[str, str], **headers: str) -> None:
    form = registration(centre)
    answer = await volunteers.post("/v1/volunteers", form, **headers)
    assert answer.status_code == 201, answer.text
    phones[answer.json()["id"]] = form["phone"]


async def test_a_key_is_changed_under_load(volunteers: ServiceUnderTest, centre: str) -> None:
    phones: dict[str, str] = {}
    for _ in range(20):
        await register(volunteers, centre, phones)
    old = Seal(volunteers.keys_dir).current
    done = asyncio.Event()

    async def go_on_registering() -> None:
        while not done.is_set():
            await register(volunteers, centre, phones, idempotency_key=str(new_id()))

    load = [asyncio.create_task(go_on_registering()) for _ in range(4)]
    new = keys.add_sealing_key(volunteers.keys_dir)
    seal = Seal(volunteers.keys_dir)
    # Whoever still writes with the old key is come back to, until the whole service has noticed.
    while (await resealing.reseal(volunteers.database, seal, report=quiet)) or len(phones) < 60:
        assert (await resealing.counts(volunteers.database))[new]
    done.set()
    await asyncio.gather(*load)
    await resealing.reseal(volunteers.database, seal, report=quiet)

    assert set(await resealing.counts(volunteers.database)) == {new}
    assert keys.drop_other_sealing_keys(volunteers.keys_dir) == [old]
    assert await everybody_is_readable(volunteers, phones)
    async with serving(
        Volunteers, make_settings(volunteers.database.url, "nats://unused", volunteers.keys_dir)
    ) as anew:
        assert await everybody_is_readable(anew, phones)


async def test_what_another_process_sealed_with_a_new_key_opens_at_once(
    volunteers: ServiceUnderTest, centre: str
) -> None:
    keys.add_sealing_key(volunteers.keys_dir)
    phones: dict[str, str] = {}
    async with serving(
        Volunteers, make_settings(volunteers.database.url, "nats://unused", volunteers.keys_dir)
    ) as other:
        await register(other, centre, phones, idempotency_key="registered")

    assert await everybody_is_readable(volunteers, phones)


async def test_an_answer_that_is_kept_for_a_repeat_is_sealed_anew_too(
    volunteers: ServiceUnderTest, centre: str
) -> None:
    form = registration(centre)
    first = await volunteers.post("/v1/volunteers", form, idempotency_key="one")

    keys.add_sealing_key(volunteers.keys_dir)
    await resealing.reseal(volunteers.database, Seal(volunteers.keys_dir), report=quiet)
    keys.drop_other_sealing_keys(volunteers.keys_dir)
    again = await volunteers.post("/v1/volunteers", form, idempotency_key="one")

    assert (again.status_code, again.text) == (201, first.text)
    assert again.headers["idempotency-replayed"] == "true"


async def test_ended_in_the_middle_it_goes_on_where_it_was(volunteers: ServiceUnderTest, centre: str) -> None:
    phones: dict[str, str] = {}
    for number in range(10):
        await register(volunteers, centre, phones, idempotency_key=f"key-{number}")
    keys.add_sealing_key(volunteers.keys_dir)
    seal = Seal(volunteers.keys_dir)

    def end(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await resealing.reseal(volunteers.database, seal, report=end)
    half_way = await resealing.counts(volunteers.database)
    readable = await everybody_is_readable(volunteers, phones)
    await resealing.reseal(volunteers.database, seal, report=quiet)
    done = await resealing.counts(volunteers.database)

    assert readable
    assert len(half_way) == 2
    assert (set(done), done.total()) == ({seal.current}, half_way.total())
    assert await everybody_is_readable(volunteers, phones)


async def test_a_row_s_version_stays(volunteers: ServiceUnderTest, centre: str) -> None:
    phones: dict[str, str] = {}
    await register(volunteers, centre, phones)
    keys.add_sealing_key(volunteers.keys_dir)

    await resealing.reseal(volunteers.database, Seal(volunteers.keys_dir), report=quiet)

    [volunteer_id] = phones
    approved = await volunteers.post(f"/v1/volunteers/{volunteer_id}/approvals", {})
    assert (approved.status_code, approved.json()["version"]) == (200, 2)


def test_the_ring_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    keys.make_missing(tmp_path)
    first = Seal(tmp_path)
    sealed = first.close("а", place="p", row="1")

    new = keys.add_sealing_key(tmp_path)
    keys.make_missing(tmp_path)

    ring = Seal(tmp_path)
    assert (ring.current, ring.kids) == (new, [first.current, new])
    assert ring.open(sealed, place="p", row="1") == "а".encode()
    assert ring.index("а", place="p") == first.index("а", place="p")
    assert (tmp_path / keys.SEALING).stat().st_mode & 0o077 == 0
