import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_stub.protocol.errors import PeerFault
from platform_stub.protocol.mqtt.codec import Decoder, encode, encode_publish
from platform_stub.protocol.mqtt.errors import (
    MalformedPacket,
    PacketTooLarge,
    StreamFault,
    UnacceptableProtocol,
)
from platform_stub.protocol.mqtt.packets import (
    Connack,
    Connect,
    Packet,
    Pingreq,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsubscribe,
    Will,
)
from tests.platform_stub.protocol.mqtt.golden import GOLDEN, MALFORMED

GOLDEN_BYTES = [bytes.fromhex(text) for text, _ in GOLDEN.values()]
Outcome = tuple[list[Packet], type[StreamFault] | None, str]


def read(*pieces: bytes, limit: int = 1_000_000) -> Outcome:
    """Feed pieces as a socket would give them: what came out, and the fault that ended it."""
    decoder = Decoder(limit)
    packets: list[Packet] = []
    for piece in pieces:
        buffer = bytearray(piece)  # the shells read into one buffer, again and again
        try:
            packets += decoder.feed(memoryview(buffer))
        except StreamFault as fault:
            return packets + list(fault.before), type(fault), str(fault)
        finally:
            buffer[:] = b"\xff" * len(buffer)
    return packets, None, ""


@pytest.mark.parametrize(("text", "packet"), GOLDEN.values(), ids=GOLDEN)
def test_a_packet_of_the_standard_is_read(text: str, packet: Packet) -> None:
    assert Decoder().feed(bytes.fromhex(text)) == [packet]


@pytest.mark.parametrize(("text", "rule"), MALFORMED.values(), ids=MALFORMED)
def test_what_the_standard_forbids_is_refused_with_its_rule(text: str, rule: str) -> None:
    with pytest.raises(MalformedPacket, match=rule.replace(".", r"\.")) as caught:
        Decoder().feed(bytes.fromhex(text))
    assert isinstance(caught.value, PeerFault)


@pytest.mark.parametrize("name", ["CONNECT of MQTT 3.1", "CONNECT of MQTT 5"])
def test_another_protocol_can_be_told_apart(name: str) -> None:
    with pytest.raises(UnacceptableProtocol):
        Decoder().feed(bytes.fromhex(MALFORMED[name][0]))


@pytest.mark.parametrize("data", [*GOLDEN_BYTES, *(bytes.fromhex(text) for text, _ in MALFORMED.values())])
def test_a_packet_cut_at_every_place_reads_the_same(data: bytes) -> None:
    whole = read(data)
    assert all(read(data[:at], data[at:]) == whole for at in range(len(data) + 1))
    assert read(*(data[at : at + 1] for at in range(len(data)))) == whole


def test_what_came_ahead_of_a_fault_is_not_lost() -> None:
    data = encode(Pingreq()) + encode(Puback(1)) + b"\x00\x00"
    assert read(data) == ([Pingreq(), Puback(1)], MalformedPacket, "packet type 0 is reserved (table 2.1)")


def test_a_longer_form_of_the_remaining_length_is_read() -> None:
    assert Decoder().feed(bytes.fromhex("C0 80 00")) == [Pingreq()]


def test_the_limit_counts_the_whole_packet() -> None:
    data = encode_publish("t", b"x" * 200)
    assert read(data, limit=len(data)) == ([Publish("t", b"x" * 200)], None, "")
    assert read(data, limit=len(data) - 1)[1] is PacketTooLarge


def test_the_limit_is_checked_before_a_body_is_kept() -> None:
    decoder = Decoder(1_000)
    assert decoder.feed(b"\x30\xff\xff") == []
    assert decoder.held_bytes == 3
    with pytest.raises(PacketTooLarge, match="at most 1000"):
        decoder.feed(b"\xff\x7f")


def test_reading_goes_on_under_a_wider_limit() -> None:
    decoder = Decoder(100)
    data = encode_publish("t", b"x" * 200)
    with pytest.raises(PacketTooLarge) as caught:
        decoder.feed(encode(Pingreq()) + data[:150])
    assert caught.value.before == (Pingreq(),)
    decoder.max_packet_bytes = 1_000
    assert decoder.feed(b"") == []
    assert decoder.feed(data[150:] + encode(Puback(3))) == [Publish("t", b"x" * 200), Puback(3)]


def test_a_long_packet_in_many_pieces_is_put_together_once() -> None:
    payload = bytes(range(256)) * 1_000
    data = encode_publish("t", payload, 1, 5)
    pieces = [data[at : at + 1_000] for at in range(0, len(data), 1_000)]
    assert read(*pieces) == ([Publish("t", payload, 1, 5)], None, "")


def test_nothing_is_held_between_whole_packets() -> None:
    decoder = Decoder()
    for data in GOLDEN_BYTES:
        decoder.feed(data)
        assert decoder.held_bytes == 0


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0+#"), max_size=40)
names = texts.filter(bool)
ids = st.integers(1, 65_535)
payloads = st.binary(max_size=300)
filters = st.one_of(names, st.sampled_from(["#", "+", "a/+", "+/b/#", "/", "$sys/p/d/#"]))
packets = st.one_of(
    st.builds(
        Connect,
        texts,
        texts,
        st.none() | payloads,
        st.integers(0, 65_535),
        st.booleans(),
        st.none() | st.builds(Will, names, payloads, st.integers(0, 2), st.booleans()),
    ),
    st.builds(Connack, st.just(value=False), st.integers(0, 5)),
    st.builds(Publish, names, payloads, st.just(0), st.just(0), st.just(value=False), st.booleans()),
    st.builds(Publish, names, payloads, st.integers(1, 2), ids, st.booleans(), st.booleans()),
    st.builds(Puback, ids),
    st.builds(
        Subscribe, ids, st.lists(st.tuples(filters, st.integers(0, 2)), min_size=1, max_size=5).map(tuple)
    ),
    st.builds(Suback, ids, st.lists(st.sampled_from([0, 1, 2, 0x80]), min_size=1, max_size=5).map(tuple)),
    st.builds(Unsubscribe, ids, st.lists(filters, min_size=1, max_size=5).map(tuple)),
    st.just(Pingreq()),
)


@given(st.lists(packets, max_size=8), st.data())
def test_packets_come_through_whatever_the_pieces(sent: list[Packet], data: st.DataObject) -> None:
    stream = b"".join(encode(packet) for packet in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(*pieces) == (sent, None, "")


@settings(max_examples=500)
@given(st.binary(max_size=60), st.integers(2, 80))
def test_any_bytes_give_packets_or_a_fault_the_same_at_every_cut(data: bytes, limit: int) -> None:
    whole = read(data, limit=limit)
    for at in range(len(data) + 1):
        assert read(data[:at], data[at:], limit=limit) == whole


@settings(max_examples=500)
@given(st.sampled_from(GOLDEN_BYTES), st.data())
def test_a_damaged_packet_gives_packets_or_a_fault(good: bytes, data: st.DataObject) -> None:
    damaged = bytearray(good * 2)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    got, _, _ = whole = read(bytes(damaged))
    assert read(*(bytes(damaged[at : at + 1]) for at in range(len(damaged)))) == whole
    for packet in got:
        assert Decoder().feed(encode(packet)) == [packet]
