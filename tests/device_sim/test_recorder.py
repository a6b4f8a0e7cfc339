"""What is kept of devices: stories and wire traces within their bounds, counts of everything, marks."""

import sys

import pytest

from device_sim.core.http_state import Asked
from device_sim.kept import CallFailed, MessageCame, MessageSent, PackageCame
from device_sim.recorder import (
    OTHER,
    PAYLOAD_BYTES_MAX,
    UNREAD_MAX,
    WORDS,
    Entry,
    Recorder,
    Wire,
)
from platform_stub.protocol.errors import UsageFault


def recorder(**options):
    clock = iter(range(1, 100_000))
    return Recorder(now_ms=lambda: next(clock), **options)


def report(record, step):
    """Have a device tell a step over MQTT."""
    payload = b'{"id":"1","version":"1.0","params":{"tid":1,"step":%d}}' % step
    record.keep(MessageSent, "/ota/status", payload, False)


def test_a_story_keeps_the_newest_entries_in_their_order():
    kept = recorder(story_max=3)
    record = kept.record_of(7)
    for step in (10, 20, 30):
        record.add("report", 1, step)
    assert kept.story(7) == tuple(Entry(at, "report", 1, step) for at, step in ((1, 10), (2, 20), (3, 30)))
    assert not kept.is_cut(7)
    record.add("ended", 1, 201, "succeeded")
    assert [entry.step for entry in kept.story(7)] == [20, 30, 201]
    assert kept.is_cut(7)
    assert kept.record_of(7) is record
    assert (kept.story(8), kept.wire(8), kept.is_cut(8)) == ((), (), False)


def test_a_wire_trace_is_bounded_in_messages_and_in_bytes():
    kept = recorder(wire=True, wire_max=2)
    record = kept.record_of(7)
    for at in range(3):
        record.keep_payload(MessageCame, bytes(PAYLOAD_BYTES_MAX + at), f"/t{at}")
    assert [(each.name, len(each.payload), each.size_bytes) for each in kept.wire(7)] == [
        ("/t1", PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MAX + 1),
        ("/t2", PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MAX + 2),
    ]
    record.keep(PackageCame, 206, "bytes 0-9/10", 10)
    assert kept.wire(7)[-1] == Wire(4, "received", "http", "download", b"bytes 0-9/10", 10, 206)


def test_a_long_payload_is_not_held_on_to():
    kept = recorder(wire=True)
    record = kept.record_of(7)
    long = bytes(60_000)
    references = sys.getrefcount(long)
    record.keep_payload(MessageCame, long, "/made/up")
    assert sys.getrefcount(long) == references
    (kept_of_it,) = kept.wire(7)
    assert (kept_of_it.payload, kept_of_it.size_bytes) == (long[:PAYLOAD_BYTES_MAX], 60_000)


def test_counts_are_by_way_name_and_step_and_since_a_mark():
    kept = recorder()
    one, two = kept.record_of(1), kept.record_of(2)
    report(one, 48)
    report(one, 101)
    report(two, 101)
    two.keep(MessageCame, b"{}", "/ota/status_reply")
    said = {"way": "sent", "what": "ota/status"}
    assert kept.counts(None, **said) == {1: 2, 2: 1}
    assert kept.counts([1, 3], **said, step=101) == {1: 1, 3: 0}
    first = kept.mark()
    assert kept.count(None, **said, since=first) == 0
    report(one, 201)
    second = kept.mark()
    report(one, 201)
    report(two, 205)
    assert kept.count([1, 2], **said, since=first) == 3
    assert kept.count([1, 2], **said, since=second) == 2
    assert kept.count([1, 2], **said, step=201, since=first) == 2
    assert kept.count(None, way="sent", what="/ota/status") == 6  # a topic's slash may stand or be left out
    assert kept.count(None, way="received", what="ota/status_reply") == 1
    assert kept.count(None, way="received", what="ota/status") == 0


def test_what_is_counted_before_a_mark_and_read_after_it_is_from_before():
    kept = recorder()
    record = kept.record_of(1)
    report(record, 48)
    mark = kept.mark()
    report(record, 101)
    assert kept.count(None, way="sent", what="ota/status", since=mark) == 1
    assert kept.count(None, way="sent", what="ota/status") == 2


def test_what_is_put_down_is_read_before_it_is_too_much():
    read = []
    kept = recorder()
    record = kept.record_of(1)

    def seen(at_ms, mark, step):
        class Seen:
            def read(self, _):
                read.append((at_ms, mark, step))

        return Seen()

    for step in range(UNREAD_MAX - 1):
        record.keep(seen, step)
    assert read == []
    record.keep(seen, UNREAD_MAX)
    assert len(read) == UNREAD_MAX
    assert read[0] == (1, 0, 0)


def test_a_peer_that_makes_up_topics_costs_no_more_memory():
    kept = recorder()
    record = kept.record_of(1)
    for at in range(10_000):
        record.keep(MessageCame, b"", f"/made/up/{at}")
    assert kept.count(None, way="received", what="made/up/9") == 1
    assert kept.count(None, way="received", what="made/up/9999") == 0
    assert kept.count(None, way="received", what=OTHER) > 5_000


def test_who_listens_is_told_at_once():
    told, messages = [], []
    kept = recorder(
        wire=True,
        story_max=1,
        heard=lambda device_id, entry: told.append((device_id, entry.what)),
        heard_wire=lambda device_id, wire: messages.append((device_id, wire.name)),
    )
    for word in WORDS:
        kept.record_of(4).add(word)
    assert told == [(4, word) for word in WORDS]
    kept.record_of(4).keep(CallFailed, Asked.CHECK, "no answer")
    assert messages == [(4, "no answer to check")]


def test_the_fleets_clock_is_taken_where_there_is_no_other():
    own, given = recorder(), Recorder()
    for each in (own, given):
        each.begin(lambda: 500)
        each.record_of(1).add("online")
    assert (own.story(1)[0].at_ms, given.story(1)[0].at_ms) == (1, 500)


@pytest.mark.parametrize("options", [{"story_max": 0}, {"wire_max": 0}])
def test_bounds_of_nothing_are_refused(options):
    with pytest.raises(UsageFault, match="at least 1 is wanted"):
        Recorder(**options)
