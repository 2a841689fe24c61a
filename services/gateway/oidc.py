"""Somebody else who says who people are: an OpenID Connect issuer. What they may do is said here all the same.

Browsers go there and come back with a code (authorisation code with PKCE); programs bring its tokens. The parts of the
protocol are Authlib's, without its client: that one stands on an httpx which is no longer developed, and warns of it.
"""

import asyncio
import hmac
import time
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote_plus
from uuid import UUID

import aiohttp
import orjson
from authlib.common.security import generate_token
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # pyright: ignore[reportUnknownVariableType]
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # pyright: ignore[reportUnknownVariableType]
from cryptography.exceptions import InvalidTag
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from services.gateway.commands import accounts
from services.gateway.domain.access import CredentialsRefused
from services.gateway.settings import GatewaySettings
from shared import clock
from shared.access.principal import EVERYTHING
from shared.database import Database
from shared.errors import NotFound, Unavailable
from shared.sealed import Seal
from shared.telemetry import log

COOKIE = "__Host-oidc"
CALLBACK = "/sign-in/oidc/callback"
BACK_WITHIN_S = 600
_FLAGS = "; Path=/; Secure; HttpOnly; SameSite=Lax"
NO_COOKIE = f"{COOKIE}=; Max-Age=0{_FLAGS}"
ALGORITHMS = ("RS256", "PS256", "ES256", "Ed25519")
"""Signatures that only the issuer can make: none with a shared secret, and never none at all."""
_CLOCKS_APART_S = 30
_KEYS_AGAIN_S = 60.0
_DESCRIBED_AGAIN_S = 3600.0
_ANSWER_BYTES_MAX = 1024 * 1024
_PLACE = "oidc.journey"


class IssuerUnavailable(Unavailable):
    """Where people sign in does not answer at the moment; try again."""


class SignInElsewhereUnset(NotFound):
    """Here nobody signs in elsewhere: no issuer is set."""


@dataclass(frozen=True)
class Departure:
    """A browser on its way to the issuer: where it goes, and what it must bring back."""

    url: str
    cookie: str


