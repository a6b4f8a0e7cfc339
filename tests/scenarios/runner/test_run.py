"""Whole runs of small scenarios on the stub: what a failed step does, what stops a run, what is in the result."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from device_sim import FleetFailed
from platform_stub.server import Stub
from scenarios.loader.files import load_bytes
from scenarios.operator import HttpOperator
from scenarios.results import PlayResult
from scenarios.runner.crew import Crew
from scenarios.runner.director import Director
from scenarios.runner.events import PlayEnded, PlayStarted, StepEnded
from scenarios.runner.options import RunOptions
from scenarios.runner.paper import Paper
from scenarios.runner.run import run_play
from scenarios.runner.stage import Stage

HEAD = """\
version: 1
name: x
clock: 2021-06-01T00:00:00+08:00
policy: {charging_date: 2021-04-02T00:00:00+08:00, free_devices: 3}
fleets: {meters: {count: 4}, sleepers: {count: 2, connect: false}}
steps:
"""


def play_of(steps, head=HEAD):
    (play,) = load_bytes((head + steps).encode(), "x.yaml", Path())
    return play


async def run(steps, head=HEAD, **options):
    events = []
    result = await run_play(play_of(steps, head), RunOptions(**options), events.append)
    return result, events


def twins(play):
    """Let a play make two products of one id, which no file may: so its set-up is refused."""
    main = msgspec.structs.replace(play.products[0], product_id="abc")
    return msgspec.structs.replace(play, products=(main, msgspec.structs.replace(main, name="other")))


def verdicts(result):
    return [step.verdict for step in result.steps]


THREE = """\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1-2]"}, expect: {left: 1}}
  - {id: b, buy: 1}
  - {id: c, check: {of: a}, expect: {jobs: {success: 2}, deducted_free: 2}}
"""


async def test_a_failed_step_does_not_end_the_run():
    result, events = await run(THREE)
    assert (result.verdict, result.exit_code, verdicts(result)) == (
        "failed",
        1,
        ["passed", "failed", "passed"],
    )
    (difference,) = result.steps[1].differences
    assert (difference.what, difference.expected) == ("outcome", "no refusal")
    assert difference.seen.startswith("refused (balance_insufficient): ")
    assert result.audit is not None
    assert result.audit.ok
    assert isinstance(events[0], PlayStarted)
    assert [event.result.id for event in events if isinstance(event, StepEnded)] == ["a", "b", "c"]
    assert events[-1] == PlayEnded(result=result)


async def test_fail_fast_ends_it():
    result, _ = await run(THREE, fail_fast=True)
    assert verdicts(result) == ["passed", "failed", "not_played"]


async def test_only_one_step_is_checked():
    result, _ = await run(THREE, only="c")
    assert (result.verdict, verdicts(result)) == ("passed", ["unchecked", "unchecked", "passed"])
    result, _ = await run(THREE, only="a")
    assert (result.verdict, verdicts(result)) == ("passed", ["passed", "not_played", "not_played"])


async def test_jobs_that_do_not_end_stop_the_run_and_are_named():
    result, _ = await run("""\
  - {id: deaf, inject: {call: inform, devices: "meters[1]", silent: true}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: ["meters[1]", "sleepers[1]"]}, wait: none}
  - {id: b, wait_jobs: {of: a}, wait: 100 ms}
  - {id: c, buy: 1}
""")
    assert verdicts(result) == ["passed", "passed", "failed", "not_played"]
    assert result.steps[2].note == (
        "after 0.1 s 1 of 2 jobs of a have not ended (2 pending): meters-1 (device 1): is online; and was given no job"
    )


async def test_nobody_waits_for_devices_that_are_not_there():
    result, _ = await run("""\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: sleepers}}
  - {id: b, wait_jobs: {of: a}, expect: {jobs: {pending: 2}}}
