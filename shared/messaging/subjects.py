"""Who announces, who hears whom, and by which names: NATS's view of the system, as data without NATS."""

from collections.abc import Iterable, Mapping

PUBLISHERS = ("volunteers", "events", "charity")
LISTENERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "volunteers": {"events": ("signup",)},
    "events": {"charity": ("campaign",), "volunteers": ("centre", "volunteer")},
    "charity": {"volunteers": ("centre",)},
    "gateway": dict.fromkeys(PUBLISHERS, ()),
}
"""Who hears which aggregates of whom; none named: all. What NATS lets each service do is made from this."""
GENERATIONS = 8
"""How many read models of the gateway can have durables of their own at once; their names come round again."""
OUTSIDE = "pub"
"""Before the subject of what outsiders may hear: repeated by a stream once it is stored, so once and in its order."""


def stream_name(service: str) -> str:
    return f"ASAR_{service.upper()}"


def subjects_of(service: str, nouns: Iterable[str]) -> list[str]:
    """All facts about these aggregates of a service; about all of them when none is named."""
    return [f"asar.{service}.{noun}.>" for noun in nouns] or [f"asar.{service}.>"]


def durables_of(listener: str) -> tuple[str, ...]:
    """The names of a service's durables, on each stream that it hears."""
    if listener == "gateway":
        return tuple(durable_of_generation(number) for number in range(1, GENERATIONS + 1))
    return (listener,)


def durable_of_generation(number: int) -> str:
    """The name of the durables that fold one of the gateway's read models."""
    return f"gateway_{(number - 1) % GENERATIONS + 1}"


def hint_subject(service: str) -> str:
    """Core NATS, not stored: an api process tells a relay elsewhere that there is something to send."""
    return f"hint.asar.{service}"


def inbox_of(user: str) -> str:
    """Where a user's answers go: beneath its name, where nobody else may listen."""
    return f"_INBOX.{user}" if user else "_INBOX"
