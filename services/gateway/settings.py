"""What an operator can set of the gateway, beside what every service has."""

from pydantic import Field

from shared.settings import Settings


class GatewaySettings(Settings):
    """Settings of the gateway."""

    volunteers_url: str = Field(description="Where the volunteers service answers: http://host:port")
    events_url: str = Field(description="Where the events service answers.")
    charity_url: str = Field(description="Where the charity service answers.")
    open_doors: bool = Field(
        False,
        description="Every caller acts as the administrator. For a machine of one's own and for the demo: "
        "until sign-in is there, it is the only way to write. Refused in production.",
    )
    watchers_max: int = Field(20_000, ge=1, description="Live streams at the most; more are told to come back later.")
