"""What steps can do beyond one action: wait for something, do several at once, clean up, never be, be known to fail."""

import asyncio
from pathlib import Path

import pytest

from scenarios.loader.files import load_bytes
from scenarios.runner.events import StepEnded
from scenarios.runner.options import RunOptions
from scenarios.runner.plan import plan
from scenarios.runner.run import run_play

HEAD = """\
version: 1
name: x
clock: 2021-06-01T00:00:00+08:00
policy: {charging_date: 2021-04-02T00:00:00+08:00, free_devices: 3}
fleets: {meters: {count: 4}, sleepers: {count: 4, connect: false}}
"""


def play_of(steps, head=HEAD):
    (play,) = load_bytes(f"{head}steps:\n{steps}".encode(), "x.yaml", Path())
    return play


async def run(steps, head=HEAD, **options):
    return await run_play(play_of(steps, head), RunOptions(**options), lambda _: None)


def wrong(result):
    steps = [*result.steps, *result.teardown]
    return [
        (s.id, s.note, [(d.what, d.expected, d.seen) for d in s.differences])
        for s in steps
        if s.verdict == "failed"
    ]


def verdicts(result):
    return [step.verdict for step in result.steps]


# wait_until


async def test_it_is_waited_until_all_of_it_is_so():
    result = await run("""\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1-3]"}, wait: none}
  - id: b
    wait_until: {of: a, until: {jobs: {success: 3}, left: 0, versions: [{devices: "meters[1-3]", f_version: "2"}]}}
  - {id: c, check: {of: a}, expect: {jobs: {success: 3}, task_state: finished}}
""")
    assert wrong(result) == []
    assert result.steps[1].seen.jobs == {"success": 3}
    assert result.steps[1].expected["left"] == 0


async def test_what_did_not_become_so_is_told_and_the_run_goes_on():
    result = await run("""\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: sleepers}, expect: {reason: licences_insufficient}}
  - {id: b, wait_until: {until: {left: 5, balance: 0}}, wait: 100 ms}
  - {id: c, check: {}, expect: {left: 3}}
""")
    assert wrong(result) == [("b", "", [("left", 5, 3)])]
    assert verdicts(result) == ["passed", "failed", "passed"]


async def test_the_clock_moves_to_what_is_waited_for():
    """The start of a task, an install that takes its time, and the end of jobs whose devices are not there."""
    head = HEAD.replace("meters: {count: 4}", "meters: {count: 4, device: {install: 20 min, reboot: 5 min}}")
    result = await run(
        """\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: ["meters[1-2]", "sleepers[1]"], start_in: 3h, expires: 2h}}
  - {id: b, wait_until: {of: a, until: {jobs: {success: 2}}, advance: 1d}}
  - {id: c, wait_until: {of: a, until: {task_state: finished, jobs: {failed: 1}}, advance: 1d}}
""",
        head,
    )
    assert wrong(result) == []
    begun = play_of("  - {id: a, buy: 1}\n", head).clock_ms
    hours = [(step.at_ms - begun) / 3_600_000 for step in result.steps]
    assert 3.4 < hours[2] < 3.6
    assert result.seconds < 60


async def test_the_clock_moves_no_further_than_said():
    result = await run("""\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1]", start_in: 3h}}
  - {id: b, wait_until: {of: a, until: {jobs: {success: 1}}, advance: 2h}, wait: 200 ms}
""")
    assert wrong(result) == [("b", "", [("jobs.success", 1, 0)])]


# parallel


async def test_of_two_creations_that_only_one_can_afford_one_is_made():
    """P14."""
    for _ in range(3):
        result = await run("""\
  - id: both
    parallel:
      - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1-2]"}}
      - {id: b, create_task: {kind: FOTA, target: "3", devices: "meters[3-4]"}}
    expect: {deducted: 2, left: 1}
""")
        (step,) = result.steps
        assert sorted(each.seen.outcome for each in step.parallel) == ["created", "refused"]
        (refused,) = [each for each in step.parallel if each.seen.outcome == "refused"]
        assert [d.what for d in refused.differences] == [
            "outcome"
        ]  # nothing but the refusal, which is not expected
        assert (refused.seen.needed, refused.seen.available, refused.seen.missing) == (2, 1, 1)
        assert (step.verdict, step.differences) == ("failed", ())


