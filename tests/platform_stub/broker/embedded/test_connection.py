"""The state machine of one connection, by hand: no socket, no clock."""

from collections.abc import Callable

import pytest

from platform_stub.broker.embedded.connection import Connection, Phase
from platform_stub.broker.embedded.counters import CloseReason
from platform_stub.broker.embedded.events import (
    Delivered,
    Duplicate,
    End,
    Event,
    Login,
    Receipt,
    Received,
    Subscribed,
)
from platform_stub.broker.limits import Limits
from platform_stub.protocol import topics
from platform_stub.protocol.ids import DeviceId
from platform_stub.protocol.mqtt.codec import Decoder
from platform_stub.protocol.mqtt.errors import MalformedPacket, PacketTooLarge, UnacceptableProtocol
from platform_stub.protocol.mqtt.packets import (
    Connack,
    ConnackCode,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)
from platform_stub.service.ports import Session

CONNECT = Connect("dev", "prod", b"token", 60)
INFORM = "$sys/prod/dev/ota/inform"
STATUS = "$sys/prod/dev/ota/status"
ONE_OF_EACH: tuple[Packet, ...] = (
    CONNECT,
    Connack(),
    Publish(STATUS, b"{}", 1, 1),
    Puback(1),
    Pubrec(1),
    Pubrel(1),
    Pubcomp(1),
    Subscribe(1, ((INFORM, 1),)),
    Suback(1, (0,)),
    Unsubscribe(1, (INFORM,)),
    Unsuback(1),
    Pingreq(),
    Pingresp(),
    Disconnect(),
)


def session() -> Session:
    return Session(device_id=DeviceId(7), product_id="prod", name="dev")


def opened(limits: Limits | None = None, *filters: tuple[str, int]) -> Connection:
    """Return an open connection, with its CONNACK and SUBACK taken out."""
    connection = Connection(limits or Limits(), 0)
    assert connection.receive(CONNECT, 0) == Login("prod", "dev", "token")
    connection.admit(session())
    if filters:
        connection.receive(Subscribe(1, filters), 0)
    connection.take_outbox()
    return connection


def sent(connection: Connection) -> list[Packet]:
    return Decoder().feed(connection.take_outbox())


def ended(event: Event | bool | None) -> CloseReason:
    assert isinstance(event, End)
    return event.reason


def received(connection: Connection, packet: Publish) -> Receipt:
    event = connection.receive(packet, 0)
    assert isinstance(event, Received)
    return event.receipt


def test_a_device_is_let_in_by_the_platform() -> None:
    connection = Connection(Limits(), 0)
    assert connection.receive(CONNECT, 0) == Login("prod", "dev", "token")
    assert connection.take_outbox() == b""
    connection.admit(session())
    assert sent(connection) == [Connack()]
    assert connection.phase is Phase.OPEN


@pytest.mark.parametrize("code", [3, 4, 5])
def test_a_device_is_refused_by_the_platform(code: int) -> None:
    connection = Connection(Limits(), 0)
    connection.receive(CONNECT, 0)
    assert ended(connection.refuse(ConnackCode(code))) is CloseReason.REFUSED
    assert sent(connection) == [Connack(code=code)]


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (Connect("dev", None, None, 60), ConnackCode.BAD_CREDENTIALS),
        (Connect("dev", "prod", None, 60), ConnackCode.BAD_CREDENTIALS),
        (Connect("dev", "", b"token", 60), ConnackCode.BAD_CREDENTIALS),
        (Connect("dev", "prod", b"", 60), ConnackCode.BAD_CREDENTIALS),
        (Connect("dev", "prod", b"\xff", 60), ConnackCode.BAD_CREDENTIALS),
        (Connect("", "prod", b"token", 60), ConnackCode.IDENTIFIER_REJECTED),
        (Connect("dev", "prod", b"token", 60, clean_session=False), ConnackCode.NOT_AUTHORISED),
        (Connect("dev", "prod", b"token", 60, will=Will("t", b"")), ConnackCode.NOT_AUTHORISED),
        (Connect("dev", "prod", b"token", 0), ConnackCode.NOT_AUTHORISED),
        (Connect("dev", "prod", b"token", 9), ConnackCode.NOT_AUTHORISED),
        (Connect("dev", "prod", b"token", 1801), ConnackCode.NOT_AUTHORISED),
    ],
)
def test_a_connect_outside_the_profile_is_refused_without_asking(packet: Connect, code: ConnackCode) -> None:
    connection = Connection(Limits(), 0)
    end = connection.receive(packet, 0)
    assert isinstance(end, End)
    assert (end.reason, end.code, end.who) == (
        CloseReason.REFUSED,
        code,
        f"{packet.username}/{packet.client_id}",
    )
    assert end.detail
    assert sent(connection) == [Connack(code=code)]


