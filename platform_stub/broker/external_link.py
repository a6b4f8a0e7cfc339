"""The platform's own connection to a broker that is not ours: paho-mqtt in the event loop, without a thread.

paho keeps the wire and what is not acknowledged. Here is what it leaves to its user: sockets in asyncio, a bound on
what is under way (its packet ids end at 65,535, and it drops what finds none), coming back with a growing pause, and
acknowledging by hand, after the commit (decision 3). Imported only when such a broker is started: paho is an extra.
Times are in seconds.
"""

import asyncio
import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Any, Final, Protocol

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from platform_stub.protocol.broker_url import BrokerUrl
from platform_stub.protocol.errors import EnvironmentFault

KEEPALIVE_S: Final = 30
CONNECT_S: Final = 5.0
ANSWER_S: Final = 10.0
ECHO_S: Final = 3.0
TICK_S: Final = 1.0
PAUSE_MIN_S: Final = 0.1
PAUSE_MAX_S: Final = 5.0
DRAIN_S: Final = 2.0
WINDOW: Final = 10_000
"""How many messages may be under way to the broker at a time."""
QUEUE_MAX: Final = 200_000
"""How many more may wait for that; further ones are dropped, and counted."""
_SUBSCRIBE_REFUSED: Final = 0x80


class Phase(Enum):
    """Where the connection stands."""

    CLOSED = auto()
    OPENING = auto()
    UP = auto()
    LOST = auto()
    CLOSING = auto()


_CONNECTED: Final = frozenset({Phase.OPENING, Phase.UP})
"""While messages come in."""