async def test_steps_at_once_are_judged_each_by_itself_and_explained_together():
    result = await run("""\
  - id: all
    parallel:
      - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1-3]"}, expect: {outcome: created, jobs: {success: 3}}}
      - {id: pay, top_up: 2}
      - {id: grant, grant: {count: 2}}
      - {id: deaf, fail: {devices: "meters[4]", step: 205}}
      - {id: wait, wait_until: {until: {jobs: {success: 3}}}}
    expect: {deducted: 3, balance: 2}
  - {id: after, retry_task: {of: a}, expect: {reason: conflict}}
""")
    assert wrong(result) == []
    assert [part.verdict for part in result.steps[0].parallel] == ["passed"] * 5


async def test_an_inner_step_that_fails_fails_the_block():
    result = await run("""\
  - id: all
    parallel:
      - {id: a, check: {}, expect: {left: 9}}
      - {id: b, grant: {count: 2}}
""")
    assert [each.verdict for each in result.steps[0].parallel] == ["failed", "passed"]
    assert verdicts(result) == ["failed"]


def test_a_block_can_be_planned():
    planned = plan(
        play_of("""\
  - id: all
    parallel:
      - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1-3]"}}
      - {id: b, grant: {count: 2}}
    expect: {left: 2}
  - {id: c, check: {of: a}, expect: {jobs: {success: 3}}}
""")
    )
    assert [(each.differences, each.note) for each in planned] == [((), "")] * 2


# a repeated request


async def test_a_repeated_request_gets_the_same_task():
    """P13."""
    steps = """\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1-2]", key: k1}, expect: {deducted: 2, left: 1}}
  - {id: b, create_task: {kind: FOTA, target: "2", devices: "meters[1-2]", key: k1}, expect: {outcome: created, left: 1}}
  - {id: c, create_task: {kind: FOTA, target: "3", devices: "meters[1-2]", key: k1}, expect: {reason: idempotency_conflict}}
  - {id: d, check: {of: b}, expect: {jobs: {success: 2}, deducted: 2}}
  - {id: e, create_task: {kind: SOTA, target: "2", devices: succeeded of b, key: k2}, expect: {deducted: 0}}
  - {id: f, create_task: {kind: FOTA, target: "9", devices: sleepers, key: k3}, expect: {reason: licences_insufficient}}
  - {id: g, grant: {count: 3}}
  - {id: h, create_task: {kind: FOTA, target: "9", devices: sleepers, key: k3}, expect: {deducted: 4, left: 0}}
"""
    assert wrong(await run(steps)) == []
    assert [(each.differences, each.note) for each in plan(play_of(steps))] == [((), "")] * 8


async def test_two_requests_at_once_with_one_key_make_one_task():
    """P13."""
    result = await run("""\
  - id: both
    parallel:
      - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1-2]", key: k}}
      - {id: b, create_task: {kind: FOTA, target: "2", devices: "meters[1-2]", key: k}}
    expect: {deducted: 2, left: 1}
  - {id: c, create_task: {kind: SOTA, target: "2", devices: succeeded of b}, expect: {deducted: 0, jobs: {success: 2}}}
""")
    assert wrong(result) == []


# known to fail


async def test_a_step_that_fails_as_said_does_not_fail_the_play():
    result = await run("""\
  - {id: a, buy: 1, xfail: "nobody pays here"}
  - {id: b, grant: {count: 1}, xfail: "contracts are broken"}
  - {id: a2, create_task: {kind: FOTA, target: "1.0", devices: meters}, expect: {outcome: refused}}
""")
    assert verdicts(result) == ["xfailed", "failed", "passed"]
    assert result.steps[0].xfail == "nobody pays here"
    assert result.steps[1].note == "was expected to fail (contracts are broken), and passed"
    assert (await run('  - {id: a, buy: 1, xfail: "nobody pays"}\n')).verdict == "passed"


async def test_after_a_step_that_gets_stuck_as_said_the_play_goes_on():
    result = await run("""\
  - {id: deaf, inject: {call: inform, devices: "meters[1]", silent: true}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1-2]"}, wait: 500 ms, xfail: "is deaf"}
  - {id: b, check: {of: a}, expect: {jobs: {success: 1, pending: 1}}}
  - {id: c, cancel_task: {of: a}, expect: {jobs: {success: 1, cancelled: 1}}}
""")
    assert verdicts(result) == ["passed", "xfailed", "passed", "passed"]
    assert result.verdict == "passed"


# at the end


