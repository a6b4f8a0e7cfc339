"""Plays at a broker that is not ours: they pass as at ours, and one that drops in silence is named."""

from scenarios.loader.files import load_bytes
from scenarios.runner import run
from scenarios.runner.options import RunOptions
from scenarios.runner.run import run_play
from tests.mosquitto import OPEN, mosquitto, needs_mosquitto

pytestmark = needs_mosquitto

FLEET = 60
TEXT = f"""\
version: 1
name: x
wait: 3 s
policy: {{charging_date: 2021-04-02T00:00:00+08:00, free_devices: 100}}
clock: 2021-06-01T00:00:00+08:00
fleets: {{meters: {{count: {FLEET}}}}}
steps:
  - id: update
    create_task: {{kind: FOTA, target: "1.1", devices: meters, package: 1 KiB}}
    expect: {{deducted: {FLEET}, jobs: {{success: {FLEET}}}}}
"""


async def played(tmp_path, url, text=TEXT):
    (play,) = load_bytes(text.encode(), "x.yaml", tmp_path)
    return await run_play(play, RunOptions(broker=url), lambda _: None)


async def test_all_are_updated_and_both_ends_have_counted_the_same(tmp_path):
    with mosquitto(tmp_path) as far:
        result = await played(tmp_path, far.url.replace("mqtt://", "mqtt://me:secret@"))
    assert (result.verdict, result.reason) == ("passed", "")
    assert result.fleet.jobs_succeeded == FLEET
    sent, came = result.fleet.messages_sent, result.fleet.messages_received
    assert result.delivery == f"{sent:,} messages up and {came:,} down; none missing; none doubled"
    assert sent == came == FLEET * 5
    assert result.broker == f"mqtt://me:***@127.0.0.1:{far.port}"
    assert "device tokens are not checked" in result.cannot_check[0]
    assert result.audit.ok


async def test_a_play_that_needs_what_it_can_t_give_is_skipped(tmp_path):
    result = await played(tmp_path, "mqtt://u:secret@h", TEXT.replace("name: x", "name: x\nneeds: [auth]"))
    assert (result.verdict, result.reason) == ("skipped", "the mqtt://u:***@h:1883 broker can't give auth")


async def test_a_broker_that_drops_in_silence_fails_the_run_by_name_and_hangs_nothing(tmp_path, monkeypatch):
    """One message in flight and one that waits, for sixty devices that come at once."""
    monkeypatch.setattr(run, "DROPPED_S", 0.2)
    monkeypatch.setattr(run, "WATCH_S", 0.1)
    short = OPEN.replace("inflight_messages 0", "inflight_messages 1").replace(
        "queued_messages 0", "queued_messages 1"
    )
    with mosquitto(tmp_path, short) as far:
        result = await played(tmp_path, far.url)
    assert result.verdict == "failed"
    assert "the broker has not delivered" in result.reason
    assert "messages from devices: meters-" in result.reason
    assert "missing" in result.delivery


async def test_nobody_there_is_the_environment_s_fault(tmp_path):
    with mosquitto(tmp_path) as far:
        pass
    result = await played(tmp_path, far.url)
    assert (result.verdict, result.exit_code) == ("broken", 3)
    assert f"no broker at {far.url}" in result.reason