@pytest.mark.parametrize("keepalive_s", [10, 1800])
def test_the_keepalive_at_its_bounds_is_taken(keepalive_s: int) -> None:
    connection = Connection(Limits(), 0)
    packet = Connect("dev", "prod", b"token", keepalive_s)
    assert isinstance(connection.receive(packet, 0), Login)


def test_another_protocol_is_told_so() -> None:
    connection = Connection(Limits(), 0)
    assert ended(connection.fault(UnacceptableProtocol("level 5"))) is CloseReason.REFUSED
    assert sent(connection) == [Connack(code=1)]


def test_a_fault_in_the_stream_ends_the_connection_without_an_answer() -> None:
    for fault, reason in (
        (MalformedPacket("x"), CloseReason.MALFORMED),
        (UnacceptableProtocol("a second CONNECT"), CloseReason.MALFORMED),
        (PacketTooLarge("x"), CloseReason.TOO_LARGE),
    ):
        connection = opened()
        assert ended(connection.fault(fault)) is reason
        assert connection.take_outbox() == b""


FROM_A_CLIENT = (Publish, Puback, Subscribe, Unsubscribe, Pingreq, Disconnect)


@pytest.mark.parametrize("packet", ONE_OF_EACH, ids=lambda packet: type(packet).__name__)
def test_every_packet_in_every_phase(packet: Packet) -> None:
    """The first is CONNECT [MQTT-3.1.0-1], it comes once [MQTT-3.1.0-2], nothing comes after the end."""
    fresh = Connection(Limits(), 0)
    event = fresh.receive(packet, 0)
    assert isinstance(event, Login) if packet is CONNECT else ended(event) is CloseReason.VIOLATION

    waiting = Connection(Limits(), 0)
    waiting.receive(CONNECT, 0)
    assert ended(waiting.receive(packet, 0)) is CloseReason.VIOLATION

    is_out_of_place = not isinstance(packet, FROM_A_CLIENT)
    event = opened().receive(packet, 0)
    assert (isinstance(event, End) and event.reason is CloseReason.VIOLATION) == is_out_of_place

    ending = opened()
    ending.receive(Disconnect(), 0)
    assert ended(ending.receive(packet, 0)) is CloseReason.VIOLATION
    ending.close(0)
    assert ended(ending.receive(packet, 0)) is CloseReason.VIOLATION


def test_a_ping_is_answered() -> None:
    connection = opened()
    assert connection.receive(Pingreq(), 5) is None
    assert sent(connection) == [Pingresp()]


def test_silence_is_cut_after_one_and_a_half_keepalives() -> None:
    connection = opened()  # keep-alive 60 s
    connection.receive(Pingreq(), 1_000)
    assert connection.due_ms(50_000) == 91_000
    assert connection.check_silence(90_999) is None
    assert ended(connection.check_silence(91_000)) is CloseReason.SILENT


def test_only_a_whole_packet_breaks_the_silence_not_a_refused_one() -> None:
    connection = opened()
    connection.receive(Connack(), 80_000)
    assert connection.due_ms(80_000) == 90_000


def test_a_connection_without_connect_is_cut() -> None:
    connection = Connection(Limits(), 5_000)
    assert connection.check_silence(14_999) is None
    assert ended(connection.check_silence(15_000)) is CloseReason.NO_CONNECT


