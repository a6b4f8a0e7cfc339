"""Random plays on the stub: what the book predicts is what the platform does, whatever is done in which order."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scenarios.loader import ScenarioFault
from scenarios.loader.files import load_bytes
from scenarios.runner.options import RunOptions
from scenarios.runner.run import run_play

HEAD = """\
version: 1
name: x
wait: 10s
clock: 2021-04-01T00:00:00+08:00
policy: {{charging_date: {date}, free_devices: {free}, deduction_order: {order}, grandfathered_when: {when}}}
account: {{subscribe: {subscribe}, top_up: 6, buy: 2}}
products: {{main: {{}}, other: {{}}}}
fleets:
  m: {{count: 4, connect: {connect}, flow: {flow}}}
  n: {{count: 2, product: other, connect: false}}
  z: {{count: 2, connect: false}}
steps:
"""
DEVICES = st.sampled_from(
    ["m", "m[1-2]", "m[3]", "[m, 'm[1]']", "n", "n[1]", "[m, z]", "['m[1-2]', z]", "z[1]"]
)
TARGETS = st.sampled_from(["1.0", "2", "3"])
KINDS = st.sampled_from(["FOTA", "SOTA"])
CHECKS = st.sampled_from(["skip", "open"])
PRODUCTS = st.sampled_from(["main", "other"])
TERMS = st.sampled_from([
    "start_in: 5 min", "start_in: 1h, expires: 2h", "expires: 1 min", "expires: 40d", "start_versions: '1.0'",
    "start_versions: [never, '2']", "from: '1.1'", "notification: webhook",
])  # fmt: skip
FAULTS = st.sampled_from([
    "fails, step: 206", "cut, at: 1 KiB", "double_reports, times: 3", "boot_fails", "wrong_version, version: '7'",
    "late_reports, for: 100 ms", "slow, rate: 8 KiB", "reorder_reports", "clock_skew, by: -30s",
])  # fmt: skip
ACTIONS = st.one_of(
    st.builds("create_task: {{kind: {}, target: '{}', devices: {}, verification: {}}}".format, KINDS, TARGETS, DEVICES, CHECKS),
    st.builds("create_task: {{kind: {}, target: '{}', devices: 'm[2]', verification: first}}".format, KINDS, TARGETS),
    st.builds("create_task: {{kind: {}, target: '{}', devices: {}, {}}}".format, KINDS, TARGETS, DEVICES, TERMS),
    st.builds("create_task: {{kind: {}, target: '{}', scope: all, product: {}, {}}}".format, KINDS, TARGETS, PRODUCTS, TERMS),
    st.builds("pause_task: {{of: s{}}}".format, st.integers(0, 9)),
    st.builds("resume_task: {{of: s{}}}".format, st.integers(0, 9)),
    st.builds("cancel_jobs: {{of: s{}, devices: open of s{}}}".format, st.integers(0, 9), st.just("OF")),
    # No two policies that send a device back and forth.
    st.builds("auto_add: {{kind: {}, target: '3', product: {}}}".format, KINDS, PRODUCTS),
    st.builds("auto_add: {{kind: {}, target: '3', start_versions: ['1.0', '2']}}".format, KINDS),
    st.builds("auto_add: {{kind: {}, target: '3', off: true}}".format, KINDS),
    st.builds("auto_add: {{of: s{}, start_versions: '1.0'}}".format, st.integers(0, 9)),
    st.builds("reconnect: {{devices: {}}}".format, st.sampled_from(["m", "m[1-2]"])),
    st.builds("power_off: {{devices: {}}}".format, st.sampled_from(["m[1]", "m[1-2]"])),
    st.builds("power_off: {{devices: 'm[3]', for: {}}}".format, st.sampled_from(["3 min", "30 min"])),
    st.just("power_on: {devices: m}"),
    st.just("storm: {devices: m}"),
    st.just("swap_cards: {devices: 'm[1-2]'}"),
    st.builds("renew_keys: {{devices: {}}}".format, st.sampled_from(["m[1-2]", "n[1]"])),
    st.builds("fault: {{devices: {}, what: {}}}".format, st.sampled_from(["m[1]", "m[2-3]"]), FAULTS),
    st.sampled_from(["clear_faults: {}", "clear_faults: {devices: 'm[1-2]'}"]),
    st.builds("set_devices: {{devices: 'm[4]', storage: {}}}".format, st.sampled_from(["1 KiB", "1 MiB"])),
    st.builds("upload: {{kind: {}, target: '3', skip: {}}}".format, KINDS, st.sampled_from(["true", "false"])),
    st.builds("create_task: {{kind: FOTA, target: '{}', devices: m, key: k}}".format, TARGETS),
    st.just("set_webhook: {}"),
    st.builds("wait_jobs: {{of: s{}}}".format, st.integers(0, 9)),
    st.builds("wait_jobs: {{of: s{}, devices: 'm[1-2]'}}".format, st.integers(0, 9)),
    st.builds("retry_task: {{of: s{}}}".format, st.integers(0, 9)),
    st.builds("cancel_task: {{of: s{}}}".format, st.integers(0, 9)),
    st.builds("fail: {{devices: {}, step: 205}}".format, st.sampled_from(["m[1]", "m[2-3]"])),
    st.builds("replace_cards: {{devices: {}}}".format, DEVICES),
    st.builds("terminate: {{devices: {}}}".format, DEVICES),
    st.builds("create_again: {{devices: {}, group: g}}".format, st.sampled_from(["m[1-2]", "n[1]"])),
    st.builds("move: {{devices: {}, to: {}}}".format, DEVICES, st.sampled_from(["main", "other"])),
    st.builds("buy: {}".format, st.integers(1, 5)),
    st.just("grant: {count: 1}"),
    st.just("cancel_licences: 1"),
    st.builds("post: {{amount: {}}}".format, st.sampled_from([-5, 5])),
    st.just("subscribe: true"),
    st.builds("charging_date: {}".format, st.sampled_from(["null", "2021-03-01T00:00:00+08:00", "2021-05-01T00:00:00+08:00"])),
    st.builds("advance: {}".format, st.sampled_from(["31d", "5 min", "10 min", "1h"])),
)  # fmt: skip
WAITS = st.sampled_from(["", "", "", "", ", wait: none"])
SETTINGS = st.fixed_dictionaries({
    "date": st.sampled_from(["null", "2021-03-01T00:00:00+08:00", "2021-04-15T00:00:00+08:00"]),
    "free": st.integers(0, 4),
    "order": st.sampled_from(["purchased_first", "free_first"]),
    "when": st.sampled_from(["job_created", "update_succeeded"]),
    "subscribe": st.sampled_from(["true", "true", "false"]),
    "connect": st.sampled_from(["true", "false"]),
    "flow": st.sampled_from(["mqtt", "mqtt", "fuse", "studio", "south"]),
})  # fmt: skip


def with_tasks(actions):
    """Let each `of` name an earlier step that creates a task, if there is one; else something else is done."""
    creating = []
    for n, drawn in enumerate(actions):
        action = drawn
        if "{of: s" in drawn:
            what, _, number = drawn.partition("{of: s")
            of = creating[int(number.rstrip("}").partition(",")[0]) % len(creating)] if creating else None
            rest = number.partition(",")[2]
            rest = f",{rest.replace('sOF', f's{of}')}" if rest else "}"
            action = "grant: {count: 1}" if of is None else f"{what}{{of: s{of}{rest}"
        if action.startswith(("create_task", "retry_task")):
            creating.append(n)
        yield action


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(SETTINGS, st.lists(st.tuples(ACTIONS, WAITS), min_size=1, max_size=10))
def test_the_platform_does_what_the_book_predicts(facts, steps):
    actions = with_tasks([action for action, _ in steps])
    text = HEAD.format(**facts) + "".join(
        f"  - {{id: s{n}, {action}{wait}}}\n"
        for n, (action, (_, wait)) in enumerate(zip(actions, steps, strict=True))
    )
    try:
        (play,) = load_bytes(text.encode(), "x.yaml", Path())
    except ScenarioFault:
        assume(False)
    result = asyncio.run(run_play(play, RunOptions(), lambda _: None))
    predicted = [(step.id, d) for step in result.steps for d in step.differences if d.by == "prediction"]
    assert predicted == [], text
    assert result.audit is not None, result.reason
    assert result.audit.ok, text
    assert all("time" not in step.note for step in result.steps)
