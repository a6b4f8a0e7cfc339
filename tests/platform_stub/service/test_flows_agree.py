"""One table for every flow: whatever is done to a job, in whatever order, A, B, C and MQTT leave it the same.

Four devices of one task, one a flow; each step of a random history is done to all four. What the job must be is
written down here once more, as a small model that shares no code with the platform.
"""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from platform_stub.protocol.calls import Generation
from platform_stub.protocol.codes import UpdateKind
from platform_stub.rules import events as ev
from platform_stub.service import tasks
from platform_stub.service.device_calls import Offer
from platform_stub.service.platform import Platform
from platform_stub.store.engine import open_store
from tests.platform_stub.service.conftest import REAL_MS
from tests.platform_stub.service.field import Field, Radio, ready

A, B, C = Generation.SOUTH, Generation.STUDIO, Generation.FUSE
FLOWS = [A, B, C, None]  # None: MQTT
LIFE_MS = 600_000

STEPS = [0, 50, 99, 100, 101, 102, 107, 150, 201, 202, 208]
ACTIONS = st.lists(
    st.sampled_from(
        [
            *(("step", step) for step in STEPS),
            *[("start", None)] * 3,
            *[("check", None)] * 2,
            *(("version", version) for version in ("1.0", "1.1", "2.0")),
            *((what, None) for what in ("pause", "resume", "cancel", "arrears", "paid")),
            *(("wait", ms) for ms in (1, LIFE_MS // 2, LIFE_MS)),
        ]
    ),
    min_size=1,
    max_size=12,
)


class Model:
    """A job in plain words: its state, last step, and what holds it."""

    def __init__(self, strict):
        self.strict = strict
        self.state, self.step = "pending", None
        self.paused = self.arrears = False
        self.left_ms = LIFE_MS

    @property
    def is_open(self):
        return self.state in {"pending", "downloading", "upgrading"}

    def pass_time(self, ms):
        if not (self.arrears and self.state == "pending"):  # P10: expiry stands still
            self.left_ms -= ms

    def look(self):
        """What any call does first."""
        if self.is_open and self.left_ms <= 0 and not (self.arrears and self.state == "pending"):
            self.state, self.step = "failed", 208

    def start(self):
        self.look()
        if self.state == "pending" and not self.paused and not self.arrears:
            self.state = "downloading"

    def report(self, step):
        """Whether the step was accepted."""
        self.look()
        ends = {201: "success", **dict.fromkeys((102, 107, 202, 208), "failed")}
        led_to = ends.get(step) or ("upgrading" if step in {100, 101} else "downloading")
        if step == self.step and led_to == self.state:
            return True  # repeated
        held = (self.paused and self.state in {"pending", "downloading"}) or (
            self.arrears and self.state == "pending"
        )
        if not self.is_open or held or step == 150:
            return False
        legal = {
            "pending": {101, 102, 107, 201, 202, 208},
            "downloading": {0, 50, 99, 100, 101, 102, 107, 201, 202, 208},
            "upgrading": {201, 202, 208},
        }[self.state]
        if step not in legal or (self.strict and step == 201 and self.state != "upgrading"):
            return False
        self.state, self.step = led_to, step
        return True

    def say_version(self, version):
        self.look()
        if version == "2.0" and self.is_open and (not self.strict or self.state == "pending"):
            self.state = "success"


class Story:
    """The field, the task, and what is done to both it and the model."""

    def __init__(self, field, strict):
        self.field, self.model = field, Model(strict)
        self.is_over = False  # cancelled, or out of jobs: the operator's calls are refused

    async def begin(self):
        await self.field.prepare(count=4)
        self.task = await self.field.task((0, 1, 2, 3))
        self.tids = [self.field.tid(self.task, at) for at in range(4)]
        self.session = await ready(self.field, at=3)

    async def do(self, what, how):
        if what in {"step", "start", "check", "version"}:
            await getattr(self, f"_{what}")(how)
        elif what == "wait":
            self.field.clock[0] += how
            self.model.pass_time(how)
        elif what in {"arrears", "paid"}:
            await self._post(arrears=what == "arrears")
        else:
            await self._operate(what)

    async def _step(self, step):
        accepted = self.model.report(step)
        got = await asyncio.gather(*(self._report(at, flow, step) for at, flow in enumerate(FLOWS)))
        assert got == [accepted] * 4, step

    async def _report(self, at, flow, step):
        if flow is None:
            return await self.field.status(self.session, self.tids[at], step) == 200
        return await self.field.step(self.tids[at], step, flow, at) is None

    async def _start(self, _):
        self.model.start()
        for at, flow in enumerate(FLOWS):
            calls, caller = self.field.calls, self.field.caller(flow or C, at)
            if flow is A:
                offer = await calls.check(caller, UpdateKind.FOTA, self.field.device(at).f_version)
                if isinstance(offer, Offer):
                    await calls.check_token(caller, offer.token)
            elif flow is None:
                await calls.open_download(caller, self.tids[at])
            else:
                await calls.job_state(caller, self.tids[at])

    async def _check(self, _):
        version = self.field.device(0).f_version
        self.model.say_version(version)
        for at, flow in enumerate(FLOWS):
            await self.field.check(flow or C, version, at=at)

    async def _version(self, version):
        self.model.say_version(version)
        for at, flow in enumerate(FLOWS):
            if flow is None:
                await self.field.version(self.session, f_version=version)
            else:
                await self.field.calls.report_versions(self.field.caller(flow, at), version, None)

    async def _post(self, *, arrears):
        if arrears != self.model.arrears:
            await self.field.act(ev.Post(amount_fen=-1 if arrears else 1, reason="bill"))
            self.model.look()  # what was due before the hold is due
            self.model.arrears = arrears

    async def _operate(self, what):
        answer = await self.field.write(getattr(tasks, what), self.task.task_id)
        done = hasattr(answer, "task_id")
        if done and what == "cancel" and self.model.is_open:
            self.model.state = "cancelled"
        elif done and what in {"pause", "resume"}:
            self.model.paused = what == "pause"

    async def check(self):
        """All four look at their job, and find what the model has."""
        self.model.look()
        await asyncio.gather(*(self.field.job_step_refused(self.tids[at], at) for at in range(4)))
        found = [self.field.job(self.task, at) for at in range(4)]
        assert found == [(self.model.state, self.model.step)] * 4


async def play(store, actions, strict):
    clock, radio = [REAL_MS], Radio()
    platform = Platform(store, lambda: clock[0], strict=strict)
    platform.attach(radio)
    try:
        story = Story(Field(platform, radio, clock), strict)
        await story.begin()
        for what, how in actions:
            await story.do(what, how)
            await story.check()
    finally:
        await platform.close()
        store.close()


@pytest.mark.long
@settings(max_examples=80, deadline=None)
@given(actions=ACTIONS, strict=st.booleans())
@example(actions=[("step", 100)], strict=False)
@example(
    actions=[("start", None), ("pause", None), ("step", 50), ("step", 101), ("resume", None), ("step", 101)],
    strict=False,
)
@example(actions=[("start", None), ("step", 201)], strict=True)
@example(
    actions=[("arrears", None), ("wait", LIFE_MS), ("paid", None), ("step", 101), ("step", 201)], strict=False
)
@example(actions=[("start", None), ("arrears", None), ("wait", LIFE_MS), ("step", 101)], strict=False)
@example(actions=[("step", 101), ("step", 101), ("pause", None), ("version", "2.0")], strict=False)
def test_all_flows_leave_a_job_as_the_model_has_it(actions, strict):
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(open_store(Path(folder)), actions, strict))


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS, strict=st.booleans())
@example(
    actions=[("start", None), ("pause", None), ("step", 50), ("step", 101), ("resume", None), ("step", 101)],
    strict=False,
)
@example(
    actions=[("arrears", None), ("wait", LIFE_MS), ("paid", None), ("step", 101), ("step", 201)], strict=False
)
def test_all_flows_leave_a_job_in_postgresql_as_the_model_has_it(cluster, actions, strict):
    asyncio.run(play(open_store(cluster.url(), drops=True), actions, strict))
