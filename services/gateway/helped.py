"""Whom deliveries have helped: distinct families and people per scope and stretch of time, as compressed bitmaps.

A delivery adds its family and people to the sets of its scopes (country, region, centre, campaign, …) and stretches
(day, month, year, all time). A set does not remember how often somebody was added; so when a delivery is voided, the
deliveries that stand decide who leaves a set. A period's figure is the size of the union of the few stretches that
cover it: exact for any period, and flat in the number of deliveries (decision 0009).
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from pyroaring import BitMap

from services.gateway import domain
from services.gateway.tables import Helped
from shared.contracts.charity import DeliveryFact, DeliveryMade, DeliveryVoided
from shared.database import Transaction

Key = tuple[str, str, Any]
"""Scope, stretch, first day."""

# ON CONFLICT DO NOTHING would use up a number for everyone who has one already, and bitmaps like theirs dense.
_NUMBERED = """
WITH asked AS (SELECT DISTINCT id FROM unnest($1::uuid[]) AS id),
     made AS (
         INSERT INTO member (id) SELECT id FROM asked
         WHERE NOT EXISTS (SELECT FROM member AS known WHERE known.id = asked.id) RETURNING id, number
     )
SELECT id, number FROM made UNION ALL SELECT member.id, member.number FROM member JOIN asked USING (id)
"""
_SETS = """
SELECT scope, span, starts_on, families, people FROM helped
JOIN unnest($1::text[], $2::text[], $3::date[]) AS asked(scope, span, starts_on) USING (scope, span, starts_on)
"""
_TAKE_OUT = "DELETE FROM deliverymember WHERE delivery_id = ANY($1::uuid[])"
_STANDING = (
    "SELECT number, is_family, day, region, centre_id, campaign_id FROM deliverymember WHERE number = ANY($1::int[])"
)


class HelpedSets:
    """The changes that a page of deliveries and voids makes to the sets, made together."""

    def __init__(self) -> None:
        self._made: list[DeliveryMade] = []
        self._voided: list[DeliveryVoided] = []

    def add(self, fact: DeliveryMade) -> None:
        self._made.append(fact)

    def remove(self, fact: DeliveryVoided) -> None:
        self._voided.append(fact)

    async def settle(self, tx: Transaction) -> None:
        """Bring members, sets and standing deliveries up to date."""
        facts: list[DeliveryFact] = [*self._made, *self._voided]
        everyone = [identity for fact in facts for identity in (fact.family_id, *fact.person_ids)]
        numbers: dict[UUID, int] = {row["id"]: row["number"] for row in await tx.sql(_NUMBERED, everyone)}
        sets = await _Sets.load(tx, {key for fact in facts for key in keys_of(fact)})
        # A delivery that is voided in the page that made it never gets to stand.
        voided = {fact.delivery_id for fact in self._voided}
        for fact in self._made:
            family, people = numbers[fact.family_id], {numbers[i] for i in fact.person_ids}
            for key in keys_of(fact):
                sets.families[key].add(family)
                sets.people[key].update(people)
            if fact.delivery_id not in voided:
                for number in (family, *people):
                    tx.insert_values("deliverymember", _standing(fact, number, is_family=number == family))
        if self._voided:
            await self._take_out(tx, numbers, sets)
        sets.store(tx)

    async def _take_out(self, tx: Transaction, numbers: Mapping[UUID, int], sets: "_Sets") -> None:
        """Leave in each set only who is still in it by another delivery."""
        await tx.sql(_TAKE_OUT, [fact.delivery_id for fact in self._voided])
        concerned = {numbers[i] for fact in self._voided for i in (fact.family_id, *fact.person_ids)}
        staying: set[tuple[Key, bool, int]] = set()
        for number, is_family, day, region, centre_id, campaign_id in await tx.sql(_STANDING, list(concerned)):
            staying |= {(key, is_family, number) for key in _keys(day, region, centre_id, campaign_id)}
        voided = {fact.delivery_id for fact in self._voided}
        for made in self._made:
            if made.delivery_id not in voided:
                for key in keys_of(made):
                    staying.add((key, True, numbers[made.family_id]))
                    staying |= {(key, False, numbers[i]) for i in made.person_ids}
        for fact in self._voided:
            for key in keys_of(fact):
                if (key, True, numbers[fact.family_id]) not in staying:
                    sets.families[key].discard(numbers[fact.family_id])
                for identity in fact.person_ids:
                    if (key, False, numbers[identity]) not in staying:
                        sets.people[key].discard(numbers[identity])


class _Sets:
    """The sets that a page touches."""

    def __init__(self, keys: set[Key]) -> None:
        self.families: dict[Key, BitMap] = {key: BitMap() for key in keys}
        self.people: dict[Key, BitMap] = {key: BitMap() for key in keys}

    @classmethod
    async def load(cls, tx: Transaction, keys: set[Key]) -> "_Sets":
        sets = cls(keys)
        ordered = list(keys)
        for scope, span, starts_on, families, people in await tx.sql(_SETS, *map(list, zip(*ordered, strict=True))):
            sets.families[scope, span, starts_on] = BitMap.deserialize(families)
            sets.people[scope, span, starts_on] = BitMap.deserialize(people)
        return sets

    def store(self, tx: Transaction) -> None:
        for (scope, span, starts_on), families in self.families.items():
            people = self.people[scope, span, starts_on]
            tx.put(
                Helped(
                    scope=scope,
                    span=span,
                    starts_on=starts_on,
                    families=families.serialize(),
                    people=people.serialize(),
                )
            )


def keys_of(fact: DeliveryFact) -> list[Key]:
    """The sets that a delivery belongs to."""
    return _keys(fact.on, fact.region, fact.centre_id, fact.campaign_id)


def _keys(day: Any, region: str | None, centre_id: UUID | None, campaign_id: UUID | None) -> list[Key]:
    spans = domain.spans_of(day)
    return [(scope, *span) for scope in domain.scopes_of(region, centre_id, campaign_id) for span in spans]


def _standing(fact: DeliveryMade, number: int, *, is_family: bool) -> dict[str, Any]:
    return {
        "number": number,
        "delivery_id": fact.delivery_id,
        "is_family": is_family,
        "day": fact.on,
        "region": fact.region,
        "centre_id": fact.centre_id,
        "campaign_id": fact.campaign_id,
    }


def union(sets: Iterable[bytes]) -> int:
    """How many are in any of the sets."""
    whole = BitMap()
    for serialized in sets:
        whole |= BitMap.deserialize(serialized)
    return len(whole)