@pytest.mark.parametrize("suffix", sorted(topics.UPWARD))
@pytest.mark.parametrize("qos", [0, 1])
def test_a_publish_is_acknowledged_once_it_is_committed(suffix: str, qos: int) -> None:
    connection = opened()
    event = connection.receive(Publish(f"$sys/prod/dev{suffix}", b"{}", qos, 9 * qos), 0)
    assert isinstance(event, Received)
    assert (event.suffix, event.payload) == (suffix, b"{}")
    assert connection.take_outbox() == b""
    assert connection.settle(event.receipt, committed=True) is None
    assert sent(connection) == ([Puback(9)] if qos else [])
    assert connection.settle(event.receipt, committed=True) is None
    assert connection.take_outbox() == b""


@pytest.mark.parametrize("qos", [0, 1])
def test_a_publish_that_could_not_be_committed_ends_without_puback(qos: int) -> None:
    connection = opened()
    first = received(connection, Publish(STATUS, b"1", 1, 1))
    second = received(connection, Publish(STATUS, b"2", qos, 2 * qos))
    assert ended(connection.settle(second, committed=False)) is CloseReason.NOT_COMMITTED
    assert connection.settle(first, committed=True) is None
    assert connection.take_outbox() == b""


def test_pubacks_go_in_the_order_of_their_publishes() -> None:
    connection = opened()
    receipts = [
        received(connection, Publish(STATUS, b"", qos, packet_id))
        for qos, packet_id in ((1, 5), (0, 0), (1, 3), (1, 4))
    ]
    for at in (3, 1):
        connection.settle(receipts[at], committed=True)
    assert connection.take_outbox() == b""
    connection.settle(receipts[0], committed=True)
    assert sent(connection) == [Puback(5)]
    connection.settle(receipts[2], committed=True)
    assert sent(connection) == [Puback(3), Puback(4)]


def test_a_repetition_while_the_first_is_unsettled_is_not_handed_on() -> None:
    """One PUBACK answers both: a second one could acknowledge the id's next message."""
    connection = opened()
    receipt = received(connection, Publish(STATUS, b"1", 1, 5))
    assert connection.receive(Publish(STATUS, b"1", 1, 5, dup=True), 0) == Duplicate()
    connection.settle(receipt, committed=True)
    assert sent(connection) == [Puback(5)]
    again = received(connection, Publish(STATUS, b"1", 1, 5, dup=True))  # at least once
    connection.settle(again, committed=True)
    assert sent(connection) == [Puback(5)]


def test_thousands_of_unsettled_publishes_are_acknowledged_in_order() -> None:
    connection = opened()
    receipts = [received(connection, Publish(STATUS, b"", 1, at)) for at in range(1, 5_001)]
    for receipt in reversed(receipts):
        assert connection.take_outbox() == b""
        connection.settle(receipt, committed=True)
    assert sent(connection) == [Puback(at) for at in range(1, 5_001)]
    assert connection.unsettled == 0


def test_a_new_message_under_an_unsettled_id_is_a_violation() -> None:
    connection = opened()
    received(connection, Publish(STATUS, b"1", 1, 5))
    assert ended(connection.receive(Publish(STATUS, b"2", 1, 5), 0)) is CloseReason.VIOLATION


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (Publish("$sys/prod/dev2/ota/status", b""), CloseReason.ILLEGAL_TOPIC),
        (Publish("$sys/other/dev/ota/status", b""), CloseReason.ILLEGAL_TOPIC),
        (Publish("$sys/prod/dev/ota/inform", b""), CloseReason.ILLEGAL_TOPIC),
        (Publish("$sys/prod/dev/ota/status/", b""), CloseReason.ILLEGAL_TOPIC),
        (Publish("$sys/prod/dev", b""), CloseReason.ILLEGAL_TOPIC),
        (Publish("$sys/prod/DEV/ota/status", b""), CloseReason.ILLEGAL_TOPIC),
        (Publish("a/b", b""), CloseReason.ILLEGAL_TOPIC),
        (Publish("/ota/status", b""), CloseReason.ILLEGAL_TOPIC),
        (Publish(STATUS, b"", 2, 1), CloseReason.QOS_2),
        (Publish(STATUS, b"", 0, 0, retain=True), CloseReason.RETAINED),
        (Publish(STATUS, b"x" * (256 * 1024 + 1)), CloseReason.TOO_LARGE),
    ],
    ids=lambda value: value.topic if isinstance(value, Publish) else value.name,
)
def test_a_publish_outside_the_profile_ends_the_connection(packet: Publish, reason: CloseReason) -> None:
    assert ended(opened().receive(packet, 0)) is reason


