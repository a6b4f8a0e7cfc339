"""Random histories of a device and a platform in memory: whatever gets lost, a job is done once, and ends."""

import random

import pytest

from device_sim.core.effects import Call, CallRefused, Fetch, JobEnded, Outcome, StopCall, StopFetch
from device_sim.core.events import (
    Answered,
    CallAnswered,
    CallFailed,
    CardReplaced,
    Chunk,
    Fetched,
    FetchFailed,
    PowerOff,
    PowerOn,
)
from device_sim.core.profile import Profile
from device_sim.core.state import Link, Stage
from device_sim.core.wheel import NEVER
from tests.device_sim.core.http_story import FLOWS, HttpStory, envelope, offer
from tests.device_sim.core.story import PACKAGE, partial

PROFILE = Profile(
    start_jitter_ms=50, chunk_bytes=300, install_ms=20, reboot_ms=30, poll_ms=100, download_tries=40
)


class Walk:
    """A platform with one job, and a network that loses much."""

    def __init__(self, flow, seed):
        self.story, self.flow, self.random = HttpStory(flow, PROFILE), flow, random.Random(seed)
        self.calls, self.fetches, self.ended = [], [], []
        self.steps, self.versions = [], []
        self.tokens = 0

    @property
    def is_done(self):
        return bool(self.steps) and self.steps[-1] > 101

    def run(self):
        self.take(self.story.tell(PowerOn()))
        for _ in range(5_000):
            assert len(self.calls) + len(self.fetches) <= 1  # one thing at a time
            if self.calls:
                self.answer(self.calls.pop())
            elif self.fetches:
                self.serve(self.fetches.pop())
            else:
                assert self.story.device.due_ms != NEVER, "it waits for nothing"
                self.take(self.story.tick())
            if self.is_done and not self.story.device.is_busy and self.story.device.link is Link.PRESENT:
                return
            self.disturb()
        raise AssertionError("it never ended")

    def take(self, effects):
        for effect in effects:
            match effect:
                case Call():
                    self.calls.append(effect)
                case Fetch():
                    self.fetches.append(effect)
                case StopCall():
                    self.calls.clear()
                case StopFetch():
                    self.fetches.clear()
                case JobEnded():
                    self.ended.append(effect)
                case CallRefused():
                    pass

    def disturb(self):
        chance = self.random.random()
        if chance < 0.01:
            self.take(self.story.tell(CardReplaced("1", "2")))
        elif chance < 0.02 and not self.is_done:
            self.take(self.story.tell(PowerOff()))
            assert self.calls == self.fetches == []
            self.take(self.story.tell(PowerOn()))

    def answer(self, call):
        """Carry a call out or not, and let the answer come or not."""
        chance = self.random.random()
        if chance < 0.1:
            self.take(self.story.tell(CallFailed("cut before it came")))
        elif chance < 0.15:
            self.take(self.story.answer(status=self.random.choice([500, 503])))
        elif chance < 0.2:
            self.take(self.story.answer({"fuse": 10403}.get(self.flow, 1), "auth"))
        else:
            answer = self.carry_out(call)
            lost = self.random.random() < 0.15
            event = (
                CallFailed("the answer was lost") if lost else CallAnswered(200, envelope(self.flow, *answer))
            )
            self.take(self.story.tell(event))

    def carry_out(self, call):
        path = call.path.partition("?")[0]
        if path.endswith("/version"):
            self.versions.append(call.body)
            if b'"f_version":"2.0"' in call.body and not self.is_done:
                self.steps.append(201)
        elif "type=1" in call.path:
            if self.is_done:
                return {"fuse": 12012, "studio": 10, "south": 11}[self.flow], "not exist"
            changes = {"status": 3 if 101 in self.steps else 1}
            if self.flow == "south":
                self.tokens += self.random.random() < 0.2
                changes = {"token": f"ota_{self.tokens:020}"}
            return 0, "succ", offer(self.flow, **changes)
        elif "type=2" in call.path:
            return {"fuse": 12012, "studio": 10, "south": 11}[self.flow], "not exist"
        elif self.flow == "south" and f"ota_{self.tokens:020}" not in call.path:
            return 12, "token expired"
        elif call.body:
            return self.step(int(call.body.split(b":")[1].rstrip(b"}")))
        return 0, "succ"

    def step(self, step):
        out_of_place = ({"fuse": 12016}.get(self.flow, 21), "invalid state")
        if self.steps and self.steps[-1] == step:
            return 0, "succ"
        if self.is_done:
            return 20, "task finish"
        if step < 100 and 101 in self.steps:
            return out_of_place
        if step != 101 or 101 not in self.steps:
            self.steps.append(step)
        return 0, "succ"

    def serve(self, fetch):
        tell = self.story.tell
        if self.flow == "south" and f"ota_{self.tokens:020}" not in fetch.path:
            events = [Answered(200), Chunk(b"3"), Fetched()]
        else:
            part = PACKAGE[fetch.start : fetch.stop]
            cut = self.random.randrange(len(part)) if self.random.random() < 0.3 else len(part)
            end = Fetched() if cut == len(part) else FetchFailed("cut")
            events = [partial(fetch.start, fetch.stop, len(PACKAGE)), Chunk(part[:cut]), end]
        for event in events:
            if self.story.device.stage is Stage.FETCHING:
                self.take(tell(event))


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("seed", range(60))
def test_a_job_is_done_once_whatever_gets_lost(flow, seed):
    walk = Walk(flow, seed)
    walk.run()
    assert walk.steps.count(201) == 1
    assert [step for step in walk.steps if step > 101 and step != 201] == []
    assert walk.story.device.f_version == "2.0"
    assert [ended.outcome for ended in walk.ended].count(Outcome.FAILED) == 0
    assert walk.versions[-1] == walk.story.version("2.0").body
