"""The requests are such as the services take, name nobody real, and are the same in every run."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest

from deploy.demo.network import Network, vocabulary
from deploy.demo.network.places import REGIONS
from deploy.demo.stages import STAGES
from services.volunteers import reference as of_volunteers
from shared import regions
from shared.people import age_on, born_on_by_iin, check_digit, is_iin

# Surnames that a reader would take for somebody's.
PROMINENT = {
    "Тоқаев", "Токаев", "Назарбаев", "Мәсімов", "Масимов", "Сағынтаев", "Сагинтаев", "Мамин", "Смайылов", "Смаилов",
    "Бектенов", "Қонаев", "Кунаев", "Құнаев", "Әбдіқалықов", "Нұртілеу", "Балаев", "Аймағамбетов", "Тілеубердин",
    "Тасмағамбетов", "Жақсыбеков", "Қошанов", "Нығматулин", "Әшімбаев", "Жүргенов", "Құдайберген", "Головкин",
    "Шайдоров", "Рыбакин", "Путинцев", "Ильин", "Винокуров", "Қайрат", "Шинарбаев", "Шынарбаев", "Күмісбеков", "Әуезов",
    "Сәтбаев", "Бөкейханов", "Байтұрсынов", "Жұмабаев", "Момышұлы", "Молдағұлов", "Мәметов", "Сейфуллин", "Мұқанов",
    "Рысқұлов", "Аубакиров", "Мұсабаев", "Айымбетов", "Тропинин", "Колокольцев", "Снегирёв",
}  # fmt: skip


def everybody(network: Network) -> Iterator[tuple[str, str | None]]:
    """Every name in the network, with the IIN if there is one."""
    for volunteer in network.people.volunteers:
        yield volunteer["full_name"], volunteer.get("iin")
        if "by_name" in volunteer["consent"]:
            yield volunteer["consent"]["by_name"], None
    for assignment in network.people.assignments:
        yield assignment["person_name"], None
    for family in network.helping.families:
        for member in family["members"]:
            yield member["full_name"], member.get("iin")
    for donation in network.giving.donations:
        if donation["donor"].get("kind") == "person":
            yield donation["donor"]["name"], None


def digest_of(network: Network) -> str:
    digest = hashlib.sha256()
    for stage in STAGES:
        digest.update(stage.noun.encode())
        digest.update(orjson.dumps(stage.rows(network)))
    return digest.hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_whatever_order(network: Network) -> None:
    another = Network()
    _ = another.helping, another.happenings

    assert digest_of(another) == digest_of(network)


def test_the_bytes_are_those_of_every_other_machine(network: Network) -> None:
    # Whoever changes the network on purpose writes its new digest here.
    assert digest_of(network) == "bd26d034ba1bfff2d8b87bca7d250fc4ce4b1c1b805aa19770693caca384f462"


def test_another_seed_gives_another_network_with_the_same_figures() -> None:
    another = Network(seed=7)

    assert another.people.volunteers[0] != Network().people.volunteers[0]
    assert len(another.happenings.holdings) == 3_412


def test_every_id_is_a_uuid_of_version_7_and_belongs_to_one_thing(network: Network) -> None:
    ids = [row["id"] for stage in STAGES for row in stage.rows(network) if "id" in row]
    ids += [member["id"] for family in network.helping.families for member in family["members"]]

    assert len(ids) == len(set(ids))
    for text in ids[:: len(ids) // 2_000]:
        made = UUID(text)
        assert made.version == 7
        assert made.variant == "specified in RFC 4122"
        assert str(made) == text


def test_no_iin_phone_or_email_is_given_twice(network: Network) -> None:
    iins = [iin for _, iin in everybody(network) if iin]
    phones = [volunteer["phone"] for volunteer in network.people.volunteers]
    emails = [volunteer["email"] for volunteer in network.people.volunteers if "email" in volunteer]

    for papers in (iins, phones, emails):
        assert len(papers) == len(set(papers)) > 1_000


def test_no_iin_could_be_issued_to_anybody(network: Network) -> None:
    for _, iin in everybody(network):
        if iin is not None:
            born_on = born_on_by_iin(iin)
            assert check_digit(iin[:11]) is None or (born_on is not None and born_on > date(2059, 12, 31))
            assert is_iin(iin)


def test_phones_and_addresses_are_nobodys(network: Network) -> None:
    for volunteer in network.people.volunteers:
        # The code 764 is of a network that is long gone; example.org is reserved (RFC 2606).
        assert re.fullmatch(r"\+7764[0-9]{7}", volunteer["phone"])
        assert re.fullmatch(r"[a-z]+\.[a-z]+[0-9]*@example\.org", volunteer.get("email", "a.b@example.org"))


def test_nobody_bears_the_surname_of_a_prominent_person(network: Network) -> None:
    surnames = {full_name.split()[0] for full_name, _ in everybody(network)}

    assert len(surnames) > 200
    assert not surnames & {form for name in PROMINENT for form in (name, name + "а")}


def test_names_agree_with_the_sex_that_the_iin_tells(network: Network) -> None:
    for full_name, iin in everybody(network):
        surname, _, patronymic = full_name.split()
        female = surname.endswith("а")
        assert patronymic.endswith(("қызы", "на") if female else ("ұлы", "ич")), full_name
        assert iin is None or (int(iin[6]) % 2 == 0) is female


def test_no_two_volunteers_or_members_share_name_and_birth_day(network: Network) -> None:
    volunteers = Counter((v["full_name"], v["born_on"]) for v in network.people.volunteers)
    members = Counter((m["full_name"], m["born_on"]) for f in network.helping.families for m in f["members"])

    assert max(volunteers.values()) == max(members.values()) == 1


def test_the_regions_are_those_of_2021(network: Network) -> None:
    existed = {code for code, region in regions.REGIONS.items() if region.exists(date(2021, 12, 31))}

    assert {region.code for region in REGIONS} == existed
    assert {centre.region.code for centre in network.places.of_kinds("volunteer_centre")} == existed
    assert {centre.region.code for centre in network.places.of_kinds("friendship_house")} == existed


def test_the_republican_house_is_in_almaty(network: Network) -> None:
    republican = [c for c in network.places.centres if "Республикалық" in c.payload["name"]["kk"]]

    assert [(house.kind, house.region.code) for house in republican] == [("friendship_house", "KZ-75")]


def test_nothing_happens_at_a_centre_before_it_opens(network: Network) -> None:
    opened_on = {centre.id: centre.payload["opened_on"] for centre in network.places.centres}
    for centre in network.places.centres:
        parent_id = centre.payload.get("parent_id")
        assert centre.payload["opened_on"] <= "2021-12-31"
        assert parent_id is None or opened_on[parent_id] <= centre.payload["opened_on"]
    dated: list[tuple[str, dict[str, Any]]] = [
        *((row["applied_on"], row) for row in network.people.volunteers),
        *((row["from_on"], row) for row in network.people.assignments),
        *((row["declared_on"], row) for row in network.people.declarations),
        *((row["starts_at"][:10], row) for row in network.happenings.events),
        *((row["occurred_on"], row) for row in network.giving.donations),
        *((row["occurred_on"], row) for row in network.giving.disbursements),
        *((row["registered_on"], row) for row in network.helping.families),
        *((row["occurred_on"], row) for row in network.helping.deliveries),
    ]
    for day, row in dated:
        assert day >= opened_on[row["centre_id"]]


def test_codes_are_those_of_the_reference_data(network: Network) -> None:
    assert set(vocabulary.DIRECTIONS) == set(of_volunteers.DIRECTIONS)
    assert {format_.direction for format_ in vocabulary.FORMATS} - {None} <= set(of_volunteers.DIRECTIONS)


def test_the_young_have_a_guardian_behind_their_consent(network: Network) -> None:
    young = 0
    for volunteer in network.people.volunteers:
        born_on, day = date.fromisoformat(volunteer["born_on"]), date.fromisoformat(volunteer["applied_on"])
        consent = volunteer["consent"]
        age = day.year - born_on.year - ((day.month, day.day) < (born_on.month, born_on.day))
        assert 14 <= age <= 80
        assert consent["given_on"] <= volunteer["applied_on"]
        if age < 16:
            young += 1
            assert consent["by"] in ("parent", "guardian")
            assert consent["by_name"]
    assert young > 20


def test_decisions_come_in_order(network: Network) -> None:
    people = network.people
    latest = {volunteer["id"]: volunteer["applied_on"] for volunteer in people.volunteers}
    stages = (people.approvals, people.activations, people.pauses, people.resumptions)
    for stage in (*stages, people.departures, people.rejections):
        for decision in stage:
            assert latest[decision["volunteer_id"]] <= decision["decided_on"] <= "2021-12-31"
            latest[decision["volunteer_id"]] = decision["decided_on"]


def test_sign_ups_respect_places_overlaps_status_and_age(network: Network) -> None:
    people, happenings = network.people, network.happenings
    events = {event["id"]: event for event in happenings.events}
    shifts = {shift["id"]: shift for shift in happenings.shifts}
    born_in = {volunteer["id"]: volunteer["born_on"][:7] for volunteer in people.volunteers}
    gone = {d["volunteer_id"] for d in [*people.departures, *people.rejections]}
    gone |= {d["volunteer_id"] for d in people.pauses} - {d["volunteer_id"] for d in people.resumptions}
    ready_on = {decision["volunteer_id"]: decision["decided_on"] for decision in people.approvals}
    held = {holding["event_id"] for holding in happenings.holdings}
    taken: Counter[str] = Counter()
    busy: set[tuple[str, str]] = set()

    for sign_up in happenings.sign_ups:
        shift, volunteer = shifts[sign_up["shift_id"]], sign_up["volunteer_id"]
        day = shift["starts_at"][:10]
        taken[shift["id"]] += 1
        assert shift["event_id"] in held
        assert volunteer not in gone
        assert ready_on[volunteer] < day
        assert (volunteer, day) not in busy
        busy.add((volunteer, day))
        age = age_on(date.fromisoformat(day), born_in=born_in[volunteer])
        assert age >= shift.get("minimum_age", 0)
        assert age >= 18 or shift.get("hazard", "none") == "none"
        assert events[shift["event_id"]]["status"] == "published"

    assert len(happenings.sign_ups) == 6_000
    assert all(number <= shifts[shift_id].get("needed", number) for shift_id, number in taken.items())
    attendances = Counter(attendance["attendance"] for attendance in happenings.attendances)
    assert attendances.keys() == {"present", "absent", "excused"}
    assert len({row["signup_id"] for row in happenings.attendances}) == len(happenings.attendances) < 6_000


def test_shifts_lie_within_their_event_and_times_carry_almatys_offset(network: Network) -> None:
    events = {event["id"]: event for event in network.happenings.events}
    for shift in network.happenings.shifts:
        event = events[shift["event_id"]]
        times = [datetime.fromisoformat(text) for text in (event["starts_at"], shift["starts_at"])]
        times += [datetime.fromisoformat(text) for text in (shift["ends_at"], event["ends_at"])]
        assert times == sorted(times)
        assert times[1] < times[2]
    for event in events.values():
        assert event["starts_at"][-6:] == ("+06:00" if event["starts_at"] < "2024-03-01" else "+05:00")
        assert event["starts_at"][:10] == event["ends_at"][:10]


def test_gifts_and_help_belong_to_campaigns_that_run_and_centres_that_take_part(network: Network) -> None:
    campaigns = {campaign["id"]: campaign for campaign in network.giving.campaigns}
    opened = {opening["campaign_id"] for opening in network.giving.openings}
    for row in [*network.giving.donations, *network.helping.deliveries, *network.giving.disbursements]:
        if "campaign_id" in row:
            campaign = campaigns[row["campaign_id"]]
            assert row["campaign_id"] in opened
            assert row["centre_id"] in campaign["centre_ids"]
            # What was collected may be spent after the end.
            ends_on = "2021-12-31" if "purpose" in row else campaign.get("ends_on", "2021-12-31")
            assert campaign["starts_on"] <= row["occurred_on"] <= ends_on
    titles = {campaign["title"]["kk"] for campaign in campaigns.values()}
    assert {"Қайырымдылық керуені", "Жүректен жүрекке", "Мектепке жол", "Сарқыт"} <= titles
    assert opened < campaigns.keys()


def test_only_verified_families_are_helped_after_they_were_written_down(network: Network) -> None:
    helping = network.helping
    registered = {family["id"]: family["registered_on"] for family in helping.families}
    verified = {row["family_id"]: row["verified_on"] for row in helping.verifications}
    helped = {delivery["family_id"] for delivery in helping.deliveries}

    for family_id, verified_on in verified.items():
        assert registered[family_id] <= verified_on
    for delivery in helping.deliveries:
        assert verified[delivery["family_id"]] <= delivery["occurred_on"] <= "2021-12-31"
    assert len(registered.keys() - verified.keys()) == 260
    assert len(verified.keys() - helped) == 540


def test_families_have_one_head_and_nobody_is_born_after_being_written_down(network: Network) -> None:
    for family in network.helping.families:
        relations = Counter(member["relation"] for member in family["members"])
        assert relations["head"] == 1
        assert relations["spouse"] <= 1
        assert family["categories"]
        assert all(member["born_on"] <= family["registered_on"] for member in family["members"])


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_each_stage_waits_only_for_others_and_fits_the_batches(network: Network, stage: Any) -> None:
    names = [other.name for other in STAGES]

    assert set(stage.after) <= set(names[: names.index(stage.name)])
    assert 1 <= stage.size <= 500
    rows = stage.rows(network)
    assert rows
    assert max(len(orjson.dumps(row)) for row in rows) < 8 * 1024
