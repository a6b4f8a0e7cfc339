"""Random walks of one job through all flows at once, over the wire, held against a model written from the facts alone.

The model is this file's `Job`: it shares no code with the stub. A walk is its seed; a failure prints the way that led to it.
"""

import random
from dataclasses import dataclass

import pytest

from tests.facts.shop import CONTENT, open_shop

FLOWS = ("south", "studio", "fuse", "mqtt")
STEPS = (0, 35, 99, 100, 101, 101, 102, 105, 107, 201, 201, 203, 206, 207)
ENDS = {
    # how the job ended: the number that says so
    "finished": {"south": 20, "studio": 20, "fuse": 20},
    "reported": {"south": 20, "studio": 20, "fuse": 12013},
    "cancelled": {"south": 22, "studio": 22, "fuse": 20},
    "expired": {"south": 12, "studio": 12, "fuse": 12014},
}
PAUSED = {"south": 19, "studio": 10, "fuse": 12012}
OUT_OF_PLACE = {"south": 21, "studio": 21, "fuse": 12016}
NO_TASK = {"south": 11, "studio": 10, "fuse": 12012}
NUMBERS = {"pending": 1, "downloading": 2, "upgrading": 3, "success": 4, "failed": 5, "cancelled": 6}


@dataclass
class Job:
    """Where the facts say that the job stands."""

    state: str = "pending"
    step: int | None = None
    led_here: int | None = None
    end: str = ""
    paused: bool = False
    version: str = "1.0"
    strict: bool = False

    @property
    def waits(self):
        return self.paused and self.state in {"pending", "downloading"}

    def finish(self, end, state):
        self.end, self.state, self.paused = end, state, False

    def take_step(self, step):
        """Say `ok`, `place`, `paused`, or how the job ended."""
        if step == self.led_here:
            return "ok"
        if self.end:
            return self.end
        if self.waits:
            return "paused"
        if step <= 100 and self.state != "downloading":
            return "place"
        if 101 <= step <= 107 and self.state == "upgrading":
            return "place"
        if self.strict and step == 201 and self.state != "upgrading":
            return "place"
        self.step = self.led_here = step
        if step in {100, 101}:
            self.state = "upgrading"
        elif step == 201:
            self.finish("finished", "success")
            self.version = "2.00"
        elif step > 101:
            self.finish("finished", "failed")
        return "ok"

    def take_version(self, version):
        self.version = version
        if version == "2.00" and not self.end and not (self.strict and self.state != "pending"):
            self.led_here = None
            self.finish("reported", "success")
            return True
        return False

    def start(self):
        if self.state == "pending" and not self.paused:
            self.state = "downloading"


def number_of(reply):
    return reply.json.get("code", reply.json.get("errno"))


