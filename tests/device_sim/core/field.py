"""A device of any flow in the field: a platform in memory, a network that may lose much, and a clock set by hand.

The platform takes steps as onenet-protocol, section 5, says. What must hold of a device whatever happens to it is
checked after every event: it runs what was downloaded whole, and tells what it runs.
"""

import json
import random
from dataclasses import dataclass, field

import pytest

from device_sim.core.effects import (
    Call,
    CallRefused,
    CallsAccepted,
    Connect,
    Disconnect,
    Fetch,
    JobEnded,
    JobStarted,
    Noted,
    PowerLost,
    PowerRestored,
    Send,
    StopCall,
    StopFetch,
    Struck,
)
from device_sim.core.events import (
    Answered,
    CallAnswered,
    CallFailed,
    Chunk,
    FaultsSet,
    Fetched,
    FetchFailed,
    LinkDown,
    LinkUp,
    PowerOn,
    Received,
    Tick,
    TimePassed,
)
from device_sim.core.faults import Fault
from device_sim.core.profile import Profile
from device_sim.core.state import Stage
from device_sim.core.wheel import NEVER
from platform_stub.protocol import messages, topics
from tests.device_sim.core.http_story import FLOWS as HTTP_FLOWS
from tests.device_sim.core.http_story import NO_TASK, HttpStory, envelope, offer
from tests.device_sim.core.story import PACKAGE, AnyStory, Story, inform_payload, partial

FLOWS = ["mqtt", *HTTP_FLOWS]
FIELD = Profile(start_jitter_ms=0, chunk_bytes=400, poll_ms=1_000)
OUT_OF_PLACE = {"mqtt": 12016, "fuse": 12016, "studio": 21, "south": 21}
BEFORE_UPGRADING = {"pending", "downloading"}
PIECE = 100


@dataclass
class PlatformJob:
    """A job as the platform sees it."""

    tid: int
    kind: int
    target: str
    package: bytes
    passed_on: dict = field(default_factory=dict)
    state: str = "pending"
    steps: list = field(default_factory=list)
    taken: dict = field(default_factory=dict)  # bytes that the device took, by their place

    @property
    def is_open(self) -> bool:
        return self.state in {"pending", "downloading", "upgrading"}

    @property
    def token(self) -> str:
        return f"ota_{self.tid:020}"

    def step(self, flow: str, step: int) -> int:
        """Take a step; the answer's code."""
        if self.steps and self.steps[-1] == step:
            return 0
        if not self.is_open:
            return 20
        if step <= 107 and self.state not in BEFORE_UPGRADING:
            return OUT_OF_PLACE[flow]
        self.steps.append(step)
        if step >= 102:
            self.state = "success" if step == 201 else "failed"
        else:
            self.state = "downloading" if step < 100 else "upgrading"
        return 0


