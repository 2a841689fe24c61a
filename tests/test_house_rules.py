"""What no linter knows of this house: every service looks the same, and every door is guarded in the same way."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from sqlalchemy import CheckConstraint, MetaData, UniqueConstraint
from sqlmodel import SQLModel

import services
from shared.access.doors import permission_of
from shared.conventions import Conventions
from shared.errors import Refusal
from shared.forms import Form
from shared.problems import STATUS, problem_of
from shared.refused_as import REFUSED_AS
from shared.requests import TransactionRoute
from shared.settings import Settings

HOUSE = Path(services.__file__).parent
SERVICES = sorted(path.name for path in HOUSE.iterdir() if (path / "__main__.py").exists())
OWNERS = [name for name in SERVICES if name != "gateway"]
"""Those that own facts; the gateway owns figures."""
PARTS = {"__init__", "__main__", "app", "routes", "schemas", "queries", "domain", "tables", "consumers", "migrations"}
OWN_PARTS = {"gateway": {"projections", "live", "proxy"}}


OF_ONESELF = {("gateway", "/v1/me"), ("gateway", "/v1/me/password")}
"""What only its owner edits, and has no version."""


def modules_of(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    for found in pkgutil.walk_packages(getattr(package, "__path__", []), f"{package.__name__}."):
        if "migrations" not in found.name and not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def part(service: str, name: str) -> ModuleType:
    return importlib.import_module(f"services.{service}.{name}")


def routes_of(service: str) -> list[APIRoute]:
    routers: list[APIRouter] = part(service, "routes").ROUTERS
    return [route for router in routers for route in router.routes if isinstance(route, APIRoute)]


def metadata_of(service: str) -> MetaData:
    return part(service, "tables").Base.metadata


def descendants(kind: type[Any]) -> Iterator[type[Any]]:
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


def in_services(kind: type[Any]) -> list[type[Any]]:
    """All classes of a kind that the services define."""
    for service in SERVICES:
        list(modules_of(importlib.import_module(f"services.{service}")))
    return sorted(
        {found for found in descendants(kind) if found.__module__.startswith("services.")},
        key=lambda found: (found.__module__, found.__qualname__),
    )


# --- each service looks the same ------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_has_the_same_parts(service: str) -> None:
    found = {path.stem for path in (HOUSE / service).iterdir() if path.suffix == ".py" or path.is_dir()}

    assert found >= PARTS | OWN_PARTS.get(service, {"commands", "reference"})
    assert "events" not in found, "`Event` is a happening; what travels is a message"


@pytest.mark.parametrize("service", SERVICES)
def test_a_part_that_has_become_a_folder_is_still_imported_by_its_name(service: str) -> None:
    for name in ("routes", "schemas", "queries", "tables", "consumers"):
        assert part(service, name).__doc__


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_what_it_owns_announces_and_hears(service: str) -> None:
    page = importlib.import_module(f"services.{service}").__doc__ or ""

    assert all(word in page.lower() for word in ("owns", "announces", "listens")), page


# --- doors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES)
def test_every_route_says_who_may_come_in(service: str) -> None:
    guarded = [route for route in routes_of(service) if route.path.startswith("/v1")]

    assert guarded
    unguarded = [route.path for route in guarded if permission_of(route.dependencies) is None]
    assert not unguarded


@pytest.mark.parametrize("service", OWNERS)
def test_every_route_of_an_owner_is_one_transaction(service: str) -> None:
    routes = routes_of(service)

    assert all(isinstance(route, TransactionRoute) for route in routes)
    assert all(route.path.startswith("/v1/") and not route.path.endswith("/") for route in routes)


@pytest.mark.parametrize("service", SERVICES)
def test_every_edit_says_what_it_is_based_on(service: str) -> None:
    for route in routes_of(service):
        if {"PUT", "PATCH"} & set(route.methods or ()) and (service, route.path) not in OF_ONESELF:
            assert Conventions(route).must_insist, f"{route.path} answers with no version, so nobody can insist on one"


@pytest.mark.parametrize("service", OWNERS)
def test_every_route_says_what_it_is_for(service: str) -> None:
    for route in routes_of(service):
        assert route.summary or route.description, route.path


@pytest.mark.parametrize("service", OWNERS)
def test_no_two_routes_share_an_address(service: str) -> None:
    addresses = [(method, route.path) for route in routes_of(service) for method in route.methods or ()]

    assert len(addresses) == len(set(addresses))


@pytest.mark.parametrize("service", OWNERS)
def test_addresses_are_plural_nouns_in_kebab_case(service: str) -> None:
    for route in routes_of(service):
        for segment in route.path.removeprefix("/v1/").split("/"):
            assert re.fullmatch(r"\{[a-z_]+\}|[a-z]+(-[a-z]+)*", segment), route.path


# --- forms ----------------------------------------------------------------------------------------------------------

PROBES: list[Any] = [
    True, 0, 1, 1_700_000_000, 1.0, 1.5, "1", "true", "1_000", "١٢", "1700000000", "2026-11-22T10:00:00", "2026-11-22",
]  # fmt: skip


def lenient_readings(annotation: Any) -> list[tuple[Any, Any]]:
    """What a type makes another kind of value of: a number of `true` or of a text, an instant of a number, …"""
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    found: list[tuple[Any, Any]] = []
    for probe in PROBES:
        for given in (probe, [probe]):
            try:
                read = adapter.validate_python(given)
            except ValidationError:
                continue
            value = read[0] if isinstance(given, list) and isinstance(read, list) and read else read
            kinds = {type(probe).__name__, type(value).__name__}
            # A day is written as a text; what is kept as it was given is not lenient.
            if len(kinds) > 1 and not (probe == "2026-11-22" and kinds == {"str", "date"}):
                found.append((given, read))
    return found


def annotation_of(field: FieldInfo) -> Any:
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


FORMS: list[type[BaseModel]] = in_services(Form)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.__module__}.{form.__qualname__}")
def test_no_field_of_a_form_takes_one_kind_of_value_for_another(form: type[BaseModel]) -> None:
    for name, field in form.model_fields.items():
        annotation = annotation_of(field)
        assert not lenient_readings(annotation), f"{form.__qualname__}.{name}: use the types of shared.forms"


@pytest.mark.parametrize("annotation", [int, bool, float, int | None, list[int]])
def test_the_rule_above_would_notice_a_bare_type(annotation: Any) -> None:
    assert lenient_readings(annotation)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.__module__}.{form.__qualname__}")
def test_every_text_and_list_of_a_form_has_an_end(form: type[BaseModel]) -> None:
    for field in form.model_fields.values():
        annotation = annotation_of(field)
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        for endless in ("a" * 100_000, ["a"] * 100_000):
            with pytest.raises(ValidationError):
                adapter.validate_python(endless)


# --- tables ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES)
def test_every_rule_of_a_table_has_a_name(service: str) -> None:
    for table in metadata_of(service).tables.values():
        for constraint in table.constraints:
            if isinstance(constraint, CheckConstraint):
                assert constraint.name, f"{table.name}: {constraint.sqltext}"
            if isinstance(constraint, UniqueConstraint) and len(constraint.columns) > 1:
                assert constraint.name, f"{table.name}: {list(constraint.columns.keys())}"


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_violated_rule_means_is_a_refusal_of_this_house(service: str) -> None:
    names: list[str] = []
    for table in metadata_of(service).tables.values():
        for rule in [*table.constraints, *table.indexes]:
            meaning = rule.info.get(REFUSED_AS)
            if meaning is not None:
                assert issubclass(meaning, Refusal)
                assert meaning.__module__.startswith(
                    (f"services.{service}.domain", "shared.errors", "shared.messaging.tables")
                )
                names.append(str(rule.name or f"{table.name}_pkey"))
    # PostgreSQL names the constraint, not the table: two of one name could not be told apart.
    assert len(names) == len(set(names))


@pytest.mark.parametrize("service", SERVICES)
def test_every_table_has_a_primary_key_and_a_versioned_one_an_id(service: str) -> None:
    for table in metadata_of(service).tables.values():
        assert list(table.primary_key), table.name
        if "version" in table.columns and table.name not in ("outbox", "inbox", "parked"):
            assert [column.name for column in table.primary_key] == ["id"], table.name


def test_no_two_rows_share_a_list_by_default() -> None:
    """`TableRow` gives each row the very object of a default; a factory makes one for each."""
    for table_class in in_services(SQLModel):
        for name, field in table_class.model_fields.items():
            shared_by_all = field.default_factory is None and isinstance(field.default, list | dict | set)
            assert not shared_by_all, f"{table_class.__qualname__}.{name}"


# --- refusals and settings ------------------------------------------------------------------------------------------

REFUSALS: list[type[Refusal]] = in_services(Refusal)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: f"{refusal.__module__}.{refusal.__qualname__}")
def test_a_refusal_is_a_sentence_and_has_a_status(refusal: type[Refusal]) -> None:
    assert refusal.__doc__
    assert refusal.title().endswith("."), refusal.title()
    assert problem_of(refusal()).status in STATUS.values()


# Charity owns campaigns, so that one it does not know does not exist; events may only not have heard of it yet.
ON_PURPOSE = {"campaign-unknown"}


def test_one_code_has_one_status_in_the_whole_house() -> None:
    statuses: dict[str, set[int]] = {}
    for refusal in REFUSALS:
        statuses.setdefault(refusal.code(), set()).add(problem_of(refusal()).status)

    assert {code for code, found in statuses.items() if len(found) > 1} == ON_PURPOSE


def test_every_setting_is_explained() -> None:
    for kind in (Settings, *descendants(Settings)):
        for name, field in kind.model_fields.items():
            assert field.description, f"{kind.__qualname__}.{name}"
