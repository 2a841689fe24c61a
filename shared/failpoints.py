"""Places at which a process can be made to die at once, so that it can be shown that nothing is lost there.

Unarmed, as always but in tests, passing one costs the call of a function that returns.
"""

import os
import signal
from collections.abc import Mapping

POINTS: Mapping[str, str] = {
    "api.before_commit": "A request is handled, and nothing of it is stored.",
    "api.after_commit_before_response": "What was asked for is done, and who asked has not heard of it.",
    "relay.before_publish": "Rows of the outbox are taken, and none is sent.",
    "relay.amid_batch": "Some messages of an atomic batch are sent.",
    "relay.after_publish_before_mark": "Messages are in the stream, and the outbox calls them unsent.",
    "consumer.after_effect_before_commit": "A page is applied in a transaction that is not committed.",
    "consumer.after_commit_before_ack": "A page is applied, and the stream does not know.",
    "consumer.amid_acknowledging": "The stream knows of some messages of a page.",
    "consumer.before_parking": "A handler has failed for good, and its message is not put aside.",
    "audit.before_sending_again": "A stream has lost messages, and its durables are forgotten.",
    "job.after_page_before_note": "The rows of a job's page are handled, and not noted as done.",
    "receipts.before_commit": "Receipts are numbered in a transaction that is not committed.",
    "gateway.before_forwarding": "A request has come in, and its service has not heard of it.",
    "gateway.after_answer_before_passing_on": "A service has answered, and who asked has not heard of it.",
    "generation.amid_switch": "The read model in use is retired, and its successor is not yet in use.",
    "generation.after_switch": "Another read model is in use, and this process follows the old one.",
    "generation.amid_removal": "An old read model's tables are gone, and it is listed as if they were there.",
}
"""Each point, and how things stand there."""


class Armed:
    """The point at which this process is to die, and how often it may still pass it."""

    def __init__(self, setting: str) -> None:
        """`setting`: a point, or `point:n` for the n-th time that it is reached.

        Raises:
            ValueError: there is no such point.
        """
        self.point, _, times = setting.partition(":")
        if self.point not in POINTS:
            raise ValueError(f"there is no failpoint {self.point!r}")
        self.left = int(times or 1)


_armed: Armed | None = None


def arm(setting: str) -> None:
    """Have this process die at a point; an empty setting arms nothing.

    Raises:
        ValueError: there is no such point.
    """
    global _armed  # noqa: PLW0603  # one process, one death
    _armed = Armed(setting) if setting else None


def reach(point: str) -> None:
    """Be at a point: die here if that is what this process is to do, as by `kill -9`."""
    if _armed is None or _armed.point != point:
        return
    _armed.left -= 1
    if _armed.left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
