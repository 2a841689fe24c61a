"""The garbage collector leaves alone what stays, and still finds what does not."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from shared.garbage import leave_alone_what_is_there


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


class Thing:
    """Something that knows itself, so that only the collector finds it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_is_there_is_looked_through_no_more_and_what_comes_later_is() -> None:
    before, gone = Thing(), weakref.ref(Thing())
    leave_alone_what_is_there()
    kept, later = weakref.ref(before), weakref.ref(Thing())
    del before

    gc.collect()

    assert gone() is None
    assert kept() is not None
    assert later() is None
