import pytest

from platform_stub.protocol.mqtt.codec import Decoder, encode, encode_puback, encode_publish
from platform_stub.protocol.mqtt.encoding import encode_length
from platform_stub.protocol.mqtt.packets import Connect, Packet, Puback, Publish, Subscribe
from tests.platform_stub.protocol.mqtt.golden import GOLDEN


@pytest.mark.parametrize(("text", "packet"), GOLDEN.values(), ids=GOLDEN)
def test_a_packet_is_spelled_as_in_the_standard(text: str, packet: Packet) -> None:
    assert encode(packet) == bytes.fromhex(text)


@pytest.mark.parametrize(
    ("length", "text"),  # table 2.4
    [
        (0, "00"),
        (127, "7F"),
        (128, "80 01"),
        (321, "C1 02"),
        (16_383, "FF 7F"),
        (16_384, "80 80 01"),
        (2_097_151, "FF FF 7F"),
        (2_097_152, "80 80 80 01"),
        (268_435_455, "FF FF FF 7F"),
    ],
)
def test_remaining_length(length: int, text: str) -> None:
    assert encode_length(length) == bytes.fromhex(text)


@pytest.mark.parametrize("length", [-1, 268_435_456])
def test_remaining_length_out_of_range(length: int) -> None:
    with pytest.raises(ValueError, match="268435455"):
        encode_length(length)


@pytest.mark.parametrize(
    "size", [0, 1, 117, 118, 119, 120, 121, 122, 16_371, 16_372, 16_376, 16_380, 300_000]
)
@pytest.mark.parametrize("qos", [0, 1])
def test_a_publish_of_any_size_is_framed_right(size: int, qos: int) -> None:
    payload = b"x" * size
    data = encode_publish("a/b/c", payload, qos, 7 if qos else 0)
    head = bytes((0x30 | qos << 1,)) + encode_length(size + (9 if qos else 7))
    assert data.startswith(head)
    assert Decoder().feed(data) == [Publish("a/b/c", payload, qos, 7 if qos else 0)]


def test_a_topic_may_be_bytes_already() -> None:
    assert encode_publish(b"a/b", b"hi", 1, 9) == encode_publish("a/b", b"hi", 1, 9)


def test_puback_has_a_short_cut() -> None:
    assert encode_puback(258) == encode(Puback(258))


@pytest.mark.parametrize(
    "packet",
    [
        Publish("t", b"", 1, 0),
        Publish("t", b"", 1, 65_536),
        Publish("t" * 65_536, b""),
        Puback(0),
        Subscribe(0, (("t", 0),)),
        Connect("d", None, b"secret"),
        Connect("d", keepalive_s=65_536),
        Connect("d" * 65_536),
    ],
    ids=lambda packet: type(packet).__name__,
)
def test_what_the_format_cannot_carry_is_the_callers_mistake(packet: Packet) -> None:
    with pytest.raises(ValueError, match=r"\d|password"):
        encode(packet)