class Walk:
    """A device with one job, what it is told, and what the model says that it should be told."""

    def __init__(self, shop, device, task, tid, token, line, seed, *, strict):
        self.shop, self.device, self.line = shop, device, line
        self.task, self.tid, self.token = f"/v1/tasks/{task['task_id']}", tid, token
        self.draw = random.Random(seed)
        self.job, self.way = Job(strict=strict), []
        self.flows = FLOWS[:3] if strict else FLOWS  # MQTT at one report a second would take its time

    def same(self, what, got, wanted):
        self.way.append(f"{what} -> {got}")
        assert got == wanted, "\n".join([*self.way, f"wanted {wanted}; {self.job}"])

    async def one(self):
        moves = (
            [self.step] * 6
            + [self.state] * 2
            + [self.download] * 2
            + [self.check] * 2
            + [self.report, self.pause]
        )
        if self.draw.random() < 0.05:
            moves = [self.cancel, self.expire]
        await self.draw.choice(moves)()
        row = await self.device.job()
        self.same("job", (row["state"], row["step"]), (self.job.state, self.job.step))
        self.same("version", (await self.device.versions())[0], self.job.version)

    async def step(self):
        flow, step = self.draw.choice(self.flows), self.draw.choice(STEPS)
        said = self.job.take_step(step)
        said = "finished" if said == "reported" else said  # 12013 is a check's
        numbers = {"ok": dict.fromkeys(FLOWS, 0), "place": OUT_OF_PLACE, "paused": PAUSED, **ENDS}[said]
        if flow == "mqtt":
            body = {"id": "1", "version": "1.0", "params": {"tid": self.tid, "step": step}}
            got, wanted = (await self.line.ask("/ota/status", body))["code"], numbers["fuse"] or 200
        elif flow == "south" and self.draw.random() < 0.5:
            reply = await self.device.south(
                "POST", "/south/report", {"token": self.token}, body={"result": step}
            )
            got, wanted = number_of(reply), numbers[flow]
        elif flow == "south":
            path = f"/south/device/download/{self.token}/progress"
            got, wanted = number_of(await self.device.south("POST", path, body={"step": step})), numbers[flow]
        else:
            reply = await self.device.call(flow, "POST", f"/{self.tid}/status", body={"step": step})
            got, wanted = number_of(reply), numbers[flow]
        self.same(f"{flow} step {step}", got, wanted)

    async def state(self):
        flow = self.draw.choice(FLOWS[:3])
        waits = self.job.paused and self.job.state == "pending"
        again = self.job.state == "upgrading" or (self.job.strict and self.job.state == "downloading")
        self.job.start()
        if flow == "south":
            reply = await self.device.south("GET", f"/south/download/{self.token}/check")
            wanted = 19 if waits else 17 if again else 0
            if self.job.end:
                wanted = {"cancelled": 22, "expired": 12}.get(self.job.end, 17)
            self.same("south token check", number_of(reply), wanted)
            return
        reply = await self.device.call(flow, "GET", f"/{self.tid}/check")
        got = number_of(reply) or reply.json["data"]
        wanted = {"status": NUMBERS[self.job.state]}
        if waits:
            wanted = PAUSED[flow]
        elif self.job.end not in {"", "finished"}:
            wanted = ENDS[self.job.end][flow]
        self.same(f"{flow} state", got, wanted)

    async def download(self):
        flow = self.draw.choice(FLOWS[:3])
        first = self.draw.randrange(500)
        path = f"/south/download/{self.token}" if flow == "south" else f"/{self.tid}/download"
        refused = self.job.end or (self.job.paused and self.job.state == "pending")
        self.job.start()
        reply = await self.device.call(flow, "GET", path, headers=[f"Range: bytes={first}-{first + 49}"])
        got = [] if flow == "south" else [reply["Ota-Errno"]]
        wanted = [] if flow == "south" else ["5" if refused else "0"]
        failed = b"" if flow == "fuse" else b"1"
        self.same(
            f"{flow} bytes from {first}",
            [*got, reply.body],
            [*wanted, failed if refused else CONTENT[first : first + 50]],
        )

    async def check(self):
        flow, version = self.draw.choice(FLOWS[:3]), self.draw.choice(("1.0", "1.1", "1.0", "2.00"))
        reported = self.job.take_version(version)
        reply = await self.device.check(flow, version=version)
        got = number_of(reply) or reply.json["data"].get("status", "offer")
        if reported:
            wanted = ENDS["reported"][flow]
        elif self.job.end:
            ended = flow == "fuse" and self.job.end != "finished"
            wanted = ENDS[self.job.end]["fuse"] if ended else NO_TASK[flow]
        elif self.job.waits:
            wanted = PAUSED[flow]
        else:
            wanted = "offer" if flow == "south" else NUMBERS[self.job.state]
        self.same(f"{flow} check {version}", got, wanted)

    async def report(self):
        flow, version = self.draw.choice(self.flows), self.draw.choice(("1.0", "1.1", "1.2", "2.00"))
        self.job.take_version(version)
        if flow == "mqtt":
            body = {"id": "2", "version": "1.0", "params": {"f_version": version}}
            self.same(f"mqtt version {version}", (await self.line.ask("/ota/version", body))["code"], 200)
            return
        path = "/device/version" if flow == "south" else "/version"
        body = {"f_version": version, "s_version": "1.0"}
        self.same(
            f"{flow} version {version}", number_of(await self.device.call(flow, "POST", path, body=body)), 0
        )

    async def pause(self):
        if not self.job.end:
            self.job.paused = not self.job.paused
            await self.shop.operator("POST", f"{self.task}/{'pause' if self.job.paused else 'resume'}")
            self.way.append("pause" if self.job.paused else "resume")

    async def cancel(self):
        if not self.job.end:
            await self.shop.operator("POST", f"/v1/jobs/{self.tid}/cancellation")
            self.job.led_here = None
            self.job.finish("cancelled", "cancelled")
            self.way.append("cancel")

    async def expire(self):
        await self.shop.advance(600_000)
        if not self.job.end:
            self.job.step, self.job.led_here = 208, None
            self.job.finish("expired", "failed")
        self.way.append("expire")


@pytest.mark.fact(
    "J-1", "J-2", "J-3", "J-4", "J-5", "J-6", "J-7", "J-8", "J-9", "J-10", "J-11", "J-13", "J-14", "J-15", "M-29", "O-14", "R-7"
)  # fmt: skip
@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("strict", [False, True])
async def test_a_walk_through_all_flows(seed, strict):
    async with open_shop(strict=strict) as shop:
        device = await shop.device()
        task = await shop.task(await shop.package(), [device])
        tid, token = await device.tid(), await device.job_token()
        async with device.line() as line:
            await line.subscribe("/ota/status_reply", "/ota/version_reply")
            walk = Walk(shop, device, task, tid, token, line, seed, strict=strict)
            for _ in range(40):
                await walk.one()
