"""Which NATS subjects each part of messaging uses: what a user must be let do for it, and no more.

Whoever may publish a request may name any subject for the answer, and the server does not ask whether they may publish
there. So a user of the services' account can have answers put into another's stream, but none that a listener would
take for a message: `pull` refuses what was not first published there, and by whom the stream belongs to.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from shared.messaging.subjects import (
    LISTENERS,
    PUBLISHERS,
    durables_of,
    hint_subject,
    inbox_of,
    stream_name,
    subjects_of,
)

OPERATOR = "operator"
"""The user of the operator's commands."""
_API = "$JS.API"


@dataclass(frozen=True)
class User:
    """One user of the services' account, and the subjects that it may publish and subscribe to."""

    name: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def users() -> list[User]:
    """A user for each service, and one for the operator's commands."""
    return [*(_service(name) for name in LISTENERS), _operator()]


def _service(name: str) -> User:
    publish = [*(_to_announce(name) if name in PUBLISHERS else ()), *_to_listen(name)]
    hints = [hint_subject(name)] if name in PUBLISHERS else []
    return User(name, tuple(publish), (*hints, _inbox(name)))


def _operator() -> User:
    publish = [subject for service in PUBLISHERS for subject in (*_to_read(service), *_to_repair(service))]
    return User(OPERATOR, tuple(publish), (_inbox(OPERATOR),))


def _inbox(user: str) -> str:
    return f"{inbox_of(user)}.>"


def _to_announce(service: str) -> Iterable[str]:
    """What relay and audit do. Making a stream is possible only where there is none, so it changes no stream."""
    stream = stream_name(service)
    yield f"asar.{service}.>"
    yield hint_subject(service)
    yield f"{_API}.STREAM.CREATE.{stream}"
    yield from _to_read(service)
    yield from _to_forget(service)


def _to_read(service: str) -> Iterable[str]:
    yield f"{_API}.STREAM.INFO.{stream_name(service)}"
    yield f"{_API}.DIRECT.GET.{stream_name(service)}"


def _to_forget(service: str) -> Iterable[str]:
    """Remove whatever durables stand on a stream: its owner does when messages come anew under used numbers."""
    yield f"{_API}.CONSUMER.LIST.{stream_name(service)}"
    yield f"{_API}.CONSUMER.DELETE.{stream_name(service)}.*"


def _to_repair(service: str) -> Iterable[str]:
    stream = stream_name(service)
    for act in ("CREATE", "UPDATE", "DELETE"):
        yield f"{_API}.STREAM.{act}.{stream}"
    yield f"{_API}.CONSUMER.INFO.{stream}.*"
    yield from _to_forget(service)


def _to_listen(listener: str) -> Iterable[str]:
    for service, nouns in sorted(LISTENERS[listener].items()):
        only, *more = subjects_of(service, nouns)
        for durable in durables_of(listener):
            at = f"{stream_name(service)}.{durable}"
            yield f"{_API}.CONSUMER.INFO.{at}"
            # The server sees to it that the filter is the one in the subject; several have no place there.
            yield f"{_API}.CONSUMER.CREATE.{at}" if more else f"{_API}.CONSUMER.CREATE.{at}.{only}"
            yield f"{_API}.CONSUMER.DELETE.{at}"
            yield f"{_API}.CONSUMER.MSG.NEXT.{at}"
            yield f"$JS.ACK.{at}.>"
