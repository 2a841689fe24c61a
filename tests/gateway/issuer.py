"""An OpenID Connect issuer of our own: what a real one does, on loopback, and wrong on request."""

import base64
import hashlib
import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.gateway.serving import Listening, unused_settings

CLIENT, SECRET, AUDIENCE = "asar", "the issuer's word for it", "asar-api"


class OwnIssuer:
    """People sign in here by being named in the test."""

    def __init__(self) -> None:
        self.key: Any = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
        self.keys_asked = 0
        self.claims: dict[str, Any] = {}
        """What it says of the next person beside, or instead of, what is right."""
        self.describes: dict[str, Any] = {}
        self._codes: dict[str, dict[str, str]] = {}
        routes = [
            Route("/.well-known/openid-configuration", self._describe),
            Route("/keys", self._show_keys),
            Route("/token", self._exchange, methods=["POST"]),
        ]
        self._listening = Listening(Starlette(routes=routes), unused_settings(port=0))

    @property
    def url(self) -> str:
        return self._listening.url

    async def __aenter__(self) -> Self:
        await self._listening.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._listening.stop()

    def renew_key(self) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": "two", "use": "sig"})

    def sign_in(self, departed_to: str, subject: str) -> str:
        """What the browser is sent back with, once this person has signed in; the address it departed to is checked."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(departed_to).query).items()}
        assert departed_to.startswith(f"{self.url}/authorize?")
        assert (asked["client_id"], asked["response_type"], asked["code_challenge_method"]) == (CLIENT, "code", "S256")
        code = f"code-{len(self._codes)}"
        self._codes[code] = {**asked, "sub": subject}
        return f"{urlsplit(asked['redirect_uri']).path}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, subject: str, *, key: Any = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token that is right in all but what is given; None leaves a claim or header out."""
        signing, now = key or self.key, int(time.time())
        head = {"alg": "RS256" if signing.key_type == "RSA" else "ES256", "kid": signing.kid} | (header or {})
        said = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": now + 300,
            "name": "Айгүл",
        } | claims
        return jwt.encode(
            {name: value for name, value in head.items() if value is not None},
            {name: value for name, value in said.items() if value is not None},
            signing,
            algorithms=[str(head["alg"])],
        )

    async def _describe(self, _: Request) -> Response:
        places = {
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        }
        return JSONResponse({"issuer": self.url, **places} | self.describes)

    async def _show_keys(self, _: Request) -> Response:
        self.keys_asked += 1
        return JSONResponse(KeySet([self.key]).as_dict(private=False))

    async def _exchange(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        basic = base64.b64encode(f"{quote_plus(CLIENT)}:{quote_plus(SECRET)}".encode()).decode()
        asked = self._codes.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if (
            asked is None
            or request.headers.get("authorization") != f"Basic {basic}"
            or challenge.decode() != asked["code_challenge"]
            or form["redirect_uri"] != asked["redirect_uri"]
        ):
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        claims: dict[str, Any] = {"aud": CLIENT, "nonce": asked["nonce"]} | self.claims
        return JSONResponse(
            {"id_token": self.token(asked["sub"], **claims), "access_token": "-", "token_type": "Bearer"}
        )
