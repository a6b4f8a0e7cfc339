"""How a device behaves, as data: its habits (`Profile`) and what is made to go wrong (`Fault`).

Times are milliseconds of the device's own running time, unless a name says seconds; sizes are bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, Literal, get_args

from platform_stub.protocol.codes import DOWNLOAD_FAILURES, UPDATE_FAILURES
from platform_stub.protocol.errors import UsageFault

Flow = Literal["mqtt", "fuse", "studio", "south"]
FLOWS: Final[tuple[Flow, ...]] = get_args(Flow)
"""What a device speaks: MQTT, or one of the HTTP generations C, B and A."""

KEEPALIVE_S_MIN = 10
KEEPALIVE_S_MAX = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The habits of all devices of a fleet."""

    flow: Flow = "mqtt"  # of the devices whose identity names none
    poll_ms: int = 2_000  # HTTP flows: after so long at most a device asks again, each kind in turn
    inform: bool = False  # HTTP flows: it is connected over MQTT too, and asks at once when it is told
    chunk_bytes: int = 256 * 1024  # one ranged request
    reply_interval_ms: int = 5_000  # then a report without its reply is sent again; doubled each time
    reply_interval_max_ms: int = 60_000
    install_ms: int = 0
    reboot_ms: int | None = None  # how long it is offline after an install; None: it does not reboot
    card_swap_ms: int = 100  # how long it is offline while its card is replaced
    keepalive_s: int = 300
    start_jitter_ms: int = 250
    backoff_base_ms: int = 500  # before a reconnect; doubled each time, jittered
    backoff_max_ms: int = 30_000
    refused_base_ms: int = 2_000  # the same after a CONNACK that refuses
    stable_ms: int = 10_000  # a connection that was good for so long starts the backoff anew
    download_tries: int = 10  # without a new byte, then the download has failed
    download_retry_ms: int = 500  # doubled each time, up to:
    download_retry_max_ms: int = 10_000
    connect_timeout_ms: int = 10_000  # until the subscriptions are granted
    ping_timeout_ms: int = 10_000
    http_timeout_ms: int = 10_000  # for connecting, for the head of an answer, for the next bytes of its body
    token_life_s: int = 86_400
    token_method: Literal["md5", "sha1", "sha256"] = "sha1"  # noqa: S105 - a digest's name

    def __post_init__(self) -> None:
        """Refuse what can't be: UsageFault names all fields that are wrong."""
        wrong = [
            f"{name} = {value}: at least {least} is wanted"
            for name, least in _LEAST.items()
            if (value := getattr(self, name)) is not None and value < least
        ]
        if self.keepalive_s > KEEPALIVE_S_MAX:
            wrong.append(f"keepalive_s = {self.keepalive_s}: at most {KEEPALIVE_S_MAX} is taken")
        if self.flow not in FLOWS:
            wrong.append(f"flow = {self.flow!r}: there are {', '.join(FLOWS)}")
        if wrong:
            raise UsageFault("profile: " + "; ".join(wrong))


_LEAST: Mapping[str, int] = MappingProxyType(
    {
        "poll_ms": 1,
        "chunk_bytes": 1,
        "reply_interval_ms": 1,
        "reply_interval_max_ms": 1,
        "install_ms": 0,
        "reboot_ms": 0,
        "card_swap_ms": 0,
        "keepalive_s": KEEPALIVE_S_MIN,
        "start_jitter_ms": 0,
        "backoff_base_ms": 1,
        "backoff_max_ms": 1,
        "refused_base_ms": 1,
        "stable_ms": 0,
        "download_tries": 1,
        "download_retry_ms": 1,
        "download_retry_max_ms": 1,
        "connect_timeout_ms": 1,
        "ping_timeout_ms": 1,
        "http_timeout_ms": 1,
        "token_life_s": 60,
    }
)


class Strike(Enum):
    """Where in a job a fault strikes."""

    BEFORE_DOWNLOAD = auto()
    AFTER_FIRST_RANGE = auto()
    IN_DIGEST = auto()
    BEFORE_INSTALL = auto()
    AFTER_INSTALL = auto()


STRIKES: Mapping[int, Strike] = MappingProxyType(
    {
        102: Strike.BEFORE_DOWNLOAD,  # the size is known from the inform
        103: Strike.AFTER_FIRST_RANGE,
        104: Strike.AFTER_FIRST_RANGE,
        105: Strike.AFTER_FIRST_RANGE,
        106: Strike.AFTER_FIRST_RANGE,
        107: Strike.AFTER_FIRST_RANGE,
        202: Strike.BEFORE_INSTALL,
        203: Strike.BEFORE_INSTALL,
        204: Strike.AFTER_INSTALL,
        205: Strike.IN_DIGEST,  # one bit of what arrived is another, and the comparison really fails
        206: Strike.AFTER_INSTALL,
        207: Strike.AFTER_INSTALL,
    }
)
"""Where each failing step comes from; 208 is generation A's own and can't be chosen here."""

FAILURE_TEXTS: Mapping[int, str] = MappingProxyType({**DOWNLOAD_FAILURES, **UPDATE_FAILURES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A device's next `times` jobs fail at `step` (102-107 while downloading, 202-207 after it)."""

    step: int
    times: int = 1

    def __post_init__(self) -> None:
        """Refuse a step that is no failure of a device."""
        if self.step not in STRIKES:
            raise UsageFault(
                f"fault: step {self.step} is no failure to choose; there are 102-107 and 202-207"
            )
        if self.times < 1:
            raise UsageFault(f"fault: times = {self.times}: at least 1 is wanted")
