"""One connection against the bytes of a server: its packets, its keep-alive, and what ends it. The clock is set by hand."""

import asyncio

import pytest

from device_sim.transport.mqtt import MqttLink
from device_sim.transport.stream import BUFFER
from platform_stub.protocol.mqtt.codec import Decoder, encode
from platform_stub.protocol.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
)

PREFIX = "$sys/p1/d1"
SUFFIXES = ("/a", "/b")
CONNECT = Connect("d1", "p1", b"token", 100)


class Wire(asyncio.Transport):
    """What was written, as packets."""

    def __init__(self):
        super().__init__()
        self.decoder, self.packets, self.writes = Decoder(), [], 0
        self.closed = self.aborted = False

    def write(self, data):
        self.writes += 1
        self.packets += self.decoder.feed(data)

    def close(self):
        self.closed = True

    def abort(self):
        self.closed = self.aborted = True

    def taken(self):
        packets, self.packets = self.packets, []
        return packets


class Device:
    """The owner of a link: it keeps what it is told."""

    def __init__(self):
        self.clock_ms = 1_000
        self.told = []
        self.wire = Wire()
        self.on_message = lambda: None
        self.link = MqttLink(
            self, PREFIX, SUFFIXES, keepalive_s=100, connect_timeout_ms=500, ping_timeout_ms=300
        )

    def now_ms(self):
        return self.clock_ms

    def login(self):
        return CONNECT

    def link_made(self):
        self.told.append("made")

    def link_gone(self):
        self.told.append("gone")

    def link_up(self, now_ms):
        self.told.append("up")

    def link_down(self, reason, refused):
        self.told.append((reason, refused))

    def received(self, suffix, payload, now_ms):
        self.told.append((suffix, payload))
        self.on_message()

    def crashed(self, error):
        raise error

    def hear(self, *packets):
        self.hear_bytes(b"".join(encode(packet) for packet in packets))

    def hear_bytes(self, data):
        BUFFER[: len(data)] = data
        self.link.buffer_updated(len(data))

    def opened(self):
        self.link.connection_made(self.wire)
        return self

    def up(self):
        self.opened().hear(Connack())
        self.hear(Suback(1, (1, 1)))
        self.wire.taken()
        self.told.clear()
        return self


def test_connect_subscribe_up():
    device = Device().opened()
    assert device.wire.taken() == [CONNECT]
    device.hear(Connack())
    assert device.wire.taken() == [Subscribe(1, ((f"{PREFIX}/a", 1), (f"{PREFIX}/b", 1)))]
    assert not device.link.is_up
    device.hear(Suback(1, (1, 0)))
    assert device.link.is_up
    assert device.told == ["made", "up"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1, "CONNACK 1 (unacceptable protocol)"),
        (3, "CONNACK 3 (unavailable)"),
        (4, "CONNACK 4 (bad credentials)"),
        (5, "CONNACK 5 (not authorised)"),
    ],
)
def test_a_refused_login(code, reason):
    device = Device().opened()
    device.hear(Connack(code=code))
    assert device.told == ["made", (reason, code)]
    assert device.wire.aborted
    device.link.connection_lost(None)
    assert device.told[2:] == ["gone"]


def test_a_refused_subscription():
    device = Device().opened()
    device.hear(Connack(), Suback(1, (1, 0x80)))
    assert device.told[-1] == ("the server does not grant /b", 0)
    device = Device().opened()
    device.hear(Connack(), Suback(1, (1,)))
    assert device.told[-1] == ("the server does not grant all subscriptions", 0)


def test_messages_are_acknowledged_and_answered_in_one_write():
    device = Device().up()
    device.on_message = lambda: device.link.send("/c", b"answer")
    writes = device.wire.writes
    device.hear(Publish(f"{PREFIX}/a", b"one", 1, 9), Publish(f"{PREFIX}/b", b"two"))
    assert device.told == [("/a", b"one"), ("/b", b"two")]
    assert device.wire.taken() == [
        Puback(9),
        Publish(f"{PREFIX}/c", b"answer", 1, 2),
        Publish(f"{PREFIX}/c", b"answer", 1, 3),
    ]
    assert device.wire.writes == writes + 1


def test_a_message_before_the_suback_is_acknowledged_and_passed_over():
    device = Device().opened()
    device.hear(Connack(), Publish(f"{PREFIX}/a", b"early", 1, 7), Suback(1, (1, 1)))
    assert device.told == ["made", "up"]
    assert Puback(7) in device.wire.taken()


def test_a_foreign_topic_is_handed_on_whole():
    device = Device().up()
    device.hear(Publish("$sys/p1/other/a", b"x"))
    assert device.told == [("$sys/p1/other/a", b"x")]