async def test_the_end_is_played_whatever_came_before():
    head = HEAD + "teardown:\n  - {id: z, grant: {count: 1}, expect: {left: 4}}\n  - {id: y, buy: 1}\n"
    result = await run(
        """\
  - {id: deaf, inject: {call: inform, devices: "meters[1]", silent: true}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "sleepers[1-3]"}}
  - {id: b, create_task: {kind: FOTA, target: "2", devices: "meters[1]"}, expect: {reason: licences_insufficient}}
  - {id: c, wait_jobs: {of: a}, wait: 50 ms}
""",
        head,
    )
    assert [(step.id, step.verdict) for step in result.teardown] == [("z", "failed"), ("y", "failed")]
    assert result.teardown[0].seen.left == 1
    stuck = await run(
        """\
  - {id: deaf, inject: {call: inform, devices: "meters[1]", silent: true}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1]"}, wait: 100 ms}
  - {id: b, buy: 1}
""",
        HEAD + "teardown: [{id: z, cancel_task: {of: a}, expect: {jobs: {cancelled: 1}}}]\n",
    )
    assert verdicts(stuck) == ["passed", "failed", "not_played"]
    assert [(step.id, step.verdict) for step in stuck.teardown] == [("z", "passed")]


async def test_the_end_is_played_when_the_run_is_stopped():
    began = asyncio.Event()
    told = []

    def listen(event):
        if isinstance(event, StepEnded):
            told.append((event.result.id, event.is_teardown))
            began.set()

    steps = """\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1]", start_in: 1h}}
  - {id: b, wait_until: {of: a, until: {jobs: {success: 1}}}}
"""
    head = HEAD + "teardown: [{id: z, cancel_task: {of: a}, expect: {jobs: {cancelled: 1}}}]\n"
    task = asyncio.create_task(run_play(play_of(steps, head), RunOptions(), listen))
    await began.wait()
    task.cancel()
    result = await task
    assert (result.verdict, result.exit_code) == ("stopped", 130)
    assert [(step.id, step.verdict) for step in result.teardown] == [("z", "passed")]
    assert told == [("a", False), ("z", True)]


# what must not be


async def test_what_must_never_be_fails_the_step_that_it_happens_in():
    head = HEAD + 'never: [{left: 0}, {versions: [{devices: sleepers, f_version: "2"}]}]\n'
    result = await run(
        """\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1-2]"}, expect: {left: 1}}
  - {id: b, create_task: {kind: FOTA, target: "2", devices: "meters[3]"}}
  - {id: c, check: {}, expect: {left: 0}}
""",
        head,
    )
    assert wrong(result) == [("b", "", [("left", "never 0", 0)])]


async def test_it_is_looked_at_while_a_step_waits():
    """The job is open only for a moment within the step: an install that takes one second."""
    head = HEAD.replace("meters: {count: 4}", "meters: {count: 4, device: {install: 1s}}")
    result = await run(
        """\
  - id: a
    create_task: {kind: FOTA, target: "2", devices: "meters[1-2]"}
    expect: {jobs: {success: 2}, never: [{of: a, jobs: {upgrading: 2}}, {running: [{devices: meters, f_version: "9"}]}]}
""",
        head,
    )
    assert wrong(result) == [("a", "", [("jobs.upgrading of a", "never 2", 2)])]


@pytest.mark.parametrize(
    ("never", "seen"),
    [
        (
            'versions: [{devices: meters, f_version: "2"}]',
            ("f_version of meters", "never 2", "1 of 4: meters-1 2"),
        ),
        ("jobs: {success: '>= 1'}", ("jobs.success", "never >= 1", 1)),
        ("journal: {bound: '>= 1'}", ("journal.bound", "never >= 1", 1)),
        (
            "entitlements: [{devices: meters, source: free}]",
            ("source of meters", "never free", "1 of 4: meters-1 free"),
        ),
        (
            "running: [{devices: meters, s_version: '1.0', count: 4}]",
            (
                "running of meters",
                "never s_version 1.0",
                "4 of 4: meters-1 s_version 1.0, meters-2 s_version 1.0, meters-3 s_version 1.0 and 1 more",
            ),
        ),
        ("balance: 0", ("balance_fen", "never 0", 0)),
    ],
)
async def test_anything_can_be_what_must_not_be(never, seen):
    result = await run(f"""\
  - id: a
    create_task: {{kind: FOTA, target: "2", devices: "meters[1]"}}
    expect: {{never: [{{{never}}}]}}
""")
    assert wrong(result) == [("a", "", [seen])]


