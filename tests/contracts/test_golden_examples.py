"""What was once published must be read for ever: each message type has an example, and no example is ever changed."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson
import pytest

from shared.contracts.envelope import DomainEvent, Message
from shared.contracts.examples import contracts, example_of
from shared.messaging.subjects import PUBLISHERS

GOLDEN = Path(__file__).with_name("golden")
CONTRACTS = {contract.type: contract for contract in contracts()}
EXAMPLES = {path.stem: orjson.loads(path.read_bytes()) for path in sorted(GOLDEN.glob("*.json"))}


def test_each_message_type_has_an_example() -> None:
    missing = set(CONTRACTS) - set(EXAMPLES)

    assert not missing, "python -m shared.contracts.examples tests/contracts/golden"


def test_no_message_type_that_was_published_has_disappeared() -> None:
    assert not set(EXAMPLES) - set(CONTRACTS)


@pytest.mark.parametrize("type_", EXAMPLES)
def test_an_example_is_read_and_means_what_it_meant(type_: str) -> None:
    contract = CONTRACTS[type_]

    message = Message[contract].model_validate_json(orjson.dumps(EXAMPLES[type_]))

    assert isinstance(message.data, contract)
    written = message.model_dump(mode="json")
    for name, value in EXAMPLES[type_]["data"].items():
        assert written["data"][name] == value, f"{name} was renamed, retyped or removed"
    assert message.data.aggregate == EXAMPLES[type_]["subject"]


@pytest.mark.parametrize("type_", EXAMPLES)
def test_an_example_of_a_later_code_is_read_by_this_one(type_: str) -> None:
    """Fields are added: who does not know them passes over them."""
    later = EXAMPLES[type_] | {"newattribute": "a"}
    later["data"] = later["data"] | {"new_field": {"a": 1}}

    assert Message[CONTRACTS[type_]].model_validate_json(orjson.dumps(later))


@pytest.mark.parametrize("type_", EXAMPLES)
def test_an_example_is_a_cloud_event(type_: str) -> None:
    """CloudEvents 1.0: sections 3 (context attributes) and, of the JSON format, 2 (envelope)."""
    example: dict[str, Any] = EXAMPLES[type_]

    assert example["specversion"] == "1.0"
    for name in ("id", "source", "type", "subject"):
        assert isinstance(example[name], str)
        assert example[name]
    assert urlsplit(example["source"]).path == f"/asar/{type_.partition('.')[0]}"
    assert example["type"] == type_
    assert datetime.fromisoformat(example["time"]).tzinfo is not None
    assert example["datacontenttype"] == "application/json"
    for name, value in example.items():
        # Attribute names are lower-case letters and digits, at most 20 of them; null is not a value.
        assert re.fullmatch(r"[a-z0-9]{1,20}", name)
        if name != "data":
            assert isinstance(value, str | bool) or (isinstance(value, int) and -(2**31) <= value < 2**31)
    assert len(orjson.dumps(example)) < 64 * 1024


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=list(CONTRACTS))
def test_a_message_type_is_named_as_the_streams_and_subjects_need_it(contract: type[DomainEvent]) -> None:
    service, noun, fact, version = contract.type.split(".")

    assert service in PUBLISHERS
    assert re.fullmatch(r"[a-z]+", noun)
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", fact)
    assert re.fullmatch(r"v[1-9]", version)
    assert contract.about in contract.model_fields
    assert contract.__module__ == f"shared.contracts.{service}"
    assert contract.__doc__


def test_a_subject_can_be_filtered_by_service_noun_fact_region_and_centre() -> None:
    contract = CONTRACTS["charity.delivery.made.v1"]
    fact = contract.model_validate(EXAMPLES[contract.type]["data"])

    assert fact.subject == f"asar.charity.delivery.made.kz-75.{fact.centre_id}"
    assert fact.model_copy(update={"region": None, "centre_id": None}).subject == "asar.charity.delivery.made.-.-"


@pytest.mark.parametrize("type_", EXAMPLES)
def test_an_example_holds_no_personal_data(type_: str) -> None:
    """Ids, codes, amounts, days. Words only where they are public: of centres, events, campaigns and cancellations."""
    public = {"name", "title", "reason"}
    for name, value in EXAMPLES[type_]["data"].items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and name not in public:
                assert _is_uuid(text) or re.fullmatch(r"[A-Za-z0-9_:.+-]+", text), name
            elif isinstance(text, dict):
                assert name in public


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def test_examples_are_made_the_same_each_time() -> None:
    for contract in CONTRACTS.values():
        assert example_of(contract) == example_of(contract)
