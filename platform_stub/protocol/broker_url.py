"""The address of a broker that is not ours, `mqtt://[user:password@]host[:port]`. The password is never shown."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from platform_stub.protocol.errors import UsageFault

SCHEME: Final = "mqtt://"
PORT: Final = 1883
_HIDDEN: Final = "***"
_FORM: Final = "mqtt://[user:password@]host[:port], such as mqtt://127.0.0.1:1883"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerUrl:
    """Where the broker is, and as whom the platform logs in there; without a user it gives no name."""

    host: str
    port: int = PORT
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port

    def __str__(self) -> str:
        """Spell it for people: without the password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        hidden = f":{_HIDDEN}" if self.password else ""
        who = f"{self.user}{hidden}@" if self.user else ""
        return f"{SCHEME}{who}{host}:{self.port}"


def is_broker_url(text: str) -> bool:
    """Whether a text is meant as an address, and not as a broker's name."""
    return "://" in text


def parse_broker_url(text: str) -> BrokerUrl:
    """Take an address apart. UsageFault says what is wanted, and repeats no more of it than its scheme."""
    try:
        parts = urlsplit(text)
        port = PORT if parts.port is None else parts.port
    except ValueError as exc:
        raise UsageFault(f"the broker's address can't be read: {_FORM} is wanted") from exc
    if parts.scheme == "mqtts":
        raise UsageFault(f"mqtts: the devices here speak MQTT without TLS; {_FORM} is wanted")
    if parts.scheme != "mqtt":
        raise UsageFault(
            f"{parts.scheme or 'an address without scheme'}: no broker is spoken to by that; {_FORM} is wanted"
        )
    if not parts.hostname or not port:
        raise UsageFault(f"the broker's address names no host, or port 0: {_FORM} is wanted")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise UsageFault(f"the broker's address ends with its port: {_FORM} is wanted")
    if parts.password is not None and not parts.username:
        raise UsageFault(f"the broker's address has a password and no user: {_FORM} is wanted")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return BrokerUrl(host=parts.hostname, port=port, user=user, password=password)