# what is expected of counts, messages and devices themselves


async def test_counts_may_be_bounds():
    result = await run("""\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: meters}, expect: {needed: ">= 4", available: 2-3, reason: licences_insufficient}}
  - {id: b, grant: {count: 1}, expect: {left: "<= 3"}}
""")
    assert wrong(result) == [("b", "", [("left", "<= 3", 4)])]


async def test_what_devices_run_and_say_and_what_the_journal_gets():
    result = await run("""\
  - id: a
    create_task: {kind: FOTA, target: "2", devices: "meters[1-2]"}
    expect:
      journal: {bound: 2}
      running:
        - {devices: "meters[1-2]", f_version: "2", s_version: "1.0", stage: idle, link: present, failed_step: 0}
        - {devices: meters, f_version: "2", count: 2}
        - {devices: sleepers, link: "off"}
      messages:
        - {devices: "meters[1-2]", sent: ota/status, step: 201, count: 1, each: true}
        - {received: ota/inform, count: 2}
  - id: b
    fail: {devices: "meters[3]", step: 206}
    expect: {messages: [{sent: ota/status, count: 0}], journal: {bound: 0}}
  - id: c
    create_task: {kind: FOTA, target: "2", devices: "meters[3]"}
    expect:
      running: [{devices: "meters[1-3]", failed_step: 206}]
      messages: [{devices: meters, sent: ota/status, step: 206, count: 2}]
""")
    assert [step.id for step in result.failed_steps] == ["c"]
    assert wrong(result)[0][2] == [
        (
            "running of meters[1-3]",
            "failed_step 206",
            "2 of 3 not: meters-1 failed_step 0, meters-2 failed_step 0",
        ),
        ("ota/status with step 206 sent by meters", 2, 1),
    ]


async def test_pushes_of_a_single_task():
    result = await run("""\
  - {id: hook, set_webhook: {failing: 1}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1]", notification: webhook}, wait: none, expect: {pushed: [{of: a, count: 2}]}}
  - {id: b, create_task: {kind: FOTA, target: "2", devices: "meters[2]", notification: webhook}, wait: none, expect: {pushed: [{of: b, count: 1}, {of: a, count: 2}]}}
""")
    assert wrong(result) == []


async def test_whichever_of_two_it_is_may_be_all_the_same():
    """P14: `outcome: any` takes a refusal too, and what the block came to is held all the same."""
    steps = """\
  - id: both
    parallel:
      - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1-2]"}, expect: {outcome: any}}
      - {id: b, create_task: {kind: FOTA, target: "3", devices: "meters[3-4]"}, expect: {outcome: any}}
    expect: {deducted: 2, left: 1, journal: {bound: 2}}
"""
    result = await run(steps)
    assert wrong(result) == []
    assert sorted(part.seen.outcome for part in result.steps[0].parallel) == ["created", "refused"]
    result = await run(steps.replace("bound: 2", "bound: 1"))
    assert wrong(result) == [("both", "", [("journal.bound", 1, 2)])]


async def test_steps_at_once_show_how_their_jobs_ended():
    result = await run("""\
  - id: both
    parallel:
      - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1]"}}
      - {id: b, create_task: {kind: SOTA, target: "3", devices: "meters[2]"}}
""")
    assert wrong(result) == []
    assert [part.seen.jobs for part in result.steps[0].parallel] == [{"success": 1}, {"success": 1}]
    assert {part.seen.task_state for part in result.steps[0].parallel} == {"finished"}


async def test_a_task_that_only_the_book_has_is_no_end_of_the_run():
    """The platform refuses what the book, told wrong, would create; the step is judged, and the run goes on."""
    result = await run("""\
  - {id: deaf, fault: {devices: "meters[1]", what: hang, at: install}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1-2]"}, wait: none}
  - {id: hung, wait_until: {of: a, until: {jobs: {success: 1, upgrading: 1}}}}
  - {id: late, advance: 11 min}
  - {id: off, power_off: {devices: "meters[1]"}}
  - {id: on, power_on: {devices: "meters[1]"}, expect: {versions: [{devices: "meters[1]", f_version: "2"}]}}
  - {id: again, retry_task: {of: a}, expect: {reason: devices_unusable}}
  - {id: end, check: {of: a}, expect: {jobs: {success: 1, failed: 1}}}
""")
    assert wrong(result) == []
    assert verdicts(result) == ["passed"] * 8
