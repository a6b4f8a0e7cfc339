"""A device told step by step: short names for the events and payloads of the core's tests."""

import hashlib

from device_sim.core.effects import Effect, Send, Struck
from device_sim.core.events import (
    Answered,
    CallAnswered,
    CallFailed,
    CardReplaced,
    Chunk,
    Dropped,
    Event,
    FaultsSet,
    Fetched,
    FetchFailed,
    Informed,
    LinkDown,
    LinkUp,
    PowerBack,
    PowerCut,
    PowerOff,
    PowerOn,
    Received,
    Tick,
    TimePassed,
    WorldSet,
)
from device_sim.core.faults import FAILURE_TEXTS, Fault
from device_sim.core.mqtt_device import MqttDevice
from device_sim.core.profile import Profile
from device_sim.core.talker import Actor
from platform_stub.protocol import messages, topics

PLAIN = Profile(start_jitter_ms=0, chunk_bytes=1_000)
PACKAGE = bytes(range(250)) * 4  # 1,000 bytes: one range of PLAIN
PATH = "/fuse-ota/p1/d7/{}/download"
EVENTS = [
    PowerOn(),
    PowerOff(),
    Tick(),
    LinkUp(),
    LinkDown(),
    Received(topics.INFORM, b'{"id":"1","params":{}}'),
    Answered(206, "0", "bytes 0-399/1000", 400),
    Chunk(b"x"),
    Fetched(),
    FetchFailed("cut"),
    CallAnswered(200, b'{"code":0,"errno":0}'),
    CallFailed("cut"),
    Informed(),
    CardReplaced("1", "2"),
    PowerCut(),
    PowerBack(),
    Dropped(),
    TimePassed(1_000),
    WorldSet(battery=1, signal=1, storage_bytes=1, mcu_storage_bytes=1),
    FaultsSet((Fault(what="fails", step=102),)),
]
"""One of each that there is."""


def device(profile: Profile = PLAIN, **fields: object) -> MqttDevice:
    values = {"f_version": "1.0", "s_version": None, "iccid": "0089", "imsi": "0460"} | fields
    return MqttDevice(device_id=7, seed=1, profile=profile, **values)


class AnyStory:
    """A device and its clock, whatever its flow; each call returns the effects."""

    def __init__(self, device: Actor) -> None:
        self.device = device
        self.now_ms = 1_000

    def tell(self, event: Event, after_ms: int = 0) -> list[Effect]:
        self.now_ms += after_ms
        return self.device.handle(event, self.now_ms)

    def tick(self) -> list[Effect]:
        """Let time go on to when the device wants it."""
        self.now_ms = self.device.due_ms
        return self.device.handle(Tick(), self.now_ms)

    def range_arrives(self, package: bytes = PACKAGE) -> list[Effect]:
        """Answer the range that the device asked for; returns the effects of its end."""
        job = self.device.job
        assert job is not None
        start = job.download.position
        stop = min(start + job.download.chunk_bytes, len(package))
        assert self.tell(partial(start, stop, len(package))) == []
        assert self.tell(Chunk(package[start:stop])) == []
        return self.tell(Fetched())


class Story(AnyStory):
    """A device that speaks MQTT."""

    def __init__(self, profile: Profile = PLAIN, **fields: object) -> None:
        super().__init__(device(profile, **fields))

    def inform(self, tid: int = 41, package: bytes = PACKAGE, **changes: object) -> list[Effect]:
        return self.tell(Received(topics.INFORM, inform_payload(tid, package, **changes)))

    def reply(self, suffix: str, message_id: int, code: int = 200, msg: str = "success") -> list[Effect]:
        payload = messages.encode(messages.Reply(id=str(message_id), code=code, msg=msg))
        return self.tell(Received(suffix, payload))

    def step_replied(self, code: int = 200) -> list[Effect]:
        assert self.device.status_report is not None
        return self.reply(topics.STATUS_REPLY, int(self.device.status_report.message_id), code)

    def present(self) -> "Story":
        self.tell(PowerOn())
        self.tell(LinkUp())
        self.reply(topics.VERSION_REPLY, 1)
        return self


def inform_payload(tid: int = 41, package: bytes = PACKAGE, **changes: object) -> bytes:
    params = {
        "tid": tid,
        "type": 1,
        "target": "2.0",
        "size": len(package),
        "md5": md5(package),
        "url": PATH.format(tid),
    } | changes
    return messages.encode(messages.Inform(id=f"i{tid}", params=messages.InformParams(**params)))


def fails(step: int) -> Struck:
    return Struck("fails", f"fails with {step}, {FAILURE_TEXTS[step]}")


def partial(start: int, stop: int, size: int) -> Answered:
    return Answered(206, "0", f"bytes {start}-{stop - 1}/{size}", stop - start)


def md5(package: bytes) -> str:
    return hashlib.md5(package, usedforsecurity=False).hexdigest()


def status(message_id: int, tid: int, step: int, *, again: bool = False) -> Send:
    text = f'{{"id":"{message_id}","version":"1.0","params":{{"tid":{tid},"step":{step}}}}}'
    return Send("/ota/status", text.encode(), again)


def version(message_id: int, f_version: str = "1.0", *, again: bool = False) -> Send:
    text = f'{{"id":"{message_id}","version":"1.0","params":{{"f_version":"{f_version}"}}}}'
    return Send("/ota/version", text.encode(), again)


def card(message_id: int, iccid: str, imsi: str, *, again: bool = False) -> Send:
    text = f'{{"id":"{message_id}","version":"1.0","params":{{"iccid":{{"value":"{iccid}"}},"imsi":{{"value":"{imsi}"}}}}}}'
    return Send("/thing/property/post", text.encode(), again)


def inform_reply(message_id: str, code: int = 200) -> Send:
    return Send("/ota/inform_reply", f'{{"id":"{message_id}","code":{code}}}'.encode())
