"""What an operator can set of the gateway, beside what every service has."""

from pydantic import Field

from shared import safety
from shared.settings import Settings


class GatewaySettings(Settings):
    """Settings of the gateway."""

    volunteers_url: str = Field(description="Where the volunteers service answers: http://host:port")
    events_url: str = Field(description="Where the events service answers.")
    charity_url: str = Field(description="Where the charity service answers.")
    public_url: str = Field(
        "http://127.0.0.1:8080", description="Where people find the page: what links of invitation begin with."
    )
    oidc_issuer: str = Field(
        "",
        description="OpenID Connect issuer where people sign in as well, exactly as it calls itself; empty has none.",
    )
    oidc_client_id: str = Field("", description="What the issuer calls this installation.")
    oidc_client_secret_file: str = Field(
        "", description="File with the secret that the issuer has given this installation; without one, PKCE alone."
    )
    oidc_audience: str = Field(
        "", description="Audience of the issuer's tokens that programs may bring as bearers; empty takes none."
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses or networks, with commas, of the servers in front whose X-Forwarded-For says where a "
        "request comes from; empty believes nobody.",
    )
    cors_origins: str = Field(
        "",
        pattern=r"^(https?://[A-Za-z0-9.:\[\]-]+(, ?https?://[A-Za-z0-9.:\[\]-]+)*)?$",
        description="Origins of other sites, with commas, whose scripts may call the API with a key, such as "
        "https://address; empty lets none, and there is no way to let all.",
    )
    watchers_max: int = Field(20_000, ge=1, description="Live streams at the most; more are told to come back later.")
    requests_per_minute: int = Field(600, ge=1, description="Requests a minute that one person may make.")
    key_requests_per_minute: int = Field(
        6_000, ge=1, description="Requests a minute with one API key: a machine asks for many people."
    )
    anonymous_requests_per_minute: int = Field(
        300,
        ge=1,
        description="Requests a minute from one address that do not say who asks. The page's files and live streams "
        "are not counted: a whole office may share an address.",
    )
    searches_per_minute: int = Field(
        120, ge=1, description="Searches, disclosures and exports a minute for one caller; each is a request as well."
    )
    requests_at_once: int = Field(100, ge=1, description="Requests of one caller that are answered side by side.")
    streams_per_caller: int = Field(100, ge=1, description="Open streams of one person or key.")
    anonymous_streams_per_address: int = Field(
        1_000, ge=1, description="Open streams from one address that do not say who asks."
    )


def unsafe(settings: GatewaySettings) -> list[str]:
    """Why a gateway must not be started with these; what is wrong in every service is `shared.safety`'s to say."""
    found: list[str] = []
    if settings.oidc_audience and settings.oidc_audience == settings.oidc_client_id:
        found.append(
            "ASAR_OIDC_AUDIENCE is ASAR_OIDC_CLIENT_ID: what is meant for the sign-in page would open the API."
        )
    if settings.environment == "production":
        found += [
            f"ASAR_{name.upper()} must begin with https://."
            for name in ("public_url", "oidc_issuer")
            if getattr(settings, name) and safety.is_open_to_listeners(getattr(settings, name))
        ]
        if {"*", "0.0.0.0/0", "::/0"} & {one.strip() for one in settings.trusted_proxies.split(",")}:
            found.append("ASAR_TRUSTED_PROXIES lets everybody say where they come from.")
    return found
