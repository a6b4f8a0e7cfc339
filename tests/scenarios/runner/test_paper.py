"""The platform on paper, without any: time, pauses, scopes, and who must be taken in."""

from pathlib import Path

from msgspec import structs

from scenarios.loader.files import load_bytes
from scenarios.runner.compare import compare_prediction
from scenarios.runner.paper import Paper
from scenarios.runner.shelf import TakenIn

HEAD = """\
version: 1
name: x
clock: 2021-06-01T00:00:00+08:00
policy: {charging_date: 2021-04-02T00:00:00+08:00, free_devices: 3}
fleets: {sleepers: {count: 4, connect: false}, loggers: {count: 4, flow: fuse}, meters: {count: 1}}
steps:
"""
NOW_MS = 1_622_476_800_000
MINUTE_MS = 60_000


class Told:
    """A play on paper, its steps done one after the other at a clock of the test's own."""

    def __init__(self, steps):
        (play,) = load_bytes((HEAD + steps).encode(), "x.yaml", Path())
        self.steps = list(play.steps)
        self.paper = Paper(play, lambda: 0)
        self.paper.set_up()
        self.now_ms = NOW_MS

    def next(self, **more):
        """Do the next step; answers what it must come to."""
        step = self.steps.pop(0)
        device_ids = self.paper.roster.select(getattr(step.action, "devices", ()))
        seen = self.paper.perform(step, device_ids, self.now_ms, **more)
        self.now_ms += getattr(step.action, "span_ms", 0)
        return seen


def told(seen):
    return [(d.what, d.expected, d.seen) for d in seen]


def test_a_job_that_the_platform_forgot_to_expire_is_a_difference():
    paper = Told("""\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "sleepers[1-2]"}}
  - {id: over, advance: 10 min}
  - {id: look, check: {of: a}, expect: {deducted: 2}}
""")
    assert (paper.next().outcome, paper.next().outcome) == ("created", "done")
    predicted = paper.next(really={"a": {1: "pending", 2: "pending"}})
    assert (predicted.jobs, predicted.task_state) == ({"failed": 2}, "finished")
    seen = structs.replace(predicted, jobs={"pending": 2}, task_state="upgrading")
    assert told(compare_prediction(predicted, seen)) == [
        ("task_state", "finished", "upgrading"),
        ("jobs.failed", 2, 0),
        ("jobs.pending", 0, 2),
    ]


def test_arrears_stop_the_time_of_a_job_and_a_pause_does_not():
    paper = Told("""\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "sleepers[1]"}}
  - {id: b, create_task: {kind: SOTA, target: "2", devices: "sleepers[1]", start_in: 8 min, expires: 4 min}}
  - {id: pause, pause_task: {of: a}}
  - {id: five, advance: 5 min}
  - {id: bill, post: {amount: -1}}
  - {id: month, advance: 30d}
  - {id: open, check: {of: a}, expect: {deducted: 1}}
  - {id: paid, top_up: 1}
  - {id: four, advance: 4 min}
  - {id: still, check: {of: a}, expect: {deducted: 1}}
  - {id: one, advance: 1 min}
  - {id: over, check: {of: a}, expect: {deducted: 1}}
  - {id: other, check: {of: b}, expect: {deducted: 1}}
""")
    states = [seen.task_state for seen in (paper.next() for _ in range(13)) if seen.task_state is not None]
    # the other one was held from its start on: 4 minutes from the payment
    assert states == ["paused", "paused", "paused", "finished", "finished"]


def test_all_of_a_scope_are_told_without_the_platform():
    paper = Told("""\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "sleepers[1]"}}
  - {id: b, cancel_task: {of: a}}
  - {id: c, create_task: {kind: FOTA, target: "2", scope: all, start_versions: "1.0"}}
  - {id: d, create_task: {kind: SOTA, target: "2", scope: all, start_versions: never}}
""")
    paper.next()
    paper.next()
    assert (paper.next().reason, paper.next().reason) == ("licences_insufficient", "conflict")


def taken(paper, device_id, state="success", step="a"):
    return TakenIn(device_id=device_id, package=paper.paper.roster.packages[step], state=state)


def test_who_is_taken_in_must_be_wanted_and_paid_for():
    paper = Told("""\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "sleepers[1]"}}
  - {id: policy, auto_add: {of: a, start_versions: "1.0"}}
""")
    paper.next()
    auto_adds = paper.paper.auto_adds
    assert not auto_adds.is_used
    paper.next()
    assert auto_adds.is_used
    assert auto_adds.outstanding(NOW_MS) == 2  # four loggers ask, and two licences are left
    seen = {10: taken(paper, 5), 11: taken(paper, 7, "upgrading"), 12: taken(paper, 6), 13: taken(paper, 5)}
    auto_adds.learn(seen, NOW_MS)
    # 6 came too many: no licence was left; 5 is at the target already
    assert auto_adds.counts(seen) == {"success": 1, "upgrading": 1}
    assert auto_adds.outstanding(NOW_MS) == 0
    auto_adds.learn(seen | {11: taken(paper, 7, "failed")}, NOW_MS)
    paper.paper.roster.licensed.clear()
    assert auto_adds.outstanding(NOW_MS) == 0, "a failed one is the operator's to retry"


def test_a_device_over_mqtt_is_wanted_only_when_it_has_come_back():
    paper = Told("""\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "sleepers[1]"}}
  - {id: early, reconnect: {devices: meters}}
  - {id: policy, auto_add: {of: a}}
  - {id: back, reconnect: {devices: meters}}
  - {id: grant, grant: {count: 9}}
""")
    auto_adds = paper.paper.auto_adds
    for _ in range(3):
        paper.next()
    assert auto_adds.outstanding(NOW_MS) == 2
    paper.next()
    paper.next()
    assert auto_adds.outstanding(NOW_MS) == 5
