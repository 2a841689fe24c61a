"""The internal token: how the gateway tells a service who is calling. Services trust nothing else.

Ed25519, sixty seconds, one audience. `joserfc.jwt.decode` checks neither `exp`, `aud` nor `iss`, so this module is the
only place that decodes.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey
from pydantic import ValidationError

from shared import clock
from shared.access.keys import INTERNAL_PRIVATE, INTERNAL_PUBLIC
from shared.access.principal import Principal
from shared.errors import Unauthenticated

LIFETIME_S = 60
_ALGORITHMS = ["Ed25519"]
_TYPE = "internal+jwt"
_ISSUER = "gateway"
_CLOCKS_APART_S = 5
_REMEMBERED_MAX = 10_000


def _now_s() -> float:
    return clock.now().timestamp()


class TokenRefused(Unauthenticated):
    """This service answers the gateway only: the internal token is missing, expired or not ours."""


class Signer:
    """Signs the gateway's tokens; one per principal and service is used for half its life."""

    def __init__(self, keys_dir: Path) -> None:
        self._key = OKPKey.import_key(orjson.loads((keys_dir / INTERNAL_PRIVATE).read_bytes()))
        self._signed: dict[tuple[str, str], tuple[float, Principal, str]] = {}

    def sign(self, principal: Principal, audience: str) -> str:
        now = _now_s()
        good_until, signed_for, token = self._signed.get((principal.id, audience), (0.0, principal, ""))
        # Found by name and then compared: to hash all that somebody may takes longer than the rest.
        if now < good_until and (signed_for is principal or signed_for == principal):
            self._signed[principal.id, audience] = (good_until, principal, token)
            return token
        if len(self._signed) > _REMEMBERED_MAX:
            self._signed.clear()
        claims: dict[str, Any] = {
            "iss": _ISSUER,
            "aud": audience,
            "iat": int(now),
            "exp": int(now) + LIFETIME_S,
            "sub": principal.id,
            "principal": principal.model_dump(mode="json"),
        }
        header = {"alg": "Ed25519", "typ": _TYPE, "kid": self._key.kid}
        token = jwt.encode(header, claims, self._key, algorithms=_ALGORITHMS)
        self._signed[principal.id, audience] = (now + LIFETIME_S / 2, principal, token)
        return token


class Verifier:
    """Verifies tokens meant for one service."""

    def __init__(self, keys_dir: Path, audience: str) -> None:
        self._keys = KeySet.import_key_set(orjson.loads((keys_dir / INTERNAL_PUBLIC).read_bytes()))
        self._audience = audience
        # Checking a signature costs more than the rest of a small request; the gateway repeats its tokens.
        self._decoded = lru_cache(maxsize=4096)(self._decode)

    def verify(self, token: str) -> Principal:
        """Who calls.

        Raises:
            TokenRefused: not signed by the gateway, for another service, of another kind, or out of its time.
        """
        issued_at, expires_at, principal = self._decoded(token)
        if not issued_at - _CLOCKS_APART_S <= _now_s() < expires_at:
            raise TokenRefused
        return principal

    def _decode(self, token: str) -> tuple[float, float, Principal]:
        try:
            decoded = jwt.decode(token, self._keys, algorithms=_ALGORITHMS)
            registry = jwt.JWTClaimsRegistry(
                now=lambda: int(_now_s()),
                iss={"essential": True, "value": _ISSUER},
                aud={"essential": True, "value": self._audience},
                exp={"essential": True},
                iat={"essential": True},
                leeway=_CLOCKS_APART_S,
            )
            registry.validate(decoded.claims)
            if decoded.header.get("typ") != _TYPE:
                raise TokenRefused
            return (
                float(decoded.claims["iat"]),
                float(decoded.claims["exp"]),
                Principal.model_validate_json(orjson.dumps(decoded.claims["principal"])),
            )
        except (JoseError, ValidationError, KeyError, ValueError, TypeError) as error:
            raise TokenRefused from error