class Owner(Protocol):
    """Whose connection it is."""

    def arrived(self, message: MQTTMessage) -> None:
        """A message came; `acknowledge` its `mid` when its effect is kept."""

    def dialling(self) -> None:
        """A connection begins to be made: what came by the one before comes again, and is acknowledged then."""

    def lost(self, reason: str) -> None:
        """The connection is over, and will be made again."""

    def back(self) -> None:
        """It is made again."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    topic: str
    payload: bytes


class ExternalLink:
    """One client of the broker. Without `is_clean` the broker keeps what comes while it is away, under `client_id`."""

    def __init__(
        self, url: BrokerUrl, client_id: str, filters: Sequence[str], owner: Owner, *, is_clean: bool = False
    ) -> None:
        self._url = url
        self._filters = tuple(filters)
        self._owner = owner
        self._phase = Phase.CLOSED
        self._thread = threading.get_ident()
        self._under_way: set[int] = set()
        self._waiting: deque[_Waiting] = deque()
        self._connected: asyncio.Future[str] | None = None
        self._granted: asyncio.Future[Sequence[int]] | None = None
        self._echo = ""
        self._heard: asyncio.Future[None] | None = None
        self._drained = asyncio.Event()
        self._returning: asyncio.Task[None] | None = None
        self._tick: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop
        self.acknowledged = 0
        self.overflowed = 0
        self._client = self._make_client(client_id, is_clean=is_clean)

    def _make_client(self, client_id: str, *, is_clean: bool) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=is_clean,
            protocol=MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        if self._url.user:
            client.username_pw_set(self._url.user, self._url.password or None)
        client.connect_timeout = CONNECT_S
        client.max_inflight_messages_set(0)
        client.on_socket_open = self._socket_opened
        client.on_socket_close = self._socket_closing
        client.on_socket_register_write = self._wants_to_write
        client.on_socket_unregister_write = self._has_written
        client.on_connect = self._answered
        client.on_disconnect = self._ended
        client.on_subscribe = self._subscribed
        client.on_publish = self._published
        client.on_message = self._arrived
        return client

    @property
    def is_up(self) -> bool:
        """Whether messages go out at once."""
        return self._phase is Phase.UP

    @property
    def waiting(self) -> int:
        """How many messages the broker has not acknowledged."""
        return len(self._under_way) + len(self._waiting)

    async def open(self, echo: str = "") -> None:
        """Connect and subscribe. EnvironmentFault: nobody answers there, or the platform is not let in.

        With `echo`, a topic that the filters take in, a message is sent there and has to come back: access lists
        drop in silence, and some brokers carry nothing below `$`.
        """
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        await self._dial()
        if echo:
            await self._hear(echo)

    async def _hear(self, topic: str) -> None:
        self._echo = topic
        self._heard = self._loop.create_future()
        self.publish(topic, b"", 1)
        try:
            async with asyncio.timeout(ECHO_S):
                await self._heard
        except (TimeoutError, ConnectionError) as exc:
            await self.close()
            raise EnvironmentFault(
                f"the broker at {self._url} does not deliver what the platform sends below $sys/: its access list has "
                f"to let {self._url.user or 'the platform'} read and write $sys/#"
            ) from exc
        self._heard = None
        self.acknowledged = 0

    async def close(self) -> None:
        """Let what is under way be acknowledged, for a moment, and leave."""
        was_up = self.is_up
        self._phase = Phase.CLOSING
        if self._returning is not None:
            self._returning.cancel()
            await asyncio.gather(self._returning, return_exceptions=True)
        if was_up and self.waiting:
            self._drained.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_S):
                    await self._drained.wait()
        if self._tick is not None:
            self._tick.cancel()
        self._client.disconnect()
        self._client.loop_write()  # DISCONNECT goes out at once; paho closes the socket after it
        self._phase = Phase.CLOSED

    def publish(self, topic: str, payload: bytes, qos: int) -> None:
        """Send with QoS 0 or 1; with 1 it is kept until the broker has it, also while the broker is away."""
        if qos == 0:
            if self.is_up:
                self._client.publish(topic, payload, 0)
        elif len(self._under_way) < WINDOW:
            self._send(topic, payload)
        elif len(self._waiting) < QUEUE_MAX:
            self._waiting.append(_Waiting(topic, payload))
        else:
            self.overflowed += 1

    def acknowledge(self, packet_id: int) -> None:
        """Send PUBACK; what a kept session brings comes before the subscription is granted."""
        if self._phase in _CONNECTED:
            self._client.ack(packet_id, 1)

    def drop(self) -> None:
        """Cut the connection: what is not acknowledged comes again on the next one."""
        sock = self._client.socket()
        if self._phase in _CONNECTED and isinstance(sock, socket.socket):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    # connecting

    async def _dial(self) -> None:
        """Connect, subscribe. EnvironmentFault says what stands in the way."""
        self._owner.dialling()
        self._phase = Phase.OPENING
        self._connected, self._granted = self._loop.create_future(), self._loop.create_future()
        host, port = self._url.address
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._loop.run_in_executor(
                    None, partial(self._client.connect, host, port, keepalive=KEEPALIVE_S)
                )
                await self._log_in()
                await self._subscribe()
        except TimeoutError as exc:
            self._hang_up()
            raise EnvironmentFault(f"no MQTT broker answers at {self._url} within {ANSWER_S:g} s") from exc
        except OSError as exc:
            self._hang_up()
            raise EnvironmentFault(
                f"no broker at {self._url} ({exc.strerror or exc}): start it, or name another with --broker"
            ) from exc
        except BaseException:
            self._hang_up()
            raise
        self._phase = Phase.UP
        if self._tick is None:
            self._tick = self._loop.call_later(TICK_S, self._misc)

    async def _log_in(self) -> None:
        assert self._connected is not None
        refusal = await self._connected
        if refusal:
            raise EnvironmentFault(
                f"the broker at {self._url} does not let the platform in ({refusal}): give user and password of a "
                "client that it knows, --broker mqtt://user:password@host:port"
            )

    async def _subscribe(self) -> None:
        if not self._filters:
            return
        assert self._granted is not None
        self._client.subscribe([(each, 1) for each in self._filters])
        codes = await self._granted
        refused = [
            each for each, code in zip(self._filters, codes, strict=False) if code >= _SUBSCRIBE_REFUSED
        ]
        if refused:
            raise EnvironmentFault(
                f"the broker at {self._url} does not let the platform subscribe to {', '.join(refused)}: "
                "its access list has to allow it $sys/#"
            )

    def _hang_up(self) -> None:
        sock = self._client.socket()
        self._phase = Phase.CLOSED
        if sock is not None:
            self._client.disconnect()
            self._client.loop_write()

    async def _return(self) -> None:
        """Come back, with a growing pause."""
        pause_s = PAUSE_MIN_S
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self._dial()
            except EnvironmentFault:
                pause_s = min(pause_s * 2, PAUSE_MAX_S)
            else:
                break
        self._owner.back()
        self._pump()

    # paho's callbacks; `connect` calls some of them in a thread

    def _in_loop(self, call: Callable[..., object], *args: object) -> None:
        if threading.get_ident() == self._thread:
            call(*args)
        else:
            self._loop.call_soon_threadsafe(call, *args)

    def _socket_opened(self, _: Client, __: Any, sock: Any) -> None:
        self._in_loop(self._loop.add_reader, sock.fileno(), self._client.loop_read)

    def _socket_closing(self, _: Client, __: Any, sock: Any) -> None:
        number = sock.fileno()
        if number >= 0:
            self._in_loop(self._loop.remove_reader, number)
            self._in_loop(self._loop.remove_writer, number)

    def _wants_to_write(self, _: Client, __: Any, sock: Any) -> None:
        self._in_loop(self._loop.add_writer, sock.fileno(), self._client.loop_write)

    def _has_written(self, _: Client, __: Any, sock: Any) -> None:
        self._in_loop(self._loop.remove_writer, sock.fileno())

    def _answered(
        self, _: Client, __: Any, ___: ConnectFlags, code: ReasonCode, ____: Properties | None
    ) -> None:
        if self._connected is not None and not self._connected.done():
            self._connected.set_result(str(code) if code.is_failure else "")

    def _subscribed(
        self, _: Client, __: Any, ___: int, codes: list[ReasonCode], ____: Properties | None
    ) -> None:
        if self._granted is not None and not self._granted.done():
            self._granted.set_result([code.value for code in codes])

    def _ended(
        self, _: Client, __: Any, ___: DisconnectFlags, code: ReasonCode, ____: Properties | None
    ) -> None:
        is_opening = self._heard is not None and not self._heard.done()
        for answer in (self._connected, self._granted, self._heard):
            if answer is not None and not answer.done():
                answer.set_exception(ConnectionError("the connection was closed"))
                answer.exception()  # nobody need be waiting for it
        if is_opening:
            self._phase = Phase.CLOSED
        elif self._phase is Phase.UP:
            self._phase = Phase.LOST
            self._owner.lost(str(code))
            self._returning = self._loop.create_task(self._return(), name=f"back to {self._url}")

    def _published(self, _: Client, __: Any, mid: int, ___: ReasonCode, ____: Properties | None) -> None:
        if mid in self._under_way:
            self._under_way.discard(mid)
            self.acknowledged += 1
            self._pump()

    def _arrived(self, _: Client, __: Any, message: MQTTMessage) -> None:
        if self._heard is not None and message.topic == self._echo:
            self.acknowledge(message.mid)
            if not self._heard.done():
                self._heard.set_result(None)
        else:
            self._owner.arrived(message)

    def _send(self, topic: str, payload: bytes) -> None:
        """Give paho a message; one that it has no free packet id for at this moment gets the next."""
        sent = self._client.publish(topic, payload, 1)
        while sent.rc is MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
            sent = self._client.publish(topic, payload, 1)
        self._under_way.add(sent.mid)

    def _pump(self) -> None:
        """Send what waited for room."""
        while self._waiting and len(self._under_way) < WINDOW:
            each = self._waiting.popleft()
            self._send(each.topic, each.payload)
        if not self._under_way:
            self._drained.set()

    def _misc(self) -> None:
        """Let paho send its pings, and notice a broker that answers none."""
        self._client.loop_misc()
        self._tick = self._loop.call_later(TICK_S, self._misc)
