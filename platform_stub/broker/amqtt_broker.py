"""amqtt 0.12 as the broker, in this process, for some 200 devices (`--broker amqtt`).

Against the embedded broker it gives less: a PUBACK up is sent before the commit (the `…_reply` comes after it), and
keep-alive is not enforced. In strict mode it grants QoS 0; the rates of the profile (logins, publishes, subscribes,
pings, bytes) are not held here. Here is the port that the server sees; what amqtt is made to do differently is in
`amqtt_adapter`, which is imported only when this broker is started, since amqtt is an extra.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from platform_stub.broker.limits import Limits
from platform_stub.protocol.errors import UsageFault
from platform_stub.service.ports import Session, Uplink

if TYPE_CHECKING:
    from platform_stub.broker.amqtt_adapter import PlatformBroker


_DEFAULT_LIMITS: Final = Limits()


class AmqttBroker:
    """Serves one platform on amqtt; it is the platform's `Downlink`."""

    def __init__(self, uplink: Uplink, host: str, port: int, limits: Limits = _DEFAULT_LIMITS) -> None:
        """`port` 0 takes a free one."""
        self._uplink = uplink
        self._wanted = (host, port)
        self._limits = limits
        self._broker: PlatformBroker | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._broker is not None, "start() first"
        return self._broker.address

    async def start(self) -> None:
        """Listen. Raises UsageFault without amqtt, EnvironmentFault when the address can't be had."""
        try:
            from platform_stub.broker.amqtt_adapter import PlatformBroker  # noqa: PLC0415 - amqtt is an extra
        except ModuleNotFoundError as exc:
            raise UsageFault(
                f"the amqtt broker needs a package that is not installed ({exc.name}): pip install 'ota-sim[amqtt]'"
            ) from exc
        logger = logging.getLogger("amqtt")
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL)  # it warns of every device that leaves without a DISCONNECT
        broker = PlatformBroker(self._uplink, *self._wanted, self._limits)
        await broker.start()
        self._broker = broker

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        broker, self._broker = self._broker, None
        if broker is not None:
            await broker.shutdown()

    def publish(
        self,
        session: Session,
        suffix: str,
        payload: bytes,
        qos: int,
        delivered: Callable[[], None] | None = None,
    ) -> None:
        """Send to a device, if its session is open and has subscribed to that; see `ports.Downlink`."""
        if self._broker is not None:
            self._broker.send(session, suffix, payload, qos, delivered)

    def takes(self, session: Session, suffix: str) -> bool:
        """Whether the session is open and has subscribed to that."""
        return self._broker is not None and self._broker.takes(session, suffix)

    def close(self, session: Session) -> None:
        """End a session's connection, if it is still open."""
        if self._broker is not None:
            self._broker.end(session)
