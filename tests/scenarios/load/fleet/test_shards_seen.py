"""What several shards say, as one."""

import pytest

from device_sim.shards.messages import Ended, Failed, Latencies, Ready, Snapshot, Stormed
from device_sim.snapshot import FleetSnapshot, TraceEntry
from scenarios.load.fleet.shards_seen import ShardsSeen
from scenarios.load.fleet.wire import ShardBegan, ShardGone, ShardSaid, ShardUnborn, line_of, up_of

NOTHING = dict.fromkeys(
    (
        *(
            "devices",
            "connected",
            "present",
            "busy",
            "informs",
            "jobs_started",
            "jobs_succeeded",
            "jobs_failed",
        ),
        *("jobs_ended", "downloads", "downloaded_bytes", "reconnects", "connect_failures", "messages_sent"),
        *("messages_received", "repeats", "notes"),
    ),
    0,
)


def snapshot(latencies=None, **counts):
    full = {"failed_steps": {}, "refused": {}, "flows": {}} | NOTHING | counts
    return Snapshot(at_ms=1, counts=FleetSnapshot(**full), latencies=latencies or Latencies(), memory_bytes=5)


def said(shard, event):
    """Go over the wire, as it does."""
    return up_of(line_of(ShardSaid(shard=shard, event=event)))


def test_counts_are_the_last_of_each_and_latencies_all_there_were():
    seen = ShardsSeen(2)
    seen.take(said(0, snapshot(Latencies(connect={900: 2}), devices=3, present=1)), 0.5)
    seen.take(said(0, snapshot(Latencies(connect={1_000: 1}), devices=3, present=3)), 1.5)
    seen.take(said(1, snapshot(Latencies(told={7: 1}), devices=2, present=2)), 1.6)
    assert (seen.counts.devices, seen.counts.present) == (5, 5)
    assert seen.latencies.count("connect") == 3
    assert seen.latencies.tracks["connect"].all.percentile(50) == 900
    assert seen.latencies.count("told") == 1


def test_what_failed_is_counted_once_though_it_is_told_again():
    seen = ShardsSeen(1)
    for _ in range(2):
        seen.take(said(0, snapshot(connect_failures=3, refused={5: 2}, failed_steps={101: 4})), 1)
    errors = {(each.name, each.what): each.count for each in seen.latencies.error_counts()}
    assert errors == {
        ("connect", "CONNACK 5"): 2,
        ("connect", "an attempt in vain"): 1,
        ("job", "failed at step 101"): 4,
    }


def test_storms_and_traces_are_added_up():
    seen = ShardsSeen(2)
    for shard, at_ms in ((0, 20), (1, 10)):
        seen.take(said(shard, Stormed(count=4)), 1)
        entry = TraceEntry(at_ms=at_ms, device_id=shard, what="lost")
        seen.take(said(shard, Ended(snapshot=snapshot(), trace=[entry])), 2)
    assert seen.stormed == 8
    assert [entry.at_ms for entry in seen.trace] == [10, 20]


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (ShardGone(shard=1, pid=77, exit_code=-9), "fleet process 2 of 2 (pid 77) died (signal SIGKILL)"),
        (
            ShardGone(shard=1, pid=77, exit_code=1, words="oh"),
            "fleet process 2 of 2 (pid 77) died (exit code 1): oh",
        ),
        (
            ShardUnborn(shard=1, why="no memory"),
            "fleet process 2 of 2 (pid 77) failed: it could not be started: no memory",
        ),
        (
            ShardSaid(shard=1, event=Failed(what="a mistake", kind="failed")),
            "fleet process 2 of 2 (pid 77) failed: a mistake",
        ),
    ],
)
def test_a_shard_that_is_no_more_is_named_with_its_last_words(last, words):
    seen = ShardsSeen(2)
    seen.take(ShardBegan(shard=1, pid=77), 0)
    seen.take(ShardSaid(shard=1, event=Ready(pid=77)), 0)
    assert [shard.epitaph(2) for shard in seen.shards] == ["", ""]
    seen.take(last, 1)
    assert [shard.epitaph(2) for shard in seen.shards] == ["", words]
