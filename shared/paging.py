"""Pages by cursor: they survive insertions, and cost the same however deep one goes."""

import hmac
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Generic, Protocol, TypeVar

import orjson
from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field

from shared.access.keys import CURSOR
from shared.errors import Malformed

LIMIT_DEFAULT, LIMIT_MAX = 50, 200

Item = TypeVar("Item")
Row_contra = TypeVar("Row_contra", contravariant=True)


class InvalidCursor(Malformed):
    """This cursor is not one of ours, or belongs to another list; begin again without it."""


class Page(BaseModel, Generic[Item]):
    """Some of a list, and where it goes on."""

    items: list[Item]
    next: str | None = Field(default=None, description="Address of the next page; absent at the end.")


class Cursors:
    """Makes and reads cursors. Signed, so that nobody builds on what is inside; they grant no rights."""

    def __init__(self, keys_dir: Path) -> None:
        self._key = b64decode((keys_dir / CURSOR).read_bytes())

    def encode(self, after: Sequence[Any], *, of: str) -> str:
        body = orjson.dumps(list(after))
        return urlsafe_b64encode(self._sign(body, of) + body).decode().rstrip("=")

    def decode(self, cursor: str, *, of: str) -> list[Any]:
        """Raises: InvalidCursor."""
        try:
            raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            signature, body = raw[:10], raw[10:]
            if not hmac.compare_digest(signature, self._sign(body, of)):
                raise InvalidCursor
            return list(orjson.loads(body))
        except ValueError as error:
            raise InvalidCursor from error

    def _sign(self, body: bytes, of: str) -> bytes:
        return hmac.digest(self._key, of.encode() + b"\n" + body, "sha256")[:10]


class Paging:
    """Which page of a list a request asks for. The cursor holds the sort key of the last row seen."""

    def __init__(self, request: Request, limit: int, cursor: str | None, of: str) -> None:
        self._cursors: Cursors = request.app.state.cursors
        self._request = request
        self._of = of
        self.limit = max(1, min(limit, LIMIT_MAX))
        self.after: list[Any] | None = self._cursors.decode(cursor, of=of) if cursor else None

    @property
    def fetch(self) -> int:
        """How many rows to ask for: one more than the page, to know whether there is a next one."""
        return self.limit + 1

    def page(self, rows: Sequence[Item], key: "Key[Item]") -> Page[Item]:
        """The page of up to `fetch` rows. `key` gives a row's sort key as JSON-able values."""
        if len(rows) <= self.limit:
            return Page(items=list(rows))
        items = list(rows[: self.limit])
        cursor = self._cursors.encode(key(items[-1]), of=self._of)
        url = self._request.url.include_query_params(cursor=cursor)
        return Page(items=items, next=f"{url.path}?{url.query}")


class Key(Protocol[Row_contra]):
    """Gives a row's sort key."""

    def __call__(self, row: Row_contra, /) -> Sequence[Any]: ...


async def _paging(
    request: Request,
    limit: Annotated[int, Query(ge=1, description=f"At most {LIMIT_MAX}; more is taken as that.")] = LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=1000, description="From `next` of the page before.")] = None,
) -> Paging:
    # A cursor belongs to one list and its filters.
    filters = sorted((k, v) for k, v in request.query_params.multi_items() if k not in ("cursor", "limit"))
    return Paging(request, limit, cursor, of=f"{request.url.path}?{filters}")


AskedPage = Annotated[Paging, Depends(_paging)]