def test_a_payload_at_its_bound_is_taken() -> None:
    received(opened(), Publish(STATUS, b"x" * 256 * 1024))


def test_subscriptions_are_granted_what_was_asked_up_to_qos_1() -> None:
    connection = opened()
    asked = (
        (INFORM, 0),
        ("$sys/prod/dev/ota/#", 1),
        ("$sys/prod/dev/#", 2),
        ("$sys/prod/other/#", 1),
        ("$sys/prod/+/ota/inform", 1),
        ("#", 0),
    )
    refused = ("$sys/prod/other/#", "$sys/prod/+/ota/inform", "#")
    assert connection.receive(Subscribe(3, asked), 0) == Subscribed(inform=True, refused=refused)
    assert sent(connection) == [Suback(3, (0, 1, 1, 0x80, 0x80, 0x80))]


def test_limits_may_grant_qos_0_as_the_real_platform_does() -> None:
    connection = opened(Limits(granted_qos_max=0))
    connection.receive(Subscribe(3, ((INFORM, 1),)), 0)
    assert sent(connection) == [Suback(3, (0,))]


def test_a_subscription_that_takes_in_no_inform_is_told_as_such() -> None:
    connection = opened()
    asked = (("$sys/prod/dev/ota/status_reply", 1),)
    assert connection.receive(Subscribe(3, asked), 0) == Subscribed(inform=False)


def test_nobody_is_told_of_a_subscribe_that_was_refused_whole() -> None:
    connection = opened()
    event = connection.receive(Subscribe(3, (("#", 1),)), 0)
    assert event == Subscribed(inform=False, granted=False, refused=("#",))
    assert sent(connection) == [Suback(3, (0x80,))]


def test_at_most_ten_subscriptions() -> None:
    connection = opened()
    asked = tuple((f"$sys/prod/dev/{at}", 1) for at in range(11))
    connection.receive(Subscribe(1, asked), 0)
    assert sent(connection) == [Suback(1, (1,) * 10 + (0x80,))]
    connection.receive(Subscribe(2, (asked[3], asked[10])), 0)  # one of the ten may be asked for again
    assert sent(connection) == [Suback(2, (1, 0x80))]
    connection.receive(Unsubscribe(3, ("$sys/prod/dev/0", "$sys/prod/dev/0", "foreign")), 0)
    connection.receive(Subscribe(4, (asked[10],)), 0)
    assert sent(connection) == [Unsuback(3), Suback(4, (1,))]


def test_a_device_that_gives_its_filter_back_is_told_by_inform_no_more() -> None:
    connection = opened(None, (INFORM, 1), ("$sys/prod/dev/ota/#", 0))
    assert connection.session is not None
    connection.session.told_by_inform = True
    connection.receive(Unsubscribe(2, (INFORM,)), 0)
    assert connection.session.told_by_inform
    connection.receive(Unsubscribe(3, ("$sys/prod/dev/ota/#",)), 0)
    assert not connection.session.told_by_inform
    assert connection.publish(topics.INFORM, b"{}", 1, None) is False


@pytest.mark.parametrize(("granted", "asked", "qos"), [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 1)])
def test_a_message_goes_down_at_the_lower_qos(granted: int, asked: int, qos: int) -> None:
    connection = opened(None, (INFORM, granted))
    assert connection.publish(topics.INFORM, b"{}", asked, None) is True
    assert sent(connection) == [Publish(INFORM, b"{}", qos, 1 if qos else 0)]


def test_what_was_not_subscribed_is_not_sent() -> None:
    connection = opened(None, (INFORM, 1))
    assert connection.publish(topics.STATUS_REPLY, b"{}", 1, None) is False
    assert connection.take_outbox() == b""
    assert opened().publish(topics.INFORM, b"{}", 1, None) is False


