"""What of a page takes effect: of each aggregate the next version, each once, whatever order they come in."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from shared.messaging import order


@dataclass(frozen=True)
class Fact:
    aggregate: str
    version: int

    @property
    def place(self) -> order.Place:
        return self.aggregate, self.version


facts = st.builds(Fact, st.sampled_from("ab"), st.integers(1, 6))
pages = st.lists(facts, max_size=12)
histories = st.dictionaries(st.sampled_from("ab"), st.integers(0, 6))


@given(pages, histories, pages)
def test_each_aggregate_moves_on_without_a_gap_and_nothing_twice(
    page: list[Fact], seen: dict[str, int], waiting: list[Fact]
) -> None:
    turn = order.turn(page, seen, waiting)

    for aggregate in "ab":
        applied = [fact.version for fact in turn.to_apply if fact.aggregate == aggregate]
        before = seen.get(aggregate, 0)
        assert applied == list(range(before + 1, before + 1 + len(applied)))
        assert turn.moved.get(aggregate, before) == before + len(applied)
        assert (aggregate in turn.moved) == bool(applied)


@given(pages, histories)
def test_nothing_of_a_page_is_forgotten(page: list[Fact], seen: dict[str, int]) -> None:
    """It takes effect, waits, or has had its effect."""
    turn = order.turn(page, seen)

    kept = {*turn.to_apply, *turn.too_early}
    assert [fact for fact in page if fact not in kept and fact.version > seen.get(fact.aggregate, 0)] == []
    assert len(turn.to_apply) + len(turn.too_early) == len(kept)


@given(pages, histories, st.data())
def test_what_takes_effect_does_not_depend_on_the_order_of_arrival(
    page: list[Fact], seen: dict[str, int], data: st.DataObject
) -> None:
    other = order.turn(data.draw(st.permutations(page)), seen)
    turn = order.turn(page, seen)

    assert set(other.to_apply) == set(turn.to_apply)
    assert other.moved == turn.moved


def test_duplicates_are_counted() -> None:
    page = [Fact("a", 1), Fact("a", 2), Fact("a", 2), Fact("b", 1)]

    assert order.turn(page, {"a": 1}).duplicates == 2
