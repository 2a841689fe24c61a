"""Where a right can hold, by name, for those who choose: centres from the read model, directions from their owner."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from fastapi import FastAPI
from pydantic import BaseModel, ValidationError

from services.gateway.generations import Generations
from services.gateway.proxy import Proxy, ServiceUnavailable
from services.gateway.queries.places import centres
from shared.database import DatabaseUnavailable
from shared.languages import Language
from shared.regions import REGIONS

_KEPT_S = 300.0

Name = Mapping[str, str | None]


@dataclass(frozen=True)
class Place:
    """A centre or a direction."""

    code: str
    name: Name
    region: str = ""

    def called(self, language: Language) -> str:
        return self.name.get(language) or self.name.get("ru") or self.name.get("kk") or self.code


class _Direction(BaseModel):
    code: str
    kk: str
    ru: str
    en: str


class _Directions(BaseModel):
    items: list[_Direction]


@dataclass(frozen=True)
class Places:
    """All there is to choose from; what cannot be had at the moment is not among it."""

    language: Language
    centres: Mapping[str, Place]
    directions: Mapping[str, Place]

    def centre(self, code: str | UUID) -> str:
        """A centre's name; its id where it has none that is known here."""
        known = self.centres.get(str(code))
        return str(code) if known is None else known.called(self.language)

    def direction(self, code: str) -> str:
        known = self.directions.get(code)
        return code if known is None else known.called(self.language)

    def by_region(self, within: Iterable[str] | None) -> dict[str, list[Place]]:
        """The centres by the name of their region; of these only, unless it is None."""
        wanted = None if within is None else set(within)
        regions: dict[str, list[Place]] = {}
        for place in self.centres.values():
            if wanted is None or place.code in wanted:
                region = REGIONS.get(place.region)
                name = region.name[self.language] if region else place.region
                regions.setdefault(name, []).append(place)
        return {
            name: sorted(places, key=lambda place: place.called(self.language))
            for name, places in sorted(regions.items())
        }


async def known(app: FastAPI, language: Language) -> Places:
    """What there is at the moment."""
    generations: Generations = app.state.generations
    try:
        rows = await centres(generations.active.pool)
    except DatabaseUnavailable:
        rows = []
    found = {str(row["id"]): Place(str(row["id"]), row["name"], row["region"]) for row in rows}
    return Places(language, found, await _directions(app))


async def _directions(app: FastAPI) -> dict[str, Place]:
    """The directions of work, asked for once in a while."""
    kept: tuple[float, dict[str, Place]] | None = getattr(app.state, "directions", None)
    if kept is not None and time.monotonic() - kept[0] < _KEPT_S:
        return kept[1]
    proxy: Proxy = app.state.proxy
    try:
        items = _Directions.model_validate_json(await proxy.read("volunteers", "/v1/directions")).items
    except (ServiceUnavailable, ValidationError):
        return {}
    directions = {one.code: Place(one.code, one.model_dump()) for one in items}
    app.state.directions = (time.monotonic(), directions)
    return directions
