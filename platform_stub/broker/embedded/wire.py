"""A connection's socket: bytes into the state machine, its outbox out, its events to the broker.

All connections of a broker share one receive buffer, since what is read is taken apart before the next one is read.
An idle connection has no task, no timer and no container; a pacer only in strict mode.
"""

import asyncio
from functools import partial
from typing import Final, Protocol, cast

from platform_stub.broker.embedded.connection import Connection, Phase
from platform_stub.broker.embedded.counters import CloseReason
from platform_stub.broker.embedded.events import End, Event, Receipt
from platform_stub.broker.embedded.pacer import Pacer
from platform_stub.broker.limits import Limits
from platform_stub.protocol.mqtt.codec import Decoder
from platform_stub.protocol.mqtt.errors import PacketTooLarge, StreamFault

RECEIVE_BYTES: Final = 64 * 1024

# Ends that leave nothing worth sending: the peer is gone, or takes nothing.
_AT_ONCE: Final = frozenset({CloseReason.LOST, CloseReason.QUEUE_FULL, CloseReason.SILENT})


class Hub(Protocol):
    """What a wire needs of its broker."""

    limits: Limits
    receive_buffer: memoryview

    def now_ms(self) -> int:
        """Monotonic time."""

    def opened(self, wire: "Wire") -> None:
        """A connection was accepted."""

    def carry_out(self, wire: "Wire", event: Event) -> None:
        """Do what the state machine asks for."""

    def gather(self, wire: "Wire") -> None:
        """Flush the wire at the end of this loop turn."""

    def ended(self, wire: "Wire", end: End) -> None:
        """The connection was ended; told once."""

    def gone(self, wire: "Wire") -> None:
        """The socket is closed; told once, after `ended`."""


class Wire(asyncio.BufferedProtocol):
    """One accepted socket."""

    __slots__ = ("_blocked", "_decoder", "_hub", "_pacer", "_transport", "connection", "gathered", "tick")

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._transport: asyncio.Transport | None = None
        self._decoder = Decoder(hub.limits.connect_bytes_max)
        self._blocked = False
        self.connection = Connection(hub.limits, hub.now_ms())
        rates = self.connection.rates
        self._pacer = None if rates is None else Pacer(rates, hub.now_ms, partial(hub.carry_out, self))
        self.gathered = False  # in the broker's list of wires to be flushed, or about to flush by itself
        self.tick = 0  # its place in the broker's wheel

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for CONNECT."""
        self._transport = cast("asyncio.Transport", transport)
        self._hub.opened(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the protocol's shape
        """Lend the shared buffer until `buffer_updated`."""
        return self._hub.receive_buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take apart what was read, act on it, and answer in one write."""
        if self.connection.phase is Phase.CLOSED:
            return
        self.gathered = True
        self._feed(self._hub.receive_buffer[:nbytes])
        self.flush()
        if self._pacer is not None:
            self._pacer.hold_reading(nbytes, self._read_on)
        if self._is_held() and self._transport is not None:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Close: a client that has closed its half gets no answer."""
        return False

    def pause_writing(self) -> None:
        """Keep what there is to send: the peer takes nothing at present."""
        self._blocked = True

    def resume_writing(self) -> None:
        """Send what was kept."""
        self._blocked = False
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end, unless the broker made it."""
        self._transport = None
        if self._pacer is not None:
            self._pacer.release()
        self.end(End(CloseReason.LOST, str(exc or "")))
        self._hub.gone(self)

    def settle(self, receipt: Receipt, committed: bool) -> None:  # noqa: FBT001 - the port's shape
        """Acknowledge a publish, or close without."""
        connection = self.connection
        was_saturated = connection.is_saturated
        end = connection.settle(receipt, committed)
        if end is not None:
            self.end(end)
            return
        if not self.gathered:
            self._hub.gather(self)
        if was_saturated:
            self._read_on()

    def flush(self) -> None:
        """Write all that waits to be sent, in one piece."""
        self.gathered = False
        if self._blocked:
            end = self.connection.check_backlog()
            if end is not None:
                self.end(end)
            return
        data = self.connection.take_outbox()
        if data and self._transport is not None:
            self._transport.write(data)

    def end(self, end: End) -> None:
        """Close the connection, unless it has ended already; the broker lets go of it at once."""
        connection = self.connection
        if connection.phase is Phase.CLOSED:
            return
        is_cut = end.reason in _AT_ONCE
        last = b"" if is_cut or self._blocked else connection.take_outbox()
        connection.close(self._hub.now_ms())
        if self._pacer is not None:
            self._pacer.close()
        if self._transport is not None:
            if last:
                self._transport.write(last)
            if is_cut:
                self._transport.abort()
            else:
                self._transport.close()
        self._hub.ended(self, end)

    @property
    def peer(self) -> str:
        """The peer's address; "-" when it is gone."""
        address = None if self._transport is None else self._transport.get_extra_info("peername")
        return "-" if address is None else f"{address[0]}:{address[1]}"

    def abort(self) -> None:
        """Close without waiting for the peer to take what was sent."""
        if self._transport is not None:
            self._transport.abort()

    def _is_held(self) -> bool:
        """Whether no more is to be read: too much awaits its commit, or came too fast."""
        return self.connection.is_saturated or (self._pacer is not None and self._pacer.holds_reading)

    def _read_on(self) -> None:
        if self._transport is not None and not self._is_held():
            self.connection.heard(self._hub.now_ms())
            self._transport.resume_reading()

    def _feed(self, data: memoryview | bytes) -> None:
        connection = self.connection
        awaiting_connect = connection.phase is Phase.AWAITING_CONNECT
        fault: StreamFault | None = None
        try:
            packets = self._decoder.feed(data)
        except StreamFault as exc:
            packets, fault = list(exc.before), exc
        now_ms = self._hub.now_ms()
        for packet in packets:
            event = connection.receive(packet, now_ms)
            if event is None or (self._pacer is not None and not self._pacer.passes(event)):
                continue
            self._hub.carry_out(self, event)
            if connection.phase is Phase.CLOSED:
                return
        if awaiting_connect and connection.phase is Phase.OPEN:
            self._decoder.max_packet_bytes = self._hub.limits.packet_bytes_max
            if isinstance(fault, PacketTooLarge):  # sent right behind the CONNECT: judged by the wider limit
                self._feed(b"")
                return
        if fault is not None:
            self.end(connection.fault(fault))
