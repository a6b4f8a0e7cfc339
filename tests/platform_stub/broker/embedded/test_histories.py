"""Random histories of one connection, against what must hold of any."""

from hypothesis import given, settings
from hypothesis import strategies as st

from platform_stub.broker.embedded.connection import Connection, Phase
from platform_stub.broker.embedded.events import Delivered, Duplicate, End, Login, Receipt, Received
from platform_stub.broker.limits import Limits
from platform_stub.protocol import topics
from platform_stub.protocol.ids import DeviceId
from platform_stub.protocol.mqtt.codec import Decoder
from platform_stub.protocol.mqtt.packets import Connect, Pingreq, Pingresp, Puback, Publish, Subscribe
from platform_stub.service.ports import Session

PREFIX = "$sys/prod/dev"
LIMITS = Limits(inflight_max=3, queue_messages_max=8, unsettled_max=4)

packet_ids = st.integers(1, 6)
moves = st.one_of(
    st.tuples(st.just("publish"), packet_ids, st.booleans()),
    st.tuples(st.just("publish0")),
    st.tuples(st.just("settle"), st.integers(0, 5), st.integers(0, 9).map(bool)),
    st.tuples(st.just("down"), st.integers(0, 1)),
    st.tuples(st.just("puback"), packet_ids),
    st.tuples(st.just("ping")),
)


class History:
    """Plays moves, and keeps its own books of them."""

    def __init__(self) -> None:
        self.connection = Connection(LIMITS, 0)
        assert isinstance(self.connection.receive(Connect("dev", "prod", b"token"), 0), Login)
        self.connection.admit(Session(device_id=DeviceId(1), product_id="prod", name="dev"))
        self.connection.receive(Subscribe(1, ((PREFIX + "/#", 1),)), 0)
        self.connection.take_outbox()
        self.receipts: list[Receipt] = []
        self.settled: list[bool] = []
        self.acknowledged = 0
        self.sent = 0
        self.arrived: list[bytes] = []
        self.open_ids: set[int] = set()
        self.delivered = 0

    def play(self, move: tuple[object, ...]) -> bool:
        """Play one move; False when it ended the connection."""
        name, *args = move
        outcome = getattr(self, name)(*args)
        if isinstance(outcome, End):
            assert self.connection.phase is Phase.ENDING
            self.connection.close(0)
            return False
        self._read_outbox(pings=1 if name == "ping" else 0)
        return True

    def publish(self, packet_id: int, dup: bool) -> object:
        waiting = {r.packet_id for r, done in zip(self.receipts, self._answered(), strict=True) if not done}
        event = self.connection.receive(Publish(PREFIX + topics.STATUS, b"", 1, packet_id, dup), 0)
        if packet_id in waiting:
            assert isinstance(event, Duplicate if dup else End)
            return event
        return self._received(event)

    def publish0(self) -> object:
        return self._received(self.connection.receive(Publish(PREFIX + topics.STATUS, b""), 0))

    def _received(self, event: object) -> object:
        assert isinstance(event, Received)
        self.receipts.append(event.receipt)
        self.settled.append(False)
        return event

    def settle(self, at: int, committed: bool) -> object:
        open_ones = [n for n, done in enumerate(self.settled) if not done]
        if not open_ones:
            return None
        chosen = open_ones[at % len(open_ones)]
        end = self.connection.settle(self.receipts[chosen], committed)
        assert (end is None) == committed
        self.settled[chosen] = committed
        return end

    def down(self, qos: int) -> object:
        outcome = self.connection.publish(topics.INFORM, b"%d" % self.sent, qos, None)
        if outcome is True and qos:
            self.sent += 1
        return outcome

    def puback(self, packet_id: int) -> object:
        event = self.connection.receive(Puback(packet_id), 0)
        assert isinstance(event, Delivered) == (packet_id in self.open_ids)
        self.open_ids.discard(packet_id)
        return event

    def ping(self) -> object:
        return self.connection.receive(Pingreq(), 0)

    def _answered(self) -> list[bool]:
        """Say which publishes are done: settled, and so are all ahead of them."""
        done, all_so_far = [], True
        for settled in self.settled:
            all_so_far = all_so_far and settled
            done.append(all_so_far)
        return done

    def _read_outbox(self, pings: int) -> None:
        for packet in Decoder().feed(self.connection.take_outbox()):
            if isinstance(packet, Publish) and packet.qos:
                assert packet.packet_id not in self.open_ids
                self.open_ids.add(packet.packet_id)
                self.arrived.append(packet.payload)
            elif isinstance(packet, Puback):
                self._check_puback(packet.packet_id)
            elif isinstance(packet, Pingresp):
                pings -= 1
        assert pings == 0
        self._skip_qos_0()
        assert self.acknowledged == sum(self._answered())
        assert len(self.open_ids) <= LIMITS.inflight_max
        assert self.arrived == [b"%d" % at for at in range(len(self.arrived))]
        assert self.connection.is_saturated == (self.connection.unsettled >= LIMITS.unsettled_max)

    def _check_puback(self, packet_id: int) -> None:
        self._skip_qos_0()
        assert self.receipts[self.acknowledged].packet_id == packet_id
        self.acknowledged += 1

    def _skip_qos_0(self) -> None:
        while self.acknowledged < sum(self._answered()) and not self.receipts[self.acknowledged].packet_id:
            self.acknowledged += 1


@settings(max_examples=300)
@given(st.lists(moves, max_size=60))
def test_pubacks_are_in_order_and_nothing_is_lost_or_sent_twice(history: list[tuple[object, ...]]) -> None:
    it = History()
    for move in history:
        if not it.play(move):
            assert it.connection.receive(Pingreq(), 0) is not None
            assert it.connection.publish(topics.INFORM, b"", 1, None) is False
            return
    while it.open_ids:
        assert it.play(("puback", min(it.open_ids)))
    assert len(it.arrived) == it.sent