def test_delivery_is_told_by_the_puback_once() -> None:
    connection = opened(None, (INFORM, 1))
    told: list[int] = []

    def tell() -> None:
        told.append(1)

    connection.publish(topics.INFORM, b"{}", 1, tell)
    assert connection.receive(Puback(9), 0) is None
    event = connection.receive(Puback(1), 0)
    assert event == Delivered(tell)
    assert connection.receive(Puback(1), 0) is None


def test_beyond_the_window_messages_wait_in_order() -> None:
    connection = opened(Limits(inflight_max=2), (INFORM, 1))
    for at in range(5):
        assert connection.publish(topics.INFORM, b"%d" % at, 1, None) is True
    assert sent(connection) == [Publish(INFORM, b"0", 1, 1), Publish(INFORM, b"1", 1, 2)]
    connection.receive(Puback(2), 0)
    assert sent(connection) == [Publish(INFORM, b"2", 1, 3)]
    connection.receive(Puback(1), 0)
    connection.receive(Puback(3), 0)
    assert sent(connection) == [Publish(INFORM, b"3", 1, 4), Publish(INFORM, b"4", 1, 5)]


def test_packet_ids_wrap_and_pass_over_those_in_flight() -> None:
    connection = opened(Limits(inflight_max=2), (INFORM, 1))
    connection.publish(topics.INFORM, b"kept", 1, None)
    seen = set()
    for _ in range(65_534 + 3):
        connection.publish(topics.INFORM, b"", 1, None)
        packet = sent(connection)[-1]
        assert isinstance(packet, Publish)
        assert packet.packet_id not in {0, 1}
        seen.add(packet.packet_id)
        connection.receive(Puback(packet.packet_id), 0)
    assert seen == set(range(2, 65_536))


def fill(connection: Connection, payload: bytes, qos: int) -> tuple[int, CloseReason]:
    for at in range(100_000):
        end = connection.publish(topics.INFORM, payload, qos, None)
        if end is True:
            end = connection.check_backlog() or True
        if isinstance(end, End):
            return at, end.reason
    raise AssertionError("never full")


@pytest.mark.parametrize(
    ("limits", "payload", "qos", "taken"),
    [
        (Limits(inflight_max=4, queue_messages_max=10), b"", 1, 10),
        (Limits(inflight_max=4, queue_bytes_max=10_000), b"x" * 1_000, 1, 9),
        (Limits(queue_bytes_max=10_000), b"x" * 1_000, 0, 9),
    ],
    ids=["messages", "bytes waiting", "bytes unsent"],
)
def test_an_over_long_queue_ends_the_connection(limits: Limits, payload: bytes, qos: int, taken: int) -> None:
    assert fill(opened(limits, (INFORM, qos)), payload, qos) == (taken, CloseReason.QUEUE_FULL)


def test_too_many_unsettled_publishes_stop_the_reading_but_are_no_silence() -> None:
    connection = opened(Limits(unsettled_max=3))
    receipts = [received(connection, Publish(STATUS, b"", 1, at)) for at in (1, 2, 3)]
    assert connection.is_saturated
    assert connection.check_silence(10_000_000) is None
    connection.settle(receipts[0], committed=True)
    assert not connection.is_saturated
    connection.heard(10_000_000)
    assert connection.check_silence(10_000_000 + 89_999) is None
    assert ended(connection.check_silence(10_000_000 + 90_000)) is CloseReason.SILENT


@pytest.mark.parametrize(
    "late",
    [
        lambda connection, receipt: connection.settle(receipt, committed=True),
        lambda connection, receipt: connection.settle(receipt, committed=False),
        lambda connection, _: connection.publish(topics.INFORM, b"", 1, None) or None,
    ],
)
def test_what_comes_after_the_end_changes_nothing(late: Callable[[Connection, Receipt], object]) -> None:
    connection = opened(None, (INFORM, 1))
    receipt = received(connection, Publish(STATUS, b"", 1, 1))
    connection.close(1_000)
    assert late(connection, receipt) is None
    assert connection.take_outbox() == b""
    assert connection.due_ms(1_000) == 6_000
