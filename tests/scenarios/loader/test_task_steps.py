"""Each mistake in a task, a policy, a webhook or an injected fault: where it is told to be, and in which words."""

from pathlib import Path

import pytest

from scenarios.loader import ScenarioFault
from scenarios.loader.files import load_bytes

HEAD = """\
version: 1
name: x
clock: 2021-06-01T00:00:00+08:00
products: {main: {}, other: {}}
fleets: {meters: {count: 4}, sleepers: {count: 1, connect: false}}
steps:
  - {id: E1, create_task: {kind: FOTA, target: "2", devices: "meters[1]"}}
  - {id: F1, inject: {silent: true}}
"""


def mistakes_of(*lines, head=HEAD):
    text = head + "".join(f"  {line}\n" for line in lines)
    try:
        load_bytes(text.encode(), "x.yaml", Path())
    except ScenarioFault as fault:
        return [str(mistake).removeprefix("x.yaml:") for mistake in fault.mistakes]
    return []


FLEETS = [
    ("model: M-1", [
        "5:29: fleets.meters.model: only devices of flow south say their model; write flow: south, or leave it out"]),
    ("flow: fuse, manufacturer: ACME, model: M-1", [
        "5:41: fleets.meters.manufacturer: only devices of flow south say their manufacturer; write flow: south, or leave it out"]),
    ("flow: south, connect: false, model: M-1", [
        "5:58: fleets.meters.model: none of them is there to say its model; leave it out, or connect"]),
    ("flow: south, model: M 1", [
        "5:49: fleets.meters.model: expected a manufacturer or model: 1 to 32 letters, digits, - _ and ., found 'M 1'"]),
    ("flow: south, model: M-1, manufacturer: ACME", []),
]  # fmt: skip


@pytest.mark.parametrize(("fleet", "mistakes"), FLEETS)
def test_a_fleet_that_can_not_say_whose_it_is(fleet, mistakes):
    head = HEAD.replace("count: 4", f"count: 4, {fleet}").replace("false}}", "false}, others: {count: 1}}")
    assert mistakes_of(head=head) == mistakes