class Field:
    """A device among its platform, its network and its faults. `chaos` loses, cuts and corrupts."""

    def __init__(self, flow, *faults: Fault, profile=FIELD, chaos: random.Random | None = None, **fields):
        self.flow, self.chaos = flow, chaos
        self.story: AnyStory = (
            Story(profile, **fields) if flow == "mqtt" else HttpStory(flow, profile, **fields)
        )
        self.jobs: list[PlatformJob] = []
        self.todo: list = []  # effects that are still to be carried out
        self.is_up = False
        self.ran: tuple = (None, None)  # before the event
        self.wire: list = []  # what was said: (now_ms, "step" or "version", value)
        self.struck: list[Struck] = []
        self.ended: list[JobEnded] = []
        self.stages: list[Stage] = [Stage.IDLE]
        self.noted: list[str] = []
        self.wrong = {fault.version for fault in faults if fault.version}
        if faults:
            self.tell(FaultsSet(faults))

    # what happens

    @property
    def device(self):
        return self.story.device

    @property
    def now_ms(self) -> int:
        return self.story.now_ms

    def on(self) -> "Field":
        self.tell(PowerOn())
        return self

    def tell(self, event) -> None:
        """Give the device an event, and look whether it is still what it says it is."""
        self._let(lambda: self.story.tell(event))

    def wait(self, by_ms: int) -> None:
        """Let real time go on, without anything coming due but what the device wants."""
        until = self.now_ms + by_ms
        while self.step_once(until):
            pass
        self.story.now_ms = until

    def pass_time(self, by_ms: int) -> None:
        self.tell(TimePassed(by_ms))

    def job(self, *, kind=1, target="2.0", package=PACKAGE, **passed_on) -> PlatformJob:
        job = PlatformJob(len(self.jobs) + 41, kind, target, package, passed_on)
        self.jobs.append(job)
        self.tell_again()
        return job

    def tell_again(self) -> None:
        """Tell a device that is there of its jobs (M-26)."""
        if self.flow == "mqtt" and self.is_up:
            self.todo += [("inform", job) for job in self.jobs if job.state in BEFORE_UPGRADING]

    def run(self, most: int = 3_000) -> "Field":
        """Go on until nothing is left to do."""
        for _ in range(most):
            if not self.step_once():
                return self
        pytest.fail(f"it never ended: {self.device.link.name} {self.device.stage.name}")

    def until(self, has_come) -> "Field":
        """Go on until then."""
        while not has_come(self.device):
            assert self.step_once(), "nothing is left to do, and it has not come"
        return self

    def until_stage(self, stage: Stage) -> "Field":
        return self.until(lambda device: device.stage is stage)

    def step_once(self, until_ms: int = NEVER) -> bool:
        """Carry one effect out, or let time go on to when the device wants it; False when nothing is left."""
        if self.todo:
            self._carry_out(self.todo.pop(0))
            return True
        due_ms = self.device.due_ms
        is_wanted = self.device.is_busy or (self.flow != "mqtt" and any(job.is_open for job in self.jobs))
        if due_ms > until_ms or due_ms == NEVER or (until_ms == NEVER and not is_wanted):
            return False
        self.story.now_ms = max(self.now_ms, due_ms)
        self._let(lambda: self.device.handle(Tick(), self.now_ms))
        return True

    def _let(self, handle) -> None:
        self.ran = self.device.f_version, self.device.s_version
        self._take(handle())
        self._look(self.ran)

    # the network

    def _take(self, effects) -> None:
        for effect in effects:
            match effect:
                case Disconnect():
                    self.is_up = False
                    self.todo = [each for each in self.todo if isinstance(each, Fetch)]
                case StopFetch():
                    self.todo = [each for each in self.todo if not isinstance(each, Fetch)]
                case StopCall():
                    self.todo = [each for each in self.todo if not isinstance(each, Call)]
                case Struck():
                    self.struck.append(effect)
                case JobEnded():
                    self.ended.append(effect)
                case Noted():
                    self.noted.append(effect.what)
                case JobStarted() | CallRefused() | CallsAccepted() | PowerLost() | PowerRestored():
                    pass
                case _:
                    self._check_version(effect)
                    self.todo.append(effect)
        if self.device.stage is not self.stages[-1]:
            self.stages.append(self.device.stage)

    def _check_version(self, effect) -> None:
        """It tells what it runs when it tells it: after the event, or before what else the event has led to."""
        if isinstance(effect, Send) and effect.suffix == topics.VERSION:
            said = json.loads(effect.payload)["params"]
        elif isinstance(effect, Call) and effect.path.partition("?")[0].endswith("/version"):
            said = {name: None if value == "0" else value for name, value in json.loads(effect.body).items()}
        else:
            return
        runs = self.device.f_version, self.device.s_version
        told = said.get("f_version"), said.get("s_version")
        assert told in {self.ran, runs}, f"it tells {told}, and runs {runs}"

    def _look(self, before) -> None:
        """It runs what it ran, what it downloaded whole, what a fault makes of that, or, in the MCU, nothing."""
        for at, (was, runs) in enumerate(
            zip(before, (self.device.f_version, self.device.s_version), strict=True)
        ):
            if was == runs or runs in self.wrong or (at == 1 and runs is None):
                continue
            whole = [
                job
                for job in self.jobs
                if job.kind == at + 1
                and bytes(job.taken.get(i, 0) for i in range(len(job.package))) == job.package
            ]
            assert runs in {job.target for job in whole}, f"it runs {runs}, which it never downloaded whole"

    def _lost(self, chance: float) -> bool:
        return self.chaos is not None and self.chaos.random() < chance

    def _carry_out(self, effect) -> None:
        match effect:
            case Connect():
                self._connect()
            case Send():
                self._publish(effect)
            case Call():
                self._call(effect)
            case Fetch():
                self._serve(effect)
            case ("inform", job):
                if self.is_up and job.is_open:
                    self._down(
                        topics.INFORM, inform_payload(job.tid, job.package, type=job.kind, target=job.target)
                    )
            case ("reply", suffix, message_id, code):
                payload = messages.encode(messages.Reply(id=message_id, code=code or 200))
                self._down(suffix, payload)

    def _connect(self) -> None:
        if self._lost(0.1):
            self.tell(LinkDown())
            return
        self.is_up = True
        self.tell(LinkUp())

    def _down(self, suffix, payload) -> None:
        if self.is_up and not self._lost(0.05):
            self.tell(Received(suffix, payload))

    def _publish(self, send) -> None:
        if not self.is_up:
            return
        if self._lost(0.05):
            self.is_up = False
            self.tell(LinkDown())
            return
        said = json.loads(send.payload)
        match send.suffix:
            case topics.STATUS:
                code = self._take_step(said["params"]["tid"], said["params"]["step"])
                self.todo.append(("reply", topics.STATUS_REPLY, said["id"], code))
            case topics.VERSION:
                params = said["params"]
                self._take_version(params.get("f_version"), params.get("s_version"))
                self.todo.append(("reply", topics.VERSION_REPLY, said["id"], 0))
                self.tell_again()
            case topics.PROPERTY_POST:
                self.todo.append(("reply", topics.PROPERTY_POST_REPLY, said["id"], 0))

    # the platform

    def _take_step(self, tid, step) -> int:
        self.wire.append((self.now_ms, "step", step))
        (job,) = (job for job in self.jobs if job.tid == tid)
        return job.step(self.flow, step)

    def _take_version(self, f_version, s_version) -> None:
        self.wire.append((self.now_ms, "version", (f_version, s_version)))
        for job in self.jobs:
            if job.is_open and job.target == (f_version if job.kind == 1 else s_version):
                job.state = "success"

    def _call(self, call) -> None:
        if self._lost(0.05):
            self.tell(CallFailed("cut before it came"))
            return
        code, data = self._answer(call)
        if self._lost(0.05):
            self.tell(CallFailed("the answer was lost"))
            return
        self.tell(CallAnswered(200, envelope(self.flow, code, "text", data)))

    def _answer(self, call):
        path, _, query = call.path.partition("?")
        body = json.loads(call.body) if call.body else {}
        if path.endswith("/version"):
            self._take_version(
                *(None if body.get(at) == "0" else body.get(at) for at in ("f_version", "s_version"))
            )
            return 0, None
        if "step" in body or "result" in body:
            step = body.get("step", body.get("result"))
            return self._take_step(self._job_of(call.path).tid, step), None
        if self.flow == "south" and "/download/" in path:
            return (0 if self._job_of(path).is_open else 20), None
        if "type=" not in query:
            return {"fuse": 12001, "studio": 2, "south": 2}[self.flow], None
        kind = int(query.split("type=")[1][0])
        for job in self.jobs:
            if job.kind == kind and job.is_open:
                return 0, self._offer(job)
        return NO_TASK[self.flow], None

    def _offer(self, job):
        changes = {"target": job.target} | job.passed_on
        if self.flow == "south":
            return offer("south", job.tid, job.package, token=job.token, **changes)
        return offer(self.flow, job.tid, job.package, status=3 if job.state == "upgrading" else 1, **changes)

    def _job_of(self, path) -> PlatformJob:
        (job,) = (job for job in self.jobs if job.token in path or f"/{job.tid}/" in path)
        return job

    def _serve(self, fetch) -> None:
        job = self._job_of(fetch.path)
        if not job.is_open:
            self._fail_download()
            return
        if job.state == "pending":
            job.state = "downloading"
        part = bytearray(job.package[fetch.start : fetch.stop])
        if part and self._lost(0.03):
            part[self.chaos.randrange(len(part))] ^= 1
        stop = self.chaos.randrange(len(part)) if self._lost(0.1) else len(part)
        events = [partial(fetch.start, fetch.stop, len(job.package))]
        events += [Chunk(bytes(part[at : min(at + PIECE, stop)])) for at in range(0, stop, PIECE)]
        events.append(Fetched() if stop == len(part) else FetchFailed("cut"))
        for event in events:
            under_way = self.device.job
            if self.device.stage is not Stage.FETCHING or under_way is None:
                return
            download = under_way.download
            start = download.position
            self.tell(event)
            if isinstance(event, Chunk):
                kept = under_way.download.position - start
                job.taken.update(zip(range(start, start + kept), event.data, strict=False))

    def _fail_download(self) -> None:
        if self.flow in {"mqtt", "fuse"}:
            self.tell(Answered(200, "5", None, 0))
            return
        for event in (Answered(200), Chunk(b"3"), Fetched()):
            if self.device.stage is Stage.FETCHING:
                self.tell(event)

    # what is asked about it

    def steps(self, job=None) -> list[int]:
        """The steps that the platform took, repeats left out."""
        return (job or self.jobs[0]).steps

    def said(self) -> list[int]:
        """The steps that came, repeats and all."""
        return [value for _, what, value in self.wire if what == "step"]

    def versions(self) -> list:
        return [value for _, what, value in self.wire if what == "version"]

    def kinds(self) -> list[str]:
        return [struck.what for struck in self.struck]
