"""The checker can fail: it is handed histories and facts that contradict each other, and says in what."""

from dataclasses import replace
from itertools import count

import pytest

from deploy.operate.verify import Report
from shared.ids import new_id
from tests.faults.checker import Facts, assert_told_to_come_again, compare, of_report
from tests.faults.history import Attempt, History, Operation

OK, REFUSED, NO_ANSWER = 201, 422, None
_moments = count(1)


def asked(history: History, *answers: int | None, kind: str = "donation") -> Operation:
    """A gift of 5 tenge that was asked for as often as there are answers."""
    form = {"amount": {"amount": "5.00"}}
    operation = history.begin(Operation(kind, "/v1/donations", form, key=str(new_id()), identity=new_id()))
    operation.attempts += [answered(status) for status in answers]
    return operation


def answered(status: int | None, *, body: bytes = b"{}", at_s: float | None = None) -> Attempt:
    moment = float(next(_moments)) if at_s is None else at_s
    return Attempt(moment, moment, status, body)


def facts(*there: Operation) -> Facts:
    """These gifts, and the money of each."""
    amount = sum(operation.amount_minor for operation in there)
    identities = {operation.identity for operation in there if operation.identity}
    return Facts(records={"donation": identities}, sums={"donations": amount, "ledger": amount, "public": amount})


@pytest.fixture
def history() -> History:
    return History()


def test_what_was_promised_and_is_there_is_right(history: History) -> None:
    promised, unknown = asked(history, OK), asked(history, NO_ANSWER)
    asked(history, REFUSED)
    asked(history, NO_ANSWER)

    assert compare(history, facts(promised, unknown)).all == []


def test_a_promised_record_that_is_missing_is_lost(history: History) -> None:
    kept, lost = asked(history, OK), asked(history, NO_ANSWER, OK)

    finding = compare(history, facts(kept))

    assert f"donation {lost.identity} was promised and is not there" in finding.lost


def test_a_refused_record_that_is_there_is_wrong(history: History) -> None:
    refused = asked(history, NO_ANSWER, REFUSED)

    finding = compare(history, facts(refused))

    assert finding.wrong == [f"donation {refused.identity} was refused and is there"]


def test_a_record_that_nobody_asked_for_is_doubled(history: History) -> None:
    kept = asked(history, OK)

    finding = compare(history, facts(kept, asked(History(), OK)))

    assert any("nobody asked for it" in words for words in finding.doubled)


@pytest.mark.parametrize("where", ["donations", "ledger", "public"])
def test_sums_that_differ_are_lost_or_doubled_money(history: History, where: str) -> None:
    promised = asked(history, OK)
    there = facts(promised)

    less = compare(history, replace(there, sums=there.sums | {where: 499}))
    more = compare(history, replace(there, sums=there.sums | {where: 1000}))

    assert less.lost == [f"{where}: 1 tiyn of 500 are missing"]
    assert more.doubled == [f"{where}: 500 tiyn more than the 500 that were given"]


def test_an_unknown_gift_counts_once_where_it_is_there(history: History) -> None:
    unknown = asked(history, NO_ANSWER)
    there = facts(unknown)

    assert compare(history, there).all == []
    assert compare(history, replace(there, sums={"public": 1000})).doubled


def test_the_same_key_answered_otherwise_is_doubled(history: History) -> None:
    operation = asked(history, OK)
    operation.attempts.append(answered(OK, body=b'{"id": "another"}'))

    assert compare(history, facts(operation)).doubled == [f"donation {operation.key} was answered in 2 ways"]


def test_a_promised_record_that_cannot_be_read_is_lost(history: History) -> None:
    read = history.begin(Operation("read", "/v1/donations/1", {}, key=""))
    read.attempts.append(answered(404))

    assert compare(history, facts()).lost == ["/v1/donations/1 was promised and not found"]


def test_messages_must_be_in_a_row_sent_and_parked_only_where_they_are_poison(history: History) -> None:
    there = replace(facts(), parked={"bad", "good"}, broken_versions=["charity.donation/1"], unsent=2)

    finding = compare(history, there, poison={"bad", "worse"})

    assert finding.lost == ["message good was parked"]
    assert finding.wrong == [
        "versions of charity.donation/1 are not in a row",
        "poison worse was not parked",
        "2 messages are unsent for more than 5 s",
    ]


def test_what_verify_finds_is_lost_or_wrong() -> None:
    finding = of_report(Report(differences=["not applied by gateway: a version 2, it is at 1", "kz: 1 shown"]))

    assert finding.lost == ["not applied by gateway: a version 2, it is at 1"]
    assert finding.wrong == ["kz: 1 shown"]
    assert of_report(Report(quiet=False)).wrong


def test_a_request_that_is_still_being_answered_is_unknown() -> None:
    assert answered(409, body=b'{"code":"idempotency-in-progress"}').outcome == "unknown"
    assert answered(409, body=b'{"code":"stale"}').outcome == "refused"
    assert answered(503).outcome == "unknown"


def test_an_outage_is_the_longest_silence_of_one_kind(history: History) -> None:
    for moment in (1, 2, 3, 4, 5, 6):
        asked(history, kind="event").attempts.append(answered(OK, at_s=moment))
    for moment in (1, 2, 6):
        asked(history, kind="donation").attempts.append(answered(OK, at_s=moment))
    asked(history, kind="donation").attempts.append(answered(503, at_s=4))

    assert history.outage_s(until_s=6) == 4
    assert history.outage_s(until_s=10) == 4
    assert history.outage_s(until_s=11) == 5
    # It began before.
    assert history.outage_s(since_s=5, until_s=6) == 4
    assert len(history.failures(since_s=3)) == 1


def test_what_a_caller_asks_now_and_then_makes_no_outage(history: History) -> None:
    for kind, moment in (("delivery", 1), ("void", 2), ("delivery", 3), ("delivery", 4), ("void", 5)):
        asked(history, kind=kind).attempts.append(answered(OK, at_s=moment))

    assert history.outage_s(until_s=5) == 1


def test_whoever_is_not_served_must_be_told_when_to_come_again() -> None:
    told = Attempt(1.0, 2.0, 503, retry_after="1")
    assert_told_to_come_again([told, told])

    for bad in (Attempt(1.0, 2.0, 503), Attempt(1.0, 2.0, 500), Attempt(1.0, 2.0, None)):
        with pytest.raises(AssertionError):
            assert_told_to_come_again([told, bad])
