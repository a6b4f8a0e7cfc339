"""The embedded broker: listens, knows who is connected, and joins connections with the platform.

The profile is held by `connection`, bytes move in `wire`; here are the dispatch, the coarse timer and the life cycle.
Clock and timer are the loop's unless given; `sweep` may be called by hand.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from functools import partial
from typing import Final, assert_never

from platform_stub.broker.embedded.access_lines import write_end, write_subscribed
from platform_stub.broker.embedded.connection import Phase
from platform_stub.broker.embedded.counters import BrokerSnapshot, CloseReason, Counters
from platform_stub.broker.embedded.events import (
    Delivered,
    Duplicate,
    End,
    Event,
    Login,
    Received,
    Subscribed,
)
from platform_stub.broker.embedded.rates import LoginRate
from platform_stub.broker.embedded.wheel import TICK_MS, DueWheel
from platform_stub.broker.embedded.wire import RECEIVE_BYTES, Wire
from platform_stub.broker.limits import Limits
from platform_stub.broker.port import bind_fault
from platform_stub.protocol.mqtt.packets import ConnackCode
from platform_stub.service.ports import AccessLog, ConnectRefusal, Session, Uplink

_DEFAULT_LIMITS: Final = Limits()
_STOP_GRACE_S: Final = 0.5  # for what is under way to be taken, before connections are cut


class EmbeddedBroker:
    """OneNET's MQTT access point for one platform; it is the platform's `Downlink`."""

    def __init__(
        self,
        uplink: Uplink,
        host: str,
        port: int,
        limits: Limits = _DEFAULT_LIMITS,
        now_ms: Callable[[], int] | None = None,
        *,
        log: AccessLog | None = None,
    ) -> None:
        """`port` 0 takes a free one. `now_ms` is monotonic time in milliseconds, real when left out."""
        self._access_log = log
        self.limits = limits
        self.receive_buffer = memoryview(bytearray(RECEIVE_BYTES))
        self.now_ms = now_ms or _monotonic_ms
        self._uplink = uplink
        self._wanted = (host, port)
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wires: set[Wire] = set()
        self._by_device: dict[tuple[str, str], Wire] = {}
        self._wheel: DueWheel[Wire] = DueWheel()
        self._counters = Counters()
        self._login_rate = LoginRate(limits) if limits.logins_max else None
        self._gathered: list[Wire] = []
        self._stopping: asyncio.Event | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._server is not None, "start() first"
        host, port, *_ = self._server.sockets[0].getsockname()
        return host, port

    @property
    def snapshot(self) -> BrokerSnapshot:
        """The counters as they are now."""
        return self._counters.snapshot(connections=len(self._wires), sessions=len(self._by_device))

    async def start(self) -> None:
        """Listen. Raises EnvironmentFault when the address can't be had."""
        loop = asyncio.get_running_loop()
        host, port = self._wanted
        try:
            self._server = await loop.create_server(
                lambda: Wire(self), host, port, backlog=self.limits.backlog
            )
        except OSError as exc:
            raise bind_fault(host, port, exc) from exc
        self._timer = loop.call_later(TICK_MS / 1000, self._tick)

    async def stop(self) -> None:
        """Stop listening and end every connection; what was sent may be taken for half a second more."""
        if self._server is None:
            return
        self._stopping = asyncio.Event()
        self._server.close()
        if self._timer is not None:
            self._timer.cancel()
        for wire in tuple(self._wires):
            wire.end(End(CloseReason.STOPPED))
        for cut in (False, True):
            if cut:
                for wire in tuple(self._wires):
                    wire.abort()
            if self._wires:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), _STOP_GRACE_S)
        await self._server.wait_closed()
        self._server = None

    def publish(
        self,
        session: Session,
        suffix: str,
        payload: bytes,
        qos: int,
        delivered: Callable[[], None] | None = None,
    ) -> None:
        """Send to a device, if its session is open and has subscribed to that; see `ports.Downlink`."""
        wire = self._wire_of(session)
        sent = wire is not None and wire.connection.publish(suffix, payload, qos, delivered)
        if wire is None or not sent:
            self._counters.dropped += 1
        elif sent is True:
            self._counters.published_down += 1
            if not wire.gathered:
                self.gather(wire)
        else:
            self._counters.dropped += 1
            wire.end(sent)

    def takes(self, session: Session, suffix: str) -> bool:
        """Whether the session is open and has subscribed to that."""
        wire = self._wire_of(session)
        return wire is not None and wire.connection.takes(suffix)

    def close(self, session: Session) -> None:
        """End a session's connection, if it is still open."""
        wire = self._wire_of(session)
        if wire is not None:
            wire.end(End(CloseReason.BY_PLATFORM))

    def sweep(self) -> None:
        """End who has been silent for too long, by the clock as it is now; done every second."""
        now_ms = self.now_ms()
        for wire in self._wheel.due(now_ms):
            if wire.connection.phase is Phase.CLOSED:
                wire.abort()  # it has had its time to be flushed
                continue
            end = wire.connection.check_silence(now_ms)
            if end is None:
                wire.tick = self._wheel.put(wire, wire.connection.due_ms(now_ms))
            else:
                wire.end(end)

    def opened(self, wire: Wire) -> None:
        """Enter a new connection."""
        self._wires.add(wire)
        if self._stopping is not None:
            wire.end(End(CloseReason.STOPPED))
            return
        wire.tick = self._wheel.put(wire, wire.connection.due_ms(self.now_ms()))

    def ended(self, wire: Wire, end: End) -> None:
        """Let go of a connection that was ended."""
        self._counters.count_end(end.reason, end.code)
        if self._access_log is not None:
            write_end(self._access_log, end, wire.connection.session, wire.peer)
        self._wheel.take_back(wire, wire.tick)
        wire.tick = self._wheel.put(wire, wire.connection.due_ms(self.now_ms()))
        session = wire.connection.session
        if session is None:
            return
        key = (session.product_id, session.name)
        if self._by_device.get(key) is wire:
            del self._by_device[key]
        self._uplink.disconnected(session)

    def gone(self, wire: Wire) -> None:
        """Forget a connection whose socket is closed."""
        self._wheel.take_back(wire, wire.tick)
        self._wires.discard(wire)
        if self._stopping is not None and not self._wires:
            self._stopping.set()

    def gather(self, wire: Wire) -> None:
        """Flush a wire at the end of this loop turn, with all others; at once when they are many."""
        wire.gathered = True
        if not self._gathered:
            asyncio.get_running_loop().call_soon(self._flush_gathered)
        self._gathered.append(wire)
        if len(self._gathered) >= self.limits.gather_max:
            self._flush_gathered()

    def carry_out(self, wire: Wire, event: Event) -> None:
        """Do what a connection's state machine asks for, the most frequent first."""
        match event:
            case Received():
                self._received(wire, event)
            case Delivered():
                self._counters.acknowledged_down += 1
                if event.tell is not None:
                    event.tell()
            case Duplicate():
                self._counters.duplicates += 1
            case Subscribed():
                self._subscribed(wire, event)
            case Login():
                self._login(wire, event)
            case End():
                wire.end(event)
            case _:
                assert_never(event)

    def _flush_gathered(self) -> None:
        wires, self._gathered = self._gathered, []
        for wire in wires:
            wire.flush()

    def _wire_of(self, session: Session) -> Wire | None:
        wire = self._by_device.get((session.product_id, session.name))
        return wire if wire is not None and wire.connection.session is session else None

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_MS / 1000, self._tick)
        self.sweep()

    def _login(self, wire: Wire, event: Login) -> None:
        key = (event.product_id, event.client_id)
        if self._login_rate is not None and self._login_rate.is_exceeded(key, self.now_ms()):
            who, why = f"{event.product_id}/{event.client_id}", "too many logins in a short time"
            wire.end(wire.connection.refuse(ConnackCode.UNAVAILABLE, why, who))  # (I): it may come again
            return
        verdict = self._uplink.connect(event.product_id, event.client_id, event.password)
        if isinstance(verdict, ConnectRefusal):
            wire.end(wire.connection.refuse(ConnackCode(verdict)))
            return
        self._counters.accepted += 1
        if self._login_rate is not None:
            self._login_rate.note(key, self.now_ms())
        former = self._by_device.get(key)
        if former is not None:  # [MQTT-3.1.4-2]; product id and client id together name a client here
            former.end(End(CloseReason.TAKEN_OVER))
        self._by_device[key] = wire
        wire.connection.admit(verdict)

    def _received(self, wire: Wire, event: Received) -> None:
        self._counters.published_up += 1
        session = wire.connection.session
        assert session is not None, "only an open connection receives"
        self._uplink.received(session, event.suffix, event.payload, partial(wire.settle, event.receipt))

    def _subscribed(self, wire: Wire, event: Subscribed) -> None:
        session = wire.connection.session
        assert session is not None, "only an open connection subscribes"
        if self._access_log is not None:
            write_subscribed(self._access_log, event, session)
        if event.granted:
            self._uplink.subscribed(session, event.inform)


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000
