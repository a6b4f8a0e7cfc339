"""How a device behaves, as data: its habits. What is made to go wrong with it is in `faults`.

Times are milliseconds of the device's own running time, unless a name says seconds; sizes are bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, get_args

from device_sim.core.world import STURDY, World
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
    world: World = STURDY
    inform: bool = False  # HTTP flows: it is connected over MQTT too, and asks at once when it is told
    chunk_bytes: int = 256 * 1024  # one ranged request
    reply_interval_ms: int = 5_000  # then a report without its reply is sent again; doubled each time
    reply_interval_max_ms: int = 60_000
    install_ms: int = 0
    reboot_ms: int | None = None  # how long it is offline after an install; None: it does not reboot
    posts_card: bool = (
        False  # over MQTT: it tells its card, if it has one, at its first login too, not only a new one
    )
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