TASK = 'create_task: {kind: FOTA, target: "2", '
ACTIONS = [
    # tasks
    (TASK + "devices: meters, model: M-1}", [
        "9:69: steps.S.create_task.model: a package is for a manufacturer and a model; name both"]),
    (TASK + "package: 1}", ["9:26: steps.S.create_task: devices are missing; name them, or write scope: all"]),
    (TASK + "scope: all, devices: meters}", [
        "9:64: steps.S.create_task.devices: scope all is every device of the product; leave out devices, or scope"]),
    (TASK + "devices: meters, product: other}", [
        "9:69: steps.S.create_task.product: a product goes with scope: all; else it is the devices'"]),
    (TASK + "scope: all, product: othr}", [
        "9:73: steps.S.create_task.product: no product is named othr; did you mean other?"]),
    (TASK + "scope: all, verification: first}", [
        "9:78: steps.S.create_task.verification: a verification is of exactly one device (P15); name it"]),
    (TASK + "devices: meters, scope: some}", [
        "9:76: steps.S.create_task.scope: expected one of all, chosen, found 'some'"]),
    (TASK + "devices: meters, start_in: 1h, start_at: 2021-07-01T00:00Z}", [
        "9:83: steps.S.create_task.start_at: a task starts in a span or at a moment, not both"]),
    (TASK + "devices: meters, start_at: 2021-02-30T00:00Z}", [
        "9:79: steps.S.create_task.start_at: there is no moment 2021-02-30T00:00Z"]),
    (TASK + "devices: meters, start_at: 2021-05-31T00:00Z}", [
        ("9:79: steps.S.create_task.start_at: the clock shows 2021-05-31T16:00:00Z by then, "
         "so it would start in the past")]),
    (TASK + "devices: meters, start_in: soon}", [
        "9:79: steps.S.create_task.start_in: expected a span of time such as 90s, 10 min or 30d, found 'soon'"]),
    (TASK + "devices: meters, start_in: 99999999w}", [
        "9:79: steps.S.create_task.start_in: a task starts within 100 years"]),
    (TASK + "devices: meters, expires: 59s}", ["9:78: steps.S.create_task.expires: a task expires after 1 min to 366 d"]),
    (TASK + "devices: meters, expires: 367d}", ["9:78: steps.S.create_task.expires: a task expires after 1 min to 366 d"]),
    (TASK + "devices: meters, retry: {count: 11}}", [
        "9:84: steps.S.create_task.retry.count: expected 10 or less, found 11"]),
    (TASK + "devices: meters, retry: {interval: 5s}}", ["9:76: steps.S.create_task.retry: count is missing"]),
    (TASK + "devices: meters, retry: {count: 1, interval: 2d}}", [
        "9:97: steps.S.create_task.retry.interval: an interval is from 1 s to 1 d"]),
    (TASK + "devices: meters, signal: 101}", ["9:77: steps.S.create_task.signal: expected 100 or less, found 101"]),
    (TASK + "devices: meters, battery: -1}", ["9:78: steps.S.create_task.battery: expected 0 or more, found -1"]),
    (TASK + "devices: meters, notification: web}", [
        "9:83: steps.S.create_task.notification: expected one of platform, webhook, found 'web'; did you mean webhook?"]),
    (TASK + "devices: meters, from: '2'}", [
        "9:75: steps.S.create_task.from: a differential package leads from another version than 2"]),
    (TASK + "devices: meters, from: '1', start_versions: [never, '1.0']}", [
        "9:96: steps.S.create_task.start_versions: the package is from 1, which start_versions leave out"]),
    (TASK + "devices: meters, start_versions: []}", [
        "9:85: steps.S.create_task.start_versions: expected at least 1 in the list, found 0"]),
    (TASK + "devices: meters, model: a b}", [
        ("9:76: steps.S.create_task.model: expected a manufacturer or model: 1 to 32 letters, digits, - _ and ., "
         "found 'a b'")]),
    (TASK + "devices: meters, form: '1'}", [
        "9:69: steps.S.create_task.form: no field is named 'form' here; did you mean from?"]),
    # pause, resume, cancel
    ("pause_task: {of: E2}", ["9:30: steps.S.pause_task.of: no step is named E2; tasks are created by E1"]),
    ("resume_task: {of: F1}", ["9:31: steps.S.resume_task.of: step F1 creates no task"]),
    ("cancel_jobs: {of: S, devices: meters}", ["9:31: steps.S.cancel_jobs.of: step S creates no task"]),
    ("cancel_jobs: {of: E1}", ["9:26: steps.S.cancel_jobs: devices is missing"]),
    ("cancel_jobs: {of: E1, devices: metres}", [
        "9:44: steps.S.cancel_jobs.devices: no fleet or group is named metres; did you mean meters?"]),
    # auto-add
    ("auto_add: {}", ["9:23: steps.S.auto_add: name the package by kind and target, or by of, a step whose task has it"]),
    ("auto_add: {kind: FOTA}", ["9:23: steps.S.auto_add: name the package by kind and target, or by of, a step whose task has it"]),
    ("auto_add: {of: E1, kind: FOTA, target: '3'}", [
        "9:32: steps.S.auto_add.kind: the package is that of step E1; leave out kind and target"]),
    ("auto_add: {of: E1, off: true, start_versions: '1'}", [
        ("9:43: steps.S.auto_add.start_versions: a policy that is taken off takes nobody in; "
         "leave out off, or start_versions")]),
    ("auto_add: {kind: SOTA, target: '3', product: nowhere}", [
        "9:58: steps.S.auto_add.product: no product is named nowhere; did you mean other?"]),
    ("auto_add: {kind: SOTA, target: '3', package: 31 MiB}", [
        "9:58: steps.S.auto_add.package: a package has at most 30 MiB"]),
    # webhook
    ("set_webhook: {off: true, passes: false}", [
        "9:38: steps.S.set_webhook.passes: a webhook that is taken off has nothing besides"]),
    ("set_webhook: {failing: 101}", ["9:36: steps.S.set_webhook.failing: expected 100 or less, found 101"]),
    ("check: {}, expect: {pushes: 1}", ["9:33: steps.S.expect.pushes: no webhook is set by then; set_webhook does so"]),
    ("check: {}, expect: {deliveries: {delivered: 1}}", [
        "9:33: steps.S.expect.deliveries: no webhook is set by then; set_webhook does so"]),
    # faults
    ("inject: {}", [("9:21: steps.S.inject: nothing would go wrong: at least one of delay, status, code, cut_at, "
                     "wrong_md5, silent is wanted")]),
    ("inject: {call: status, wrong_md5: true}", [
        "9:21: steps.S.inject: wrong_md5 can't happen to call status of any flow"]),
    ("inject: {flow: mqtt, call: download, silent: true}", [
        ("9:21: steps.S.inject: flow mqtt has no call download; devices that are told over MQTT download with fuse's "
         "call")]),
    ("inject: {silent: true, code: 7}", [
        "9:21: steps.S.inject: silent means no answer, so code can't be in one; leave one of them out"]),
    ("inject: {status: 200}", ["9:30: steps.S.inject.status: expected 400 or more, found 200"]),
    ("inject: {delay: 11 min}", ["9:29: steps.S.inject.delay: an answer is at most 10 min late"]),
    ("inject: {flow: studio, devices: meters, silent: true}", [
        "9:28: steps.S.inject.flow: these devices speak mqtt, so flow studio strikes none of them"]),
    ("inject: {flow: fuse, call: check, silent: true}", [
        "9:28: steps.S.inject.flow: the scenario's devices speak mqtt, so flow fuse strikes none of them"]),
    ("inject: {call: state, devices: meters, silent: true}", [
        "9:28: steps.S.inject.call: these devices speak mqtt, so call state strikes none of them"]),
    ("inject: {devices: sleepers, silent: true}", [
        "9:21: steps.S.inject: these devices are not connected (connect: false), so it strikes none of them"]),
    ("inject: {flow: fuse, call: download, devices: meters, silent: true}", []),
    ("inject: {flow: fuse, devices: devices of E1, silent: true}", []),
    ("wait_jobs: {devices: sleepers}", [
        "9:34: steps.S.wait_jobs.devices: these devices are not connected (connect: false), so none of their jobs ends"]),
    (TASK + "devices: meters, start_versions: none}", [
        "9:85: steps.S.create_task.start_versions: 'none' would be a version; devices that have reported none are 'never'"]),
    ("advance: 1h, expect: {jobs: {success: 1}}", [
        "9:35: steps.S.expect.jobs: jobs are a task's, and this step has none; look with check: {of: STEP}"]),
    ("inject: {silent: true, share: 0%}", [
        "9:43: steps.S.inject.share: a share of 0 % strikes nobody; leave the step out"]),
    ("inject: {silent: true, share: 0.5}", [
        "9:43: steps.S.inject.share: expected a share in per cent, such as 50%, found '0.5'"]),
    ("inject: {call: download, cut_at: 9999 MiB}", [
        "9:46: steps.S.inject.cut_at: a download is cut within its first 2 GiB"]),
    ("inject: {call: chek, silent: true}", [
        ("9:28: steps.S.inject.call: expected one of any, check, download, inform, state, status, version, found 'chek'; "
         "did you mean check?")]),
    ("clear_injected: {by: F2}", ["9:34: steps.S.clear_injected.by: no step is named F2; faults are injected by F1"]),
    ("clear_injected: {by: E1}", ["9:34: steps.S.clear_injected.by: step E1 injects no fault"]),
    ("check: {}, expect: {struck: {E1: 1}}", ["9:46: steps.S.expect.struck.E1: step E1 injects no fault"]),
    ("check: {}, expect: {struck: {F1: -1}}", ["9:46: steps.S.expect.struck.F1: expected 0 or more, found -1"]),
    # what else is expected
    ("check: {}, expect: {task_state: paused}", [
        "9:33: steps.S.expect.task_state: task_state is a task's, and this step has none; look with check: {of: STEP}"]),
    ("check: {of: E1}, expect: {task_state: stoped}", [
        ("9:51: steps.S.expect.task_state: expected one of finished, not_started, paused, stopped, upgrading, or a "
         "mapping with one for each variant, found 'stoped'; did you mean stopped?")]),
    ("check: {}, expect: {distribution: [{}]}", [
        "9:48: steps.S.expect.distribution[0]: nothing is expected here; write f_versions or s_versions"]),
    ("check: {}, expect: {distribution: [{product: some, f_versions: {'1': 1}}]}", [
        "9:58: steps.S.expect.distribution[0].product: no product is named some; there are main, other"]),
    ("check: {}, expect: {distribution: [{f_versions: {'1': x}}]}", [
        ("9:67: steps.S.expect.distribution[0].f_versions.1: expected a whole number from 0 on, found 'x'")]),
    ("reconnect: {devices: sleepers}", [
        ("9:34: steps.S.reconnect.devices: these devices are not connected (connect: false), "
         "so none of them can come back")]),
]  # fmt: skip


