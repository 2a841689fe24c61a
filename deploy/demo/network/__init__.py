"""The network of 2021 as requests to the public API: invented, the same in every run, exact in its figures."""

from functools import cached_property

from deploy.demo.network.giving import Giving
from deploy.demo.network.happenings import Happenings
from deploy.demo.network.helping import Helping
from deploy.demo.network.papers import Papers
from deploy.demo.network.people import People
from deploy.demo.network.places import Places

SEED = 2021


class Network:
    """All requests of the year, each part made when it is first asked for.

    The same seed gives the same bytes, in whatever order the parts are asked for.
    """

    def __init__(self, seed: int = SEED) -> None:
        self.seed = seed
        # One book of numbers for each part: a shared one would depend on which part comes first.
        self._volunteers_papers = Papers(seed, "volunteers", range(5_000))
        self._families_papers = Papers(seed, "families", range(5_000, 10_000))

    @cached_property
    def places(self) -> Places:
        return Places(self.seed)

    @cached_property
    def people(self) -> People:
        return People(self.seed, self.places, self._volunteers_papers)

    @cached_property
    def giving(self) -> Giving:
        return Giving(self.seed, self.places)

    @cached_property
    def happenings(self) -> Happenings:
        return Happenings(self.seed, self.places, self.giving.running, self.people.serving)

    @cached_property
    def helping(self) -> Helping:
        return Helping(self.seed, self.places, self.giving.running, self._families_papers)