def test_packet_ids_in_use_are_passed_over():
    device = Device().up()
    device.link.send("/c", b"first")  # id 2, never acknowledged
    for number in range(3, 65_536):
        device.link.send("/c", b"")
        device.hear(Puback(number))
    device.link.send("/c", b"")
    device.link.send("/c", b"")
    device.link.flush()
    assert [packet.packet_id for packet in device.wire.taken()[-2:]] == [1, 3]  # [MQTT-2.3.1-2]


def test_an_unknown_puback_is_nothing():
    device = Device().up()
    device.hear(Puback(77))
    assert device.told == []


@pytest.mark.parametrize(
    ("packets", "reason"),
    [
        ([Publish(f"{PREFIX}/a", b"", 2, 5)], "the server sent a message with QoS 2"),
        ([Connack()], "the server sent Connack while up"),
        ([Subscribe(1, (("x", 0),))], "the server sent Subscribe while up"),
        ([Disconnect()], "the server sent Disconnect while up"),
    ],
)
def test_what_a_server_must_not_send(packets, reason):
    device = Device().up()
    device.hear(*packets)
    assert device.told == [(reason, 0)]
    assert device.wire.aborted


def test_bytes_that_are_no_mqtt_end_it_after_what_was_whole():
    device = Device().up()
    device.hear_bytes(encode(Publish(f"{PREFIX}/a", b"good")) + b"\x00\x00")
    assert device.told[0] == ("/a", b"good")
    assert device.told[1][0].startswith("the server sent what is no MQTT 3.1.1: packet type 0 is reserved")


def test_a_quiet_connection_pings_and_one_without_answer_ends():
    device = Device().up()
    link = device.link
    assert link.due_ms == 1_000 + 75_000
    device.clock_ms = 75_999
    link.check(device.clock_ms)
    assert device.wire.taken() == []
    device.clock_ms = 76_000
    link.check(device.clock_ms)
    assert device.wire.taken() == [Pingreq()]
    assert link.due_ms == 76_300
    device.clock_ms = 76_200
    device.hear(Pingresp())
    assert link.due_ms == 76_000 + 75_000
    device.clock_ms = 151_000
    link.check(device.clock_ms)
    device.clock_ms = 151_300
    link.check(device.clock_ms)
    assert device.told == [("no PINGRESP in time", 0)]


def test_sending_puts_the_ping_off_and_hearing_anything_answers_it():
    device = Device().up()
    device.clock_ms = 50_000
    device.link.send("/c", b"x")
    device.link.flush()
    assert device.link.due_ms == 125_000
    device.clock_ms = 125_000
    device.link.check(device.clock_ms)
    device.hear(Publish(f"{PREFIX}/a", b"x"))
    assert device.link.due_ms == 200_000


@pytest.mark.parametrize(
    ("packets", "what"), [(None, "TCP connection"), ([], "CONNACK"), ([Connack()], "SUBACK")]
)
def test_connecting_has_one_limit(packets, what):
    device = Device()
    if packets is not None:
        device.opened()
        if packets:
            device.hear(*packets)
    device.clock_ms = 1_499
    device.link.check(device.clock_ms)
    assert device.told in ([], ["made"])
    device.clock_ms = 1_500
    device.link.check(device.clock_ms)
    assert device.told[-1] == (f"no {what} in time", 0)


def test_leaving_says_disconnect_and_tells_nobody():
    device = Device().up()
    device.link.leave()
    device.link.leave()
    assert device.wire.taken() == [Disconnect()]
    assert (device.wire.closed, device.wire.aborted) == (True, False)
    device.hear(Publish(f"{PREFIX}/a", b"late", 1, 1))
    device.link.connection_lost(None)
    assert device.told == ["gone"]


def test_leaving_from_within_a_message():
    device = Device().up()

    def leave():
        device.link.send("/c", b"last")
        device.link.leave()

    device.on_message = leave
    device.hear(Publish(f"{PREFIX}/a", b"1", 1, 4), Publish(f"{PREFIX}/a", b"2", 1, 5))
    assert device.wire.taken() == [Puback(4), Publish(f"{PREFIX}/c", b"last", 1, 2), Disconnect()]
    assert device.told == [("/a", b"1")]


def test_a_socket_that_opens_too_late_is_closed():
    device = Device()
    device.link.leave()
    device.opened()
    assert device.wire.closed
    assert device.wire.taken() == []


def test_a_lost_connection_is_told_once_with_its_reason():
    device = Device().up()
    device.link.connection_lost(ConnectionResetError("reset by peer"))
    assert device.told == [("connection lost: reset by peer", 0), "gone"]
