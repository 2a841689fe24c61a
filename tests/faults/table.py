"""The failure table: twenty faults, and what Asar promises of each. A row without a verdict is noticed."""

from typing import NamedTuple


class Fault(NamedTuple):
    """One row."""

    name: str
    promise: str


TABLE: dict[int, Fault] = {
    1: Fault(
        "kill -9 of a service in the middle of requests",
        "committed or not, never half; asked again with the same key, the same answer; back within 3 s",
    ),
    2: Fault(
        "kill -9 of a relay between publishing and marking",
        "the message comes again, its effect does not, the order stays",
    ),
    3: Fault("kill -9 of a consumer between effect and acknowledgement", "the effect once"),
    4: Fault("kill -9 of NATS", "callers notice nothing, the outbox grows; drained within 10 s"),
    5: Fault(
        "a cluster of three NATS servers loses its leader, then two of three",
        "callers notice nothing; messages go on within 15 s of the majority's return",
    ),
    6: Fault(
        "power cut of the NATS host",
        "no message is lost as NATS is configured; no effect is lost even if it were not",
    ),
    7: Fault(
        "kill -9 and power cut of PostgreSQL",
        "nothing promised is lost; 503 with Retry-After meanwhile; back within 5 s of its return",
    ),
    8: Fault(
        "full disk, of PostgreSQL and of NATS",
        "writes are refused, reads go on; heals by itself once there is space",
    ),
    9: Fault(
        "a peer is cut off, silent, slow or stopped",
        "every call ends in time; back within 10 s of healing",
    ),
    10: Fault(
        "a slow consumer, and a flood of silent watchers",
        "others are not held up, memory is bounded, the lag is seen",
    ),
    11: Fault("a clock that is three hours off", "order is by version, not by time; nothing is deleted early"),
    12: Fault("messages delivered three times and out of order", "the same figures to the byte"),
    13: Fault(
        "a message that cannot be applied",
        "parked with its reason after some tries, others go on; redriven, its effect once",
    ),
    14: Fault(
        "a stream that is lost or has lost its tail",
        "noticed within 10 s, filled from the outbox, heard again by all",
    ),
    15: Fault(
        "one database put back as it was some time ago",
        "those who are ahead of it are not corrupted, and what was lost is told",
    ),
    16: Fault("an upgrade under load, old and new side by side", "no request fails"),
    17: Fault("a migration under load", "no lock is waited for longer than 1 s; the old code goes on"),
    18: Fault("one service is down", "the other parts answer; what is stale says so"),
    19: Fault("SIGTERM", "what was begun is finished, watchers are told to come again, within 10 s"),
    20: Fault("everything is killed twice, and started on what that left", "one command brings it back"),
}
