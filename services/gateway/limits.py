"""How much of the gateway one caller may use: requests a minute, requests at once, open streams.

Counted in this process's memory before anything else is done, so a refusal costs next to nothing; of several gateways
each counts for itself. Why not by a library: decision 0020.
"""

import time
from collections.abc import Callable
from math import ceil

from starlette.types import Scope

from services.gateway.addresses import address_of
from services.gateway.settings import GatewaySettings
from shared.access.principal import Principal
from shared.errors import TooMany

WINDOW_S = 60
_UNCOUNTED = ("/health/", "/metrics", "/version", "/assets/", "/pages/", "/favicon.svg", "/v1/live")
"""What machines that watch ask for, files that a browser keeps, and streams, whose number is limited."""
_DEAR = frozenset({"searches", "disclosures", "exports"})
"""Last segments of what costs more than others, or tells more of people."""
_COME_BACK_S = 10


class QuotaExceeded(TooMany):
    """You have asked as often as is allowed for now; go on after the seconds in Retry-After."""


class TooManyAtOnce(TooMany):
    """Too many of your requests are being answered at this moment; send fewer side by side."""


class TooManyStreams(TooMany):
    """You have as many streams open as is allowed; close one that is not needed."""


class Policy:
    """How many requests one caller may make in a minute."""

    def __init__(self, name: str, quota: int) -> None:
        self.name = name
        self.quota = quota
        self.told = f'"{name}";q={quota};w={WINDOW_S}'.encode()
        self.left = f'"{name}";r=%d;t=%d'.encode()
        """To be filled with how many are left, and in how many seconds all are again."""


class Window:
    """The requests that one caller made under a policy: a minute that slides, kept as two counters.

    The minute before counts for as much of it as the last sixty seconds still reach into.
    """

    __slots__ = ("_before", "_count", "_minute")

    def __init__(self) -> None:
        self._minute, self._count, self._before = 0, 0, 0

    def used(self, now: float) -> float:
        minute, passed_s = divmod(now, WINDOW_S)
        if minute != self._minute:
            self._before = self._count if minute == self._minute + 1 else 0
            self._minute, self._count = int(minute), 0
        return self._before * (1 - passed_s / WINDOW_S) + self._count

    def add(self) -> None:
        """Count a request; right after `used` has brought the window to the present."""
        self._count += 1

    def back_in_s(self, quota: int, now: float) -> int:
        """In how many seconds another request is within the quota; 0 if one is now."""
        if self.used(now) + 1 <= quota:
            return 0
        rest_s = WINDOW_S - now % WINDOW_S
        room = quota - 1 - self._count
        if room >= 0:
            # Enough of the minute before has to slide out of sight while this one runs.
            return ceil(rest_s - WINDOW_S * room / self._before)
        return ceil(rest_s + WINDOW_S * (1 - (quota - 1) / self._count))

    def is_over(self, now: float) -> bool:
        return now // WINDOW_S > self._minute + 1


class Share:
    """What one caller uses."""

    __slots__ = ("at_once", "requests", "searches", "streams")

    def __init__(self) -> None:
        self.requests = Window()
        self.searches = Window()
        self.at_once = 0
        self.streams = 0


class Visit:
    """One request, from its being let in to its end."""

    __slots__ = ("_is_stream", "_share", "_streams_max", "headers", "refusal")

    def __init__(
        self, share: Share, headers: list[tuple[bytes, bytes]], refusal: TooMany | None, *, streams_max: int
    ) -> None:
        self.headers = headers
        """What the answer says about quotas, whatever else it is."""
        self.refusal = refusal
        """Why it is not to be answered, if it is not."""
        self._share = share
        self._streams_max = streams_max
        self._is_stream = False
        share.at_once += 1

    def stay(self) -> None:
        """Become a stream, which counts among the caller's streams in place of their requests.

        Raises:
            TooManyStreams
        """
        if self._share.streams >= self._streams_max:
            raise TooManyStreams(retry_after_s=_COME_BACK_S)
        self._is_stream = True
        self._share.streams += 1
        self._share.at_once -= 1

    def end(self) -> None:
        """To be called once, when the answer has left."""
        if self._is_stream:
            self._share.streams -= 1
        else:
            self._share.at_once -= 1


class Limits:
    """The shares of all callers."""

    def __init__(self, settings: GatewaySettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._policies = {
            "person": Policy("person", settings.requests_per_minute),
            "machine": Policy("key", settings.key_requests_per_minute),
            "anyone": Policy("address", settings.anonymous_requests_per_minute),
        }
        self._searches = Policy("searches", settings.searches_per_minute)
        self._at_once_max = settings.requests_at_once
        self._streams_max = settings.streams_per_caller
        self._anonymous_streams_max = settings.anonymous_streams_per_address
        self._shares: dict[str, Share] = {}
        self._sweep_at = 0.0

    def visit(self, principal: Principal, scope: Scope) -> Visit:
        """Let a request in, or not; who has not said who they are is known by their address."""
        now = self._clock()
        if now >= self._sweep_at:
            self._sweep(now)
        anonymous = principal.kind == "anyone"
        caller = address_of(scope) if anonymous else principal.id
        share = self._shares.get(caller)
        if share is None:
            share = self._shares[caller] = Share()
        headers, refusal = self._counted(share, self._policies[principal.kind], scope["path"], now)
        return Visit(
            share, headers, refusal, streams_max=self._anonymous_streams_max if anonymous else self._streams_max
        )

    def _counted(
        self, share: Share, policy: Policy, path: str, now: float
    ) -> tuple[list[tuple[bytes, bytes]], TooMany | None]:
        if path.startswith(_UNCOUNTED):
            return [], None
        is_dear = path.rpartition("/")[2] in _DEAR
        n = policy.quota - share.requests.used(now)
        if n >= 1 and share.at_once < self._at_once_max and not is_dear:
            # Nearly every request: the same as below, in a third of the time.
            share.requests.add()
            left_now = policy.left % (n - 1, ceil(WINDOW_S - now % WINDOW_S))
            return [(b"ratelimit-policy", policy.told), (b"ratelimit", left_now)], None
        windows = [(policy, share.requests)]
        if is_dear:
            windows.append((self._searches, share.searches))
        left = [policy.quota - window.used(now) for policy, window in windows]
        refusal: TooMany | None = None
        if min(left) < 1:
            refusal = QuotaExceeded(
                retry_after_s=max(window.back_in_s(policy.quota, now) for policy, window in windows),
                policies=[policy.name for (policy, _), n in zip(windows, left, strict=True) if n < 1],
            )
        elif share.at_once >= self._at_once_max:
            refusal = TooManyAtOnce()
        else:
            left = [n - 1 for n in left]
            for _, window in windows:
                window.add()
        reset_s = ceil(WINDOW_S - now % WINDOW_S) if refusal is None else refusal.retry_after_s
        told = b", ".join(policy.left % (max(0, n), reset_s) for (policy, _), n in zip(windows, left, strict=True))
        return [(b"ratelimit-policy", b", ".join(policy.told for policy, _ in windows)), (b"ratelimit", told)], refusal

    def _sweep(self, now: float) -> None:
        """Forget who has not been here for long, once a minute."""
        self._sweep_at = now + WINDOW_S
        gone = [
            caller
            for caller, share in self._shares.items()
            if not share.at_once and not share.streams and share.requests.is_over(now) and share.searches.is_over(now)
        ]
        for caller in gone:
            del self._shares[caller]
