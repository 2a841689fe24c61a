"""What a caller has read, and whether it is still so: entity tags and the requests that name them (RFC 9110, 13).

The tag of a record is its version in quotes. A change names the tag that it is based on, and the version is compared
where the record is locked, in the transaction that changes it (`Transaction.expected`).
"""

import re
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin
from uuid import UUID

import orjson
from pydantic import BaseModel

from shared.errors import Malformed

IF_MATCH, IF_NONE_MATCH = "if-match", "if-none-match"
_TAG = re.compile(r'(?P<weak>W/)?"(?P<tag>[!#-~]*)"')
_LIST = re.compile(rf"\s*{_TAG.pattern}\s*(,\s*{_TAG.pattern}\s*)*".replace("?P<weak>", "").replace("?P<tag>", ""))


class IfMatchUnusable(Malformed):
    """If-Match takes the ETag of what you have read, in its quotes, or an asterisk for any version."""


class Expected(NamedTuple):
    """The record that a request is about, and the versions of it on which the request insists."""

    id: UUID
    versions: frozenset[int]


def expected(header: str | None, record: UUID) -> Expected | None:
    """What an If-Match insists on; None where there is none, or where any version will do.

    Raises:
        IfMatchUnusable: it is neither a list of entity tags nor an asterisk.
    """
    if header is None or header.strip() == "*":
        return None
    if not _LIST.fullmatch(header):
        raise IfMatchUnusable
    # A weak tag, or one that is no version of ours, matches nothing.
    strong = [tag["tag"] for tag in _TAG.finditer(header) if not tag["weak"]]
    return Expected(record, frozenset(int(tag) for tag in strong if tag.isascii() and tag.isdigit()))


def is_known(tag: str, header: str | None) -> bool:
    """Whether an If-None-Match names this tag; a proxy that compresses makes tags weak, which does not matter here."""
    return header is not None and (
        header.strip() == "*" or any(f'"{known["tag"]}"' == tag for known in _TAG.finditer(header))
    )


def has_version(model: Any) -> bool:
    """Whether what a route answers with is a record that has one, however it looks to whom."""
    if get_origin(model) in (Union, UnionType):
        return all(has_version(one) for one in get_args(model))
    if get_origin(model) is Annotated:
        return has_version(get_args(model)[0])
    return isinstance(model, type) and issubclass(model, BaseModel) and "version" in model.model_fields


def tag_of(body: bytes) -> str:
    """The entity tag of a record, from its JSON."""
    return f'"{orjson.loads(body)["version"]}"'
