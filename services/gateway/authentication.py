"""Who a request comes from: nobody who says so, a person's session, a machine's key, or somebody known elsewhere.

Whoever shows nothing is anyone. Whoever shows something that is not in order is refused on every path: to be served as
anyone instead would leave them guessing.
"""

import contextlib
import hashlib
import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Protocol
from uuid import UUID

import asyncpg
from starlette.types import Scope

from services.gateway import credentials
from services.gateway.credentials import Environment, ShownKey
from services.gateway.domain.access import SESSION_IDLE, CredentialsRefused
from services.gateway.queries import access as queries
from shared import clock
from shared.access.principal import ANYONE, Principal
from shared.database import CONNECTION_LOST, Database, DatabaseUnavailable, is_ours
from shared.errors import Forbidden

KEPT_S = 5.0
"""How long an answer of the database is taken for granted: what another process revokes is shut out after so long."""
_REMEMBERED_MAX = 10_000
_SEEN_EVERY = timedelta(minutes=1)
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_WHO = """
a.id AS account_id, a.volunteer_id, ARRAY(
    SELECT jsonb_build_object('role', g.role, 'centres', g.centres, 'directions', g.directions)
    FROM accountgrant AS g WHERE g.account_id = a.id AND g.ended_at IS NULL ORDER BY g.id
) AS grants
"""
_ACCOUNT = f"SELECT {_WHO} FROM account AS a WHERE a.id = $1 AND a.status <> 'revoked'"  # noqa: S608
_SESSION = f"""
SELECT s.id, s.seen_at, {_WHO} FROM session AS s JOIN account AS a ON a.id = s.account_id
WHERE s.secret = $1 AND s.ended_at IS NULL AND s.ends_at > $2 AND s.seen_at > $3 AND a.status <> 'revoked'
"""  # noqa: S608
_SEEN = "UPDATE session SET seen_at = $2 WHERE id = $1 AND seen_at < $2"
_KEY = """
SELECT * FROM apikey AS k WHERE key_id = $1 AND ended_at IS NULL AND ends_at > $2
AND NOT EXISTS (SELECT FROM account AS a WHERE a.id = k.account_id AND a.status <> 'active')
"""
_USED = "UPDATE apikey SET used_at = $2 WHERE id = $1"


class CrossSite(Forbidden):
    """This came from another site's page; nothing was changed."""


@dataclass(frozen=True)
class Known:
    """Who a request comes from, and by what they are known."""

    principal: Principal
    session_id: UUID | None = None
    networks: Sequence[IPv4Network | IPv6Network] | None = None

    @property
    def account_id(self) -> UUID | None:
        """Whose account it is; None for machines and for anyone."""
        if self.principal.kind != "person":
            return None
        return UUID(self.principal.id.removeprefix("person:"))


ANYBODY = Known(ANYONE)


class Issuer(Protocol):
    """Somebody else who says who people are."""

    async def account_of(self, token: str) -> UUID | None:
        """The account of whom this token is about; None where it is not in order."""
        ...