""")
    assert verdicts(result) == ["passed", "passed"]


async def test_a_step_that_cannot_be_done_fails():
    result, _ = await run("""\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: meters}, expect: {outcome: refused}}
  - {id: b, retry_task: {of: a}, expect: {outcome: created}}
  - {id: c, fail: {devices: failed of a}}
  - {id: d, fail: {devices: first 4 licensed of meters}}
""")
    assert [step.note for step in result.steps] == [
        "",
        "step a has created no task",
        "'failed of a': step a has created no task",
        "'first 4 licensed of meters': there are only 0 to choose from",
    ]
    assert verdicts(result) == ["passed", "failed", "failed", "failed"]


async def test_what_is_expected_of_devices():
    result, _ = await run("""\
  - id: a
    create_task: {kind: FOTA, target: "2", devices: "meters[1-2]"}
    expect:
      versions:
        - {devices: meters, f_version: "2", s_version: "1.0"}
      entitlements:
        - {devices: "meters[1-3]", source: free, valid: true, support: true}
        - {devices: licensed of sleepers, source: none}
""")
    assert [(d.what, d.expected, d.seen) for d in result.steps[0].differences] == [
        ("f_version of meters", "2", "2 of 4 not: meters-3 1.0, meters-4 1.0"),
        ("source of meters[1-3]", "free", "1 of 3 not: meters-3 none"),
        ("valid of meters[1-3]", "true", "1 of 3 not: meters-3 false"),
        ("support of meters[1-3]", "true", "1 of 3 not: meters-3 false"),
        ("source of licensed of sleepers", "none", "no device"),
    ]


async def test_devices_that_are_not_connected():
    result, _ = await run(
        """\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: sleepers}, expect: {jobs: {pending: 2}}}
  - {id: b, replace_cards: {devices: sleepers}, expect: {cards: 2}}
  - {id: c, terminate: {devices: "sleepers[1]"}}
  - {id: d, terminate: {devices: "sleepers[1]"}, expect: {reason: conflict}}
  - {id: e, create_again: {devices: sleepers, group: anew}, expect: {reason: conflict}}
  - {id: f, create_again: {devices: "sleepers[1]", group: newer}}
  - {id: g, create_task: {kind: FOTA, target: "2", devices: newer}, expect: {deducted: 1, left: 0}}
  - {id: h, cancel_task: {of: a}, expect: {jobs: {cancelled: 2}}}
  - {id: i, cancel_task: {of: a}, expect: {reason: conflict}}
""",
        HEAD.replace("meters: {count: 4}, ", ""),
    )
    assert [(step.id, step.differences) for step in result.failed_steps] == []
    assert (result.verdict, result.flow, result.fleet) == ("passed", "none", None)


async def test_every_other_action():
    result, _ = await run("""\
  - {id: subscribe, subscribe: true, expect: {reason: conflict}}
  - {id: verify, create_task: {kind: SOTA, target: "2", devices: "meters[1]", verification: first}, expect: {outcome: created}}
  - {id: rest, create_task: {kind: SOTA, target: "2", devices: "meters[2]", verification: open}, expect: {outcome: created}}
  - {id: open, create_task: {kind: SOTA, target: "3", devices: "meters[2]", verification: open}, expect: {reason: package_not_verified}}
  - {id: post, post: {amount: -2, reason: bill}, expect: {balance: -2}}
  - {id: date, charging_date: null, expect: {notices: {phone: 1, sms: 1, email: 1}}}
  - {id: free, create_task: {kind: SOTA, target: "4", devices: meters}, expect: {deducted: 0, grandfathered: 2}}
  - {id: on, advance: 30d}
  - {id: back, advance: 0s}
  - {id: more, wait_jobs: {}}