def test_what_it_is_changed_in_has_no_mistake():
    assert mistakes_of("- {id: S, check: {of: E1}, expect: {task_state: finished}}") == []


@pytest.mark.parametrize(("action", "expected"), ACTIONS, ids=lambda value: str(value)[:60])
def test_one_mistake(action, expected):
    assert mistakes_of(f"- {{id: S, {action}}}") == expected


def test_a_fleet_that_speaks_what_there_is_not():
    text = HEAD.replace("meters: {count: 4}", "meters: {count: 4, flow: coap}")
    with pytest.raises(ScenarioFault) as caught:
        load_bytes(text.encode(), "x.yaml", Path())
    assert [str(mistake) for mistake in caught.value.mistakes] == [
        "x.yaml:5:35: fleets.meters.flow: expected one of fuse, mqtt, south, studio, found 'coap'"
    ]


def test_a_step_that_no_step_can_be():
    head = HEAD[: HEAD.index("  - {id: E1")]
    assert mistakes_of("- {id: a, pause_task: {of: b}}", "- {id: c, clear_injected: {by: d}}", head=head) == [
        "7:30: steps.a.pause_task.of: no step is named b, and none creates a task",
        "8:34: steps.c.clear_injected.by: no step is named d, and none injects a fault",
    ]


def test_only_steps_that_inject_are_named_for_a_fault():
    found = mistakes_of("- {id: bad, buy: x}", "- {id: c, clear_injected: {by: zz}}")
    assert found[1] == "10:34: steps.c.clear_injected.by: no step is named zz; faults are injected by F1"


def test_the_clock_is_known_after_steps_that_move_it():
    step = "- {id: S, " + TASK + "devices: meters, start_at: 2021-06-02T00:00:00+08:00}}"
    assert mistakes_of("- {id: day, advance: 24h}", step) == []
    (mistake,) = mistakes_of("- {id: day, advance: 25h}", step)
    assert "would start in the past" in mistake