class Authentication:
    """Finds out who a request comes from, and remembers it for a few seconds."""

    def __init__(self, database: Database, environment: Environment, issuer: Issuer | None = None) -> None:
        self._database = database
        self._environment: Environment = environment
        self._issuer = issuer
        self._remembered: dict[bytes, tuple[float, Known]] = {}
        self._generation = 0
        # Whatever this process writes about access holds at once.
        database.on_commit = self.forget

    def forget(self) -> None:
        """Ask the database about everybody again."""
        self._remembered.clear()
        self._generation += 1

    async def known(self, scope: Scope) -> Known:
        """Who this request comes from.

        Raises:
            CredentialsRefused: something is shown that does not say so.
            CrossSite: another site has a browser change something in its user's name.
            DatabaseUnavailable: it cannot be found out at the moment.
        """
        shown = [value for name, value in scope["headers"] if name == b"authorization"]
        if shown:
            known = await self._remembered_or_found(_bearer_token(shown))
            if known.networks is not None and not _is_within(known.networks, scope):
                raise CredentialsRefused
            return known
        session = credentials.session_in(b"; ".join(value for name, value in scope["headers"] if name == b"cookie"))
        if session is None:
            return ANYBODY
        known = await self._remembered_or_found(session, is_session=True)
        if scope["method"] not in _SAFE and not is_same_site(scope):
            raise CrossSite
        return known

    async def _remembered_or_found(self, shown: str, *, is_session: bool = False) -> Known:
        # Hashed, so that no secret lies about in memory for longer than its request.
        mark, now = hashlib.sha256(f"{is_session} {shown}".encode()).digest(), time.monotonic()
        until, known = self._remembered.get(mark, (0.0, ANYBODY))
        if now < until:
            return known
        generation = self._generation
        try:
            known = await (self._session(shown) if is_session else self._bearer(shown))
        except CONNECTION_LOST as error:
            if is_ours(error):
                raise DatabaseUnavailable from error
            raise
        # What was written meanwhile may have been read before it.
        if generation == self._generation:
            if len(self._remembered) >= _REMEMBERED_MAX:
                self._remembered.clear()
            self._remembered[mark] = (now + KEPT_S, known)
        return known

    async def _session(self, secret: str) -> Known:
        now = clock.now()
        if not credentials.is_secret(secret):
            raise CredentialsRefused
        row = await self._database.pool.fetchrow(_SESSION, credentials.kept(secret), now, now - SESSION_IDLE)
        if row is None:
            raise CredentialsRefused
        if now - row["seen_at"] >= _SEEN_EVERY:
            await self._note(_SEEN, row["id"], now)
        return Known(queries.person_of(row), session_id=row["id"])

    async def _note(self, statement: str, identity: UUID, now: datetime) -> None:
        # On a full disk nothing can be noted. Nobody is kept out for that: reading still works.
        with contextlib.suppress(asyncpg.DiskFullError):
            await self._database.pool.execute(statement, identity, now)

    async def _bearer(self, token: str) -> Known:
        key = credentials.shown_key(token, self._environment)
        if key is not None:
            return await self._key(key)
        account_id = await self._issuer.account_of(token) if self._issuer is not None else None
        row = None if account_id is None else await self._database.pool.fetchrow(_ACCOUNT, account_id)
        if row is None:
            raise CredentialsRefused
        return Known(queries.person_of(row))

    async def _key(self, shown: ShownKey) -> Known:
        now = clock.now()
        row = await self._database.pool.fetchrow(_KEY, shown.key_id, now)
        # Compared even where there is none to compare with, and in constant time.
        if not hmac.compare_digest(row["secret"] if row else bytes(32), shown.kept) or row is None:
            raise CredentialsRefused
        if row["used_at"] is None or now - row["used_at"] >= _SEEN_EVERY:
            await self._note(_USED, row["id"], now)
        principal = Principal(id=f"key:{row['id']}", kind="machine", grants=(queries.key_grant_of(row),))
        networks = row["networks"]
        return Known(principal, networks=None if networks is None else tuple(ip_network(text) for text in networks))


def is_same_site(scope: Scope) -> bool:
    """Whether a page of this very site sends this: browsers say so, and no page can make them say otherwise."""
    headers: dict[bytes, bytes] = dict(scope["headers"])
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site == b"same-origin"
    # Older browsers send the origin with every form. TLS may have ended before us, so the scheme is not compared.
    return headers.get(b"origin", b"").partition(b"://")[2] == headers.get(b"host")


def _bearer_token(shown: list[bytes]) -> str:
    scheme, _, token = shown[0].partition(b" ")
    if len(shown) > 1 or scheme.lower() != b"bearer" or not token.isascii():
        raise CredentialsRefused
    return token.decode().strip()


def _is_within(networks: Sequence[IPv4Network | IPv6Network], scope: Scope) -> bool:
    try:
        address = ip_address((scope.get("client") or ("", 0))[0])
    except ValueError:
        return False
    return any(address in network for network in networks)