""")
    assert [(step.id, step.differences, step.note) for step in result.failed_steps] == []


async def test_a_need_that_the_broker_does_not_meet_skips_it():
    result, _ = await run(
        "  - {id: a, buy: 1}\n",
        HEAD.replace("name: x", "name: x\nneeds: [auth, durable_ack]"),
        broker="amqtt",
    )
    assert (result.verdict, result.exit_code) == ("skipped", 0)
    assert result.reason == "the amqtt broker can't give durable_ack"
    assert verdicts(result) == ["not_played"]


async def test_a_set_up_that_is_refused():
    result, _ = await run(
        "  - {id: a, buy: 1}\n", HEAD.replace("fleets:", "account: {buy: 1, top_up: 1, post: -5}\nfleets:")
    )
    assert result.verdict == "failed"  # in arrears: the purchase is refused
    result = await run_play(twins(play_of("  - {id: a, buy: 1}\n")), RunOptions(), lambda _: None)
    assert (result.verdict, result.exit_code) == ("broken", 1)
    assert "the platform did not make a product: conflict: product id abc is taken" in result.reason


async def test_a_data_folder_is_kept_and_used_again(tmp_path):
    for _ in range(2):
        result, _ = await run("  - {id: a, grant: {count: 1}}\n", data=str(tmp_path))
        assert result.verdict == "passed"
    assert (tmp_path / "x" / "ota-sim.db").is_file()


async def test_a_data_folder_that_is_not_ours(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "thesis.txt").touch()
    result, _ = await run("  - {id: a, buy: 1}\n", data=str(tmp_path))
    assert (result.verdict, result.exit_code) == ("broken", 3)
    assert "thesis.txt" in result.reason
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["thesis.txt"]


async def test_a_fleet_that_stopped_ends_the_run_at_once():
    """A mistake of ours in one device: neither steps without devices nor waits come after it."""
    play = play_of("""\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1-2]"}}
  - {id: b, grant: {count: 1}}
  - {id: c, create_task: {kind: FOTA, target: "2", devices: "meters[3]"}}
""")
    async with Stub() as stub, HttpOperator(stub.http_url) as operator:
        stage = Stage(play, operator, lambda _: None)
        crew = Crew(stub, play.seed, stage.now_ms, stage.signing_key)

        def stop_the_fleet(event):
            if isinstance(event, StepEnded):
                crew._fleet.crash(None, ZeroDivisionError("no clock"))

        paper = Paper(play)
        paper.set_up()
        director = Director(stage, paper, stop_the_fleet, only=None, fail_fast=False)

        async def played():
            async with crew:
                await stage.set_up(crew)
                await director.play()

        with pytest.raises(FleetFailed, match="no clock"):
            await played()
    assert [step.id for step in director.results] == ["a"]


async def test_stopped_in_the_middle():
    began = asyncio.Event()
    events = []

    def listen(event):
        events.append(event)
        if isinstance(event, StepEnded):
            began.set()

    steps = THREE.replace(
        "{id: b, buy: 1}", '{id: b, create_task: {kind: FOTA, target: "2", devices: sleepers}}'
    )
    steps += "  - {id: d, wait_jobs: {of: b}}\n"
    task = asyncio.create_task(run_play(play_of(steps), RunOptions(), listen))
    await began.wait()
    task.cancel()
    result = await task
    assert (result.verdict, result.exit_code) == ("stopped", 130)
    assert verdicts(result)[0] == "passed"
    assert verdicts(result)[-1] == "not_played"
    assert events[-1] == PlayEnded(result=result)


async def test_a_result_travels_as_messagepack():
    result, _ = await run(THREE)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(result), type=PlayResult) == result


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_seed_decides_the_cards(seed, tmp_path):
    import sqlite3

    steps = "  - {id: a, replace_cards: {devices: meters}}\n"
    head = HEAD.replace("name: x", f"name: x\nseed: {seed}")
    cards = []
    for turn in ("one", "two"):
        await run(steps, head, data=str(tmp_path / turn))
        with sqlite3.connect(tmp_path / turn / "x" / "ota-sim.db") as conn:
            cards.append(
                conn.execute("SELECT device_id, iccid, imsi FROM devices ORDER BY device_id").fetchall()
            )
        conn.close()
    assert cards[0] == cards[1]
    assert len({iccid for _, iccid, _ in cards[0]}) == 6