class Issuer:
    """One issuer, whose keys are fetched when they are needed. Opened and closed with the application."""

    def __init__(self, settings: GatewaySettings, database: Database, seal: Seal) -> None:
        self._issuer = settings.oidc_issuer
        self._client_id = settings.oidc_client_id
        secret_file = settings.oidc_client_secret_file
        self._client_secret = Path(secret_file).read_text(encoding="utf-8").strip() if secret_file else None
        self._audience = settings.oidc_audience
        self._back = settings.public_url.rstrip("/") + CALLBACK
        self._database = database
        self._seal = seal
        self._session: aiohttp.ClientSession | None = None
        self._asking = asyncio.Lock()
        self._described: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=5), cookie_jar=aiohttp.DummyCookieJar()
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    # --- browsers -----------------------------------------------------------------------------------------------------

    async def depart(self) -> Departure:
        """Send a browser to the issuer.

        Raises:
            IssuerUnavailable
        """
        journey = {name: generate_token(48) for name in ("state", "nonce", "verifier")}
        url = str(
            prepare_grant_uri(  # pyright: ignore[reportUnknownArgumentType]  # Authlib's parameters are untyped
                (await self._description())["authorization_endpoint"],
                self._client_id,
                "code",
                redirect_uri=self._back,
                scope="openid profile email",
                state=journey["state"],
                nonce=journey["nonce"],
                code_challenge=create_s256_code_challenge(journey["verifier"]),  # pyright: ignore[reportUnknownArgumentType]
                code_challenge_method="S256",
            )
        )
        until = _now_s() + BACK_WITHIN_S
        sealed = self._seal.close(orjson.dumps({**journey, "until": until}), place=_PLACE, row="-")
        return Departure(url, f"{COOKIE}={sealed.hex()}; Max-Age={BACK_WITHIN_S}{_FLAGS}")

    async def arrive(self, code: str, state: str, cookie: str) -> UUID:
        """The account of whom a browser comes back with a code.

        Raises:
            CredentialsRefused: it did not depart from here, was away too long, or the issuer does not know the code.
            IssuerUnavailable
        """
        try:
            journey = orjson.loads(self._seal.open(bytes.fromhex(cookie), place=_PLACE, row="-"))
        except (ValueError, KeyError, IndexError, InvalidTag) as error:
            raise CredentialsRefused from error
        if journey["until"] < _now_s() or not hmac.compare_digest(state.encode(), journey["state"].encode()):
            raise CredentialsRefused
        claims = await self._verified(await self._exchanged(code, journey["verifier"]), audience=self._client_id)
        if not hmac.compare_digest(str(claims.get("nonce")).encode(), journey["nonce"].encode()):
            raise CredentialsRefused
        if claims.get("azp", self._client_id) != self._client_id:
            raise CredentialsRefused
        return await self._account(claims)

    async def _exchanged(self, code: str, verifier: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": verifier,
        }
        headers: dict[str, str] = {}
        if self._client_secret is None:
            form["client_id"] = self._client_id
        else:
            # RFC 6749, section 2.3.1: each half is encoded like a form's value before both are put together.
            headers["Authorization"] = aiohttp.encode_basic_auth(
                quote_plus(self._client_id), quote_plus(self._client_secret)
            )
        place = (await self._description())["token_endpoint"]
        answer = await self._ask("POST", place, data=form, headers=headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise CredentialsRefused
        return token

    # --- programs -----------------------------------------------------------------------------------------------------

    async def account_of(self, token: str) -> UUID | None:
        """The account of whom this token is about; None where tokens are not taken.

        Raises:
            CredentialsRefused: it is not in order.
            IssuerUnavailable
        """
        if not self._audience:
            return None
        return await self._account(await self._verified(token, audience=self._audience))

    # --- what both need -----------------------------------------------------------------------------------------------

    async def _account(self, claims: dict[str, Any]) -> UUID:
        name = str(claims.get("name") or claims.get("preferred_username") or claims["sub"])
        async with self._database.transaction(EVERYTHING) as tx:
            return await accounts.known_elsewhere(
                tx,
                issuer=self._issuer,
                subject=claims["sub"],
                name=name,
                language=str(claims.get("locale", "")),
                seal=self._seal,
                now=clock.now(),
            )

    async def _verified(self, token: str, *, audience: str) -> dict[str, Any]:
        """The claims of a token of this issuer, for this audience, in its time. Keys in its header are not used."""
        try:
            decoded = jwt.decode(token, await self._keys_for(_kid_of(token)), algorithms=list(ALGORITHMS))
            registry = jwt.JWTClaimsRegistry(
                now=_now_s,
                leeway=_CLOCKS_APART_S,
                iss={"essential": True, "value": self._issuer},
                aud={"essential": True, "value": audience},
                exp={"essential": True},
                sub={"essential": True},
            )
            registry.validate(decoded.claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise CredentialsRefused from error
        return decoded.claims

    async def _keys_for(self, kid: str) -> KeySet:
        """The issuer's keys; fetched anew, once a minute at the most, when this one is not among them."""
        async with self._asking:
            now = time.monotonic()
            if self._keys is None or (not _has(self._keys[1], kid) and now - self._keys[0] > _KEYS_AGAIN_S):
                found = await self._ask("GET", (await self._description())["jwks_uri"])
                usable = [key for key in found.get("keys", []) if key.get("kty") != "oct" and key.get("use") != "enc"]
                self._keys = (now, KeySet.import_key_set({"keys": usable}))
            return self._keys[1]

    async def _description(self) -> dict[str, Any]:
        """What the issuer says of itself (OpenID Connect Discovery 1.0)."""
        now = time.monotonic()
        if self._described is None or now - self._described[0] > _DESCRIBED_AGAIN_S:
            described = await self._ask("GET", self._issuer.rstrip("/") + "/.well-known/openid-configuration")
            scheme = self._issuer.partition(":")[0]
            places = [described.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
            if described.get("issuer") != self._issuer or not all(str(p).startswith(f"{scheme}://") for p in places):
                log.error("the issuer says that it is another one, or names places that are not as safe as itself")
                raise IssuerUnavailable
            self._described = (now, described)
        return self._described[1]

    async def _ask(self, method: str, url: str, **sent: Any) -> dict[str, Any]:
        if self._session is None:
            raise IssuerUnavailable
        try:
            async with self._session.request(method, url, allow_redirects=False, **sent) as answer:
                body = await answer.content.read(_ANSWER_BYTES_MAX)
                if method == "POST" and answer.status in (400, 401):
                    raise CredentialsRefused
                answer.raise_for_status()
                found: Any = orjson.loads(body)
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as error:
            log.warning("the issuer does not answer", error=type(error).__name__)
            raise IssuerUnavailable from error
        if not isinstance(found, dict):
            raise IssuerUnavailable
        return cast("dict[str, Any]", found)


def _kid_of(token: str) -> str:
    """Which key a token says that it was signed with.

    Raises:
        ValueError: it is no token, or says nothing of it.
    """
    head, _, _ = token.split(".")
    header: Any = orjson.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    if not isinstance(header, dict) or not isinstance(kid := cast("dict[str, Any]", header).get("kid"), str):
        raise ValueError("no key is named")  # noqa: TRY004 - to the caller, it is one bad token like another
    return kid


def _has(keys: KeySet, kid: str) -> bool:
    return any(key.kid == kid for key in keys.keys)


def _now_s() -> int:
    return int(clock.now().timestamp())
