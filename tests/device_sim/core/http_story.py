"""A device that speaks HTTP, told step by step: short names for its calls and the platform's answers."""

import json

from device_sim.core.dialect import DIALECTS
from device_sim.core.effects import Call
from device_sim.core.events import (
    CallAnswered,
    CallFailed,
    PowerOn,
)
from device_sim.core.http_device import HttpDevice
from device_sim.core.profile import Profile
from tests.device_sim.core.story import PACKAGE, PLAIN, AnyStory, md5

FLOWS = ["fuse", "studio", "south"]
TOKEN = "ota_AAAAAAAAAAAAAAAAAAAA"
NO_TASK = {"fuse": 12012, "studio": 10, "south": 11}


def device(flow, profile=PLAIN, **fields):
    values = {"f_version": "1.0", "s_version": None, "iccid": "0089", "imsi": "0460"} | fields
    dialect = DIALECTS[flow]
    base = dialect.base_of("p1", "d7", 7)
    return HttpDevice(dialect=dialect, base=base, device_id=7, seed=1, profile=profile, **values)


class HttpStory(AnyStory):
    """A device that speaks one of the HTTP generations."""

    def __init__(self, flow: str, profile: Profile = PLAIN, **fields: object) -> None:
        super().__init__(device(flow, profile, **fields))
        self.flow = flow

    def answer(self, code: int = 0, text: str = "succ", data: object = None, status: int = 200):
        return self.tell(CallAnswered(status, envelope(self.flow, code, text, data)))

    def offer(self, tid: int = 41, package: bytes = PACKAGE, **changes: object):
        """Answer the check under way with a job."""
        return self.answer(data=offer(self.flow, tid, package, **changes))

    def no_task(self):
        return self.answer(NO_TASK[self.flow], "not exist")

    def present(self) -> "HttpStory":
        """Report the version, and find nothing to do."""
        self.tell(PowerOn())
        self.answer()
        self.no_task()
        self.no_task()
        return self

    def begin(self, **changes: object) -> "HttpStory":
        """Come, and find a job; the download is under way."""
        self.tell(PowerOn())
        self.answer()
        self.offer(**changes)
        if self.flow == "south":
            self.answer()
        return self

    # what the device is expected to call

    def version(self, f_version="1.0", s_version=None, *, again=False) -> Call:
        said = {"s_version": s_version or ("0" if self.flow == "fuse" else None), "f_version": f_version}
        body = json.dumps({k: v for k, v in said.items() if v}, separators=(",", ":")).encode()
        path = {
            "fuse": "/fuse-ota/p1/d7/version",
            "studio": "/ota/p1/d7/version",
            "south": "/ota/device/version?dev_id=7",
        }
        return Call("POST", path[self.flow], body, again)

    def check(self, kind=1, version="1.0", *, again=False) -> Call:
        path = {
            "fuse": f"/fuse-ota/p1/d7/check?type={kind}&version={version}",
            "studio": f"/ota/p1/d7/check?type={kind}&version={version}",
            "south": f"/ota/south/check?dev_id=7&type={kind}&version={version}&cdn=false",
        }
        return Call("GET", path[self.flow], b"", again)

    def step(self, number, tid=41, token=TOKEN, *, again=False) -> Call:
        if self.flow == "south":
            if number < 100:
                path = f"/ota/south/device/download/{token}/progress?dev_id=7"
                return Call("POST", path, b'{"step":%d}' % number, again)
            path = f"/ota/south/report?dev_id=7&token={token}"
            return Call("POST", path, b'{"result":%d}' % number, again)
        prefix = {"fuse": "/fuse-ota", "studio": "/ota"}[self.flow]
        return Call("POST", f"{prefix}/p1/d7/{tid}/status", b'{"step":%d}' % number, again)

    def token_check(self, token=TOKEN, *, again=False) -> Call:
        return Call("GET", f"/ota/south/download/{token}/check?dev_id=7", b"", again)

    def path(self, tid=41, token=TOKEN) -> str:
        return {
            "fuse": f"/fuse-ota/p1/d7/{tid}/download",
            "studio": f"/ota/p1/d7/{tid}/download",
            "south": f"/ota/south/download/{token}",
        }[self.flow]

    def tid(self, tid=41) -> int:
        return 0 if self.flow == "south" else tid


def envelope(flow, code=0, text="succ", data=None):
    """An answer as the platform spells it."""
    names = ("code", "msg") if flow == "fuse" else ("errno", "error")
    fields = {names[0]: code, names[1]: text}
    if data is not None:
        fields["data"] = data
    if flow == "fuse":
        fields["request_id"] = "0123456789abcdef" * 2
    return json.dumps(fields, separators=(",", ":")).encode()


def offer(flow, tid=41, package=PACKAGE, **changes):
    found = {"target": "2.0", "size": len(package), "md5": md5(package), "type": 1}
    if flow == "south":
        found |= {"token": TOKEN, "signal": 10, "power": 50, "retry": 0, "interval": 60}
    else:
        found |= {"tid": tid, "status": 1}
    return found | changes


CUT = CallFailed("the connection was closed")
