"""Which rows a caller reaches, said beside each table; row-level security holds every statement to it (decision 0014).

A transaction tells PostgreSQL how far its caller reaches (`Reach.settings`, for this transaction only); the policies
that `shared.protection` makes of what tables say here compare each row with that. Where nothing was told, nothing is
reached.
"""
# ruff: noqa: S608 - all text of this module's SQL is its own.

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

_ACCESS, _APPEND_ONLY = "access", "append_only"

# Settings are read once for a statement, not for each row: that is what `(SELECT …)` around a function does.
EVERYTHING = "(SELECT reaches_everything())"
"""For administrators, auditors, and the services themselves."""
STAFF = "(SELECT reaches_something())"
"""For whoever has something to do at some centre."""
EVERYBODY = "true"


@dataclass(frozen=True)
class Scope:
    """Who sees a table's rows, and who adds and changes them: conditions in SQL on its columns.

    To lock a row is to see it: a gift needs the lock of a campaign that only others may change.
    """

    seen: str
    written: str
    changed: str
    """What a changed row must be, where more may change one than may add one; else as `written`."""
    shows: bool = False
    """Whether some rows are everybody's to see, so that a look without settings is worth its round trip."""

    @property
    def hides(self) -> bool:
        return self.seen != EVERYBODY


@dataclass(frozen=True)
class Open:
    """Rows that are nobody's in particular, and why that is so."""

    because: str


def scoped(seen: str, *, written: str, changed: str | None = None, shows: bool = False) -> dict[str, Any]:
    """For a table's `info`: its rows are within or out of reach."""
    return {_ACCESS: Scope(seen, written, changed or written, shows)}


def scoped_by(centre: str, *, direction: str | None = None, own: str | None = None) -> dict[str, Any]:
    """The same, of a table whose rows belong to a centre, and to a direction of its work where they name one.

    `own` is the column of the volunteer who sees the row as well, since it is about them.
    """
    written = centre_reached(centre) if direction is None else part_reached(centre, direction)
    return scoped(written if own is None else f"{written} OR {is_own(own)}", written=written)


def open_to_all(because: str) -> dict[str, Any]:
    """For a table's `info`: whoever comes so far may read and write all of it."""
    return {_ACCESS: Open(because)}


APPEND_ONLY: dict[str, Any] = {_APPEND_ONLY: True}
"""For a table's `info`: rows are added, never changed or removed, and the service has no right to."""


def access_of(table: Table) -> Scope | Open | None:
    """What a table says of itself; None where it says nothing, which the house rules' test refuses."""
    return table.info.get(_ACCESS)


def scope_of(table: Table) -> Scope | None:
    access = access_of(table)
    return access if isinstance(access, Scope) else None


def is_append_only(table: Table) -> bool:
    return table.info.get(_APPEND_ONLY, False)


# --- conditions -----------------------------------------------------------------------------------------------------


def centre_reached(centre: str) -> str:
    """Of what belongs to a centre as a whole: seen by everybody who has anything to do there."""
    return f"(SELECT reaches_every_centre()) OR {centre} = ANY ((SELECT reached_centres())::uuid[])"


def part_reached(centre: str, direction: str) -> str:
    """Of what belongs to a direction of a centre's work, or to the centre as a whole where it names none."""
    return f"{_whole(centre)} OR reaches({centre}, {direction})"


def parts_reached(centre: str, directions: str) -> str:
    """The same, of what belongs to several directions (a JSON list): any of them will do."""
    return f"{_whole(centre)} OR reaches_any({centre}, {directions})"


def is_own(volunteer: str) -> str:
    """Of what is about the caller."""
    return f"{volunteer} = (SELECT own_volunteer())"


def _whole(centre: str) -> str:
    """Enough for most callers, and cheaper than to look at directions."""
    return f"{EVERYTHING} OR {centre} = ANY ((SELECT whole_centres())::uuid[])"


_CENTRES = "string_to_array(current_setting('asar.centres', true), ',')"
_PARTS = "string_to_array(current_setting('asar.parts', true), ',')"
FUNCTIONS = {
    "reaches_everything()": ("boolean", f"SELECT '*/*' = ANY ({_PARTS})"),
    "reaches_something()": ("boolean", "SELECT current_setting('asar.centres', true) <> ''"),
    "reaches_every_centre()": ("boolean", f"SELECT '*' = ANY ({_CENTRES})"),
    "reached_centres()": ("uuid[]", f"SELECT array_remove({_CENTRES}, '*')::uuid[]"),
    "whole_centres()": (
        "uuid[]",
        "SELECT array_agg(split_part(part, '/', 1)::uuid)"
        f" FROM unnest({_PARTS}) AS part WHERE split_part(part, '/', 2) = '*' AND part <> '*/*'",
    ),
    "reaches(centre uuid, direction text)": (
        "boolean",
        f"SELECT {_PARTS} && ARRAY['*/*', centre || '/*', '*/' || direction, centre || '/' || direction]"
        f" OR direction IS NULL AND {_CENTRES} && ARRAY['*', centre::text]",
    ),
    "reaches_any(centre uuid, directions jsonb)": (
        "boolean",
        "SELECT coalesce(bool_or(reaches(centre, direction)), reaches(centre, NULL))"
        " FROM jsonb_array_elements_text(directions) AS direction",
    ),
    "own_volunteer()": ("uuid", "SELECT nullif(current_setting('asar.volunteer', true), '')::uuid"),
}
"""The words of the conditions: what each answers, and how."""
