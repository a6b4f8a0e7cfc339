"""Failing cases: what goes wrong now and then at a platform that means well, and what a device owes it then."""

from typing import Final

from scenarios.conform import steps as s
from scenarios.conform import wants as w
from scenarios.conform.bench import F_VERSION, Bench
from scenarios.conform.case import HTTP_FLOWS, MQTT_FLOW, Case, Do, Never, Want
from scenarios.conform.mqtt_relay import MqttRule
from scenarios.conform.record import Heard
from scenarios.conform.spoils import Late, NoAnswer, Says

_YEAR_MS: Final = 400 * 86_400_000
_LATE_S: Final = 2.0
_NOT_AUTHORISED: Final = 5
_INTERNAL: Final = {"mqtt": 10500, "fuse": 10500, "studio": 7, "south": 7}
_UNAUTHORISED: Final = {"fuse": 10403, "studio": 1, "south": 1}
_NO_TASK: Final = {"mqtt": 12012, "fuse": 12012, "studio": 10, "south": 22}
_EXPIRED: Final = {"mqtt": 12014, "fuse": 12014, "studio": 12, "south": 22}
_FILE_ERRNO: Final = 2


def _coded(call: str, codes: dict[str, int], what: str, times: int = 1) -> Do:
    """Let a call be answered with the code that the device's flow has for it."""

    async def act(bench: Bench) -> None:
        await s.inject(call, what, code=codes[bench.flow], times=times).act(bench)

    return Do(what, act)


def _lose_replies(what: str, text: str) -> Do:
    """Let the first reply to a report be lost: the report itself has reached the platform."""

    async def act(bench: Bench) -> None:
        if bench.flow == "mqtt":
            reply = {"step": "status_reply", "version": "version_reply"}[what]
            bench.mqtt.rules.append(
                MqttRule(way="down", what=reply, change=lambda _: (), left=1, note="lost")
            )
        else:
            await s.spoil(what, NoAnswer(), text, 1).act(bench)

    return Do(text, act)


def _not_repeated(what: str) -> Want:
    """Want the first report said again: over MQTT with the same id, over HTTP just again."""

    def lacks(bench: Bench) -> str:
        said = bench.record.up(what)
        return "" if _is_repeated(said) else f"it was said {len(said)} times; {bench.sum_up()}"

    return Want("it says the same again, over MQTT under the same id", lacks, 15)


def _is_repeated(said: list[Heard]) -> bool:
    return any(
        (again.handle, again.step, again.f_version, again.message_id)
        == (said[0].handle, said[0].step, said[0].f_version, said[0].message_id)
        for again in said[1:]
    )


def _not_asked_again(bench: Bench) -> str:
    """Want each call said again that was answered "not now", and each report over MQTT under its id."""
    not_now = {503, _INTERNAL[bench.flow]}
    entries = bench.record.entries
    for at, heard in enumerate(entries):
        if heard.way != "down" or not {heard.status, heard.code} & not_now:
            continue
        later = [again for again in entries[at:] if again.way == "up"]
        if heard.message_id:
            is_again = any(again.message_id == heard.message_id for again in later)
        else:
            asked = (heard.what, heard.handle, heard.step)
            is_again = any((again.what, again.handle, again.step) == asked for again in later)
        if not is_again:
            return f"it does not say again what was answered: {heard.what} {heard.text}"
    return ""


def _went_on(bench: Bench) -> str:
    """Find a step, or a download, of the job after the answer that ended it and before it was offered anew."""
    handles = bench.record.handles(s.FIRST)
    answered = False
    for heard in bench.record.entries:
        is_answer = heard.way == "down" and heard.what in {"step", "status_reply"}
        if is_answer and heard.code not in {None, 0, 200}:
            answered = True
        elif answered and heard.way == "down" and heard.target == s.FIRST:
            return ""
        elif (
            answered and heard.way == "up" and heard.what in {"step", "download"} and heard.handle in handles
        ):
            return f"after code {_NO_TASK[bench.flow]} or its like it goes on: {heard.text}"
    return ""


def _no_answer_yet(bench: Bench) -> str:
    for heard in bench.record.down("step", "status_reply"):
        if heard.code not in {None, 0, 200}:
            return ""
    return f"no step was answered so; {bench.sum_up()}"


def _refuse_logins(times: int) -> Do:
    async def act(bench: Bench) -> None:
        bench.mqtt.refusals += [_NOT_AUTHORISED] * times

    return Do(f"{times} logins are refused with code {_NOT_AUTHORISED}", act)


def _jumped_clock() -> Do:
    async def act(bench: Bench) -> None:
        await bench.advance(_YEAR_MS)

    return Do("the platform's clock is 400 days ahead of this machine's", act)


def _still_old(bench: Bench) -> str:
    return "" if bench.device.f_version == F_VERSION else f"the platform knows {bench.device.f_version}"


def _flood(bench: Bench) -> str:
    calls = bench.record.calls(since=bench.since())
    return f"it asks {len(calls)} times in 3 s" if len(calls) > _ASKED_MAX else ""


async def _spoil_md5(bench: Bench) -> None:
    call = "inform" if bench.flow == "mqtt" else "check"
    await s.inject(call, "", wrong_md5=True).act(bench)


async def _storage_trouble(bench: Bench) -> None:
    code = 4 if bench.flow == "south" else 3
    await s.inject("download", "", code=code, times=1).act(bench)


_ASKED_MAX: Final = 30
_ASKED_AGAIN: Final = Want("it says again what was answered so", _not_asked_again)
_LET_GO: Final = (
    Want("a step is answered so", _no_answer_yet),
    Never("the device lets go of the job until it is offered anew", _went_on, 2.0),
    w.no_failure(since="", for_s=0),
    *w.still_well(),
)

CASES: Final = (
    Case(
        id="wrong-md5",
        title="The digest announced is another one: 205, and the old version is kept",
        group="failing",
        facts=("J-6", "W-3"),
        steps=(
            *w.get_in(),
            Do("the announced MD5 is wrong", _spoil_md5),
            s.offer(),
            w.ended("failed", 205),
            w.keeps_versions(),
            w.wanted(f"the platform knows version {F_VERSION}", _still_old),
            *w.still_well(),
        ),
    ),
    Case(
        id="download-refused",
        title="The package is not there: the device reports 107",
        group="failing",
        facts=("R-9", "R-11", "R-13"),
        steps=(
            *w.get_in(),
            s.inject("download", "downloads are answered: file not found", code=_FILE_ERRNO),
            s.offer(),
            w.ended("failed", 107, limit_s=15),
            w.keeps_versions(),
            *w.still_well(),
        ),
    ),
    Case(
        id="busy-platform",
        title="HTTP 503 to each kind of call, once: it asks again",
        group="failing",
        facts=("J-11", "W-9"),
        steps=(
            s.spoil("version", Says(503), "the first version report is answered HTTP 503", 1),
            s.spoil("check", Says(503), "the first check as well", 1),
            s.spoil("token state", Says(503), "the first check of the job's state or token as well", 1),
            s.spoil("download", Says(503), "the first download as well", 1),
            s.spoil("step", Says(503), "the first step as well", 1),
            *w.get_in(),
            s.offer(),
            w.updated(limit_s=25),
            _ASKED_AGAIN,
        ),
    ),
    Case(
        id="internal-error",
        title="The platform's code for an internal error, once for each kind of call: it asks again",
        group="failing",
        facts=("S-errno-7", "F-code-10500", "M-29", "J-11"),
        steps=(
            _coded("version", _INTERNAL, "the first version report is answered with it"),
            _coded("status", _INTERNAL, "the first step as well"),
            *w.get_in(),
            s.offer(),
            w.updated(limit_s=30),
            _ASKED_AGAIN,
        ),
    ),
    Case(
        id="internal-error-at-check",
        title="A check is answered with an internal error: it asks again",
        group="failing",
        facts=("S-errno-7", "F-code-10500"),
        flows=HTTP_FLOWS,
        steps=(
            _coded("check", _INTERNAL, "the first two checks are answered with it", 2),
            *w.get_in(),
            s.offer(),
            w.updated(limit_s=20),
        ),
    ),
    Case(
        id="storage-trouble",
        title="A download finds no storage at the platform, once: it asks again",
        group="failing",
        facts=("R-9", "R-11"),
        steps=(
            *w.get_in(),
            Do("the first download is answered so", _storage_trouble),
            s.offer(),
            w.updated(limit_s=20),
        ),
    ),
    Case(
        id="token-refused",
        title="The token is refused twice: it signs anew and asks again",
        group="failing",
        facts=("T-13", "T-14", "S-errno-1"),
        flows=HTTP_FLOWS,
        steps=(
            _coded("version", _UNAUTHORISED, "two version reports are answered: authentication failed", 2),
            _coded("check", _UNAUTHORISED, "and two checks", 2),
            *w.get_in(),
            s.offer(),
            w.updated(limit_s=25),
        ),
    ),
    Case(
        id="login-refused",
        title="Logins are refused twice: it tries again",
        group="failing",
        facts=("M-2", "T-6"),
        flows=MQTT_FLOW,
        steps=(
            _refuse_logins(2),
            s.start(),
            Want("it logs in after all, and reports its versions", w.no_version, 20),
            s.offer(),
            w.updated(),
        ),
    ),
    Case(
        id="clock-by-date",
        title="The platform's clock is far ahead: it sets its own by the Date of the refusal",
        group="failing",
        facts=("T-6", "W-5"),
        flows=HTTP_FLOWS,
        optional=True,
        steps=(
            _jumped_clock(),
            *w.get_in(),
            s.offer(),
            w.updated(limit_s=20),
        ),
    ),
    Case(
        id="no-task-in-job",
        title="A step is answered that there is no such task: it lets go, and reports no failure",
        group="failing",
        facts=("F-code-12012", "U-errno-10", "S-17"),
        steps=(
            *w.get_in(),
            _coded("status", _NO_TASK, "the first step is answered: no such task, or cancelled"),
            s.offer(),
            *_LET_GO,
        ),
    ),
    Case(
        id="expired-in-job",
        title="A step is answered that the task has expired: it lets go, and reports no failure",
        group="failing",
        facts=("F-code-12014", "J-14"),
        flows=("mqtt", "fuse", "studio"),
        steps=(
            *w.get_in(),
            _coded("status", _EXPIRED, "the first step is answered: expired"),
            s.offer(),
            *_LET_GO,
        ),
    ),
    Case(
        id="step-unanswered",
        title="A step has no answer: the same is said again, and counts once",
        group="failing",
        facts=("M-25", "J-11"),
        steps=(
            *w.get_in(),
            _lose_replies("step", "the answer to the first step is lost"),
            s.offer(),
            _not_repeated("step"),
            w.updated(limit_s=25),
            w.in_order(),
        ),
    ),
    Case(
        id="version-unanswered",
        title="The version report has no answer: the same is said again",
        group="failing",
        facts=("M-25",),
        steps=(
            _lose_replies("version", "the answer to the first version report is lost"),
            *w.get_in(),
            _not_repeated("version"),
            s.offer(),
            w.updated(limit_s=20),
        ),
    ),
    Case(
        id="slow-platform",
        title=f"Each answer comes {_LATE_S:g} s late: the update is done all the same",
        group="failing",
        facts=("W-9",),
        steps=(
            s.spoil("version check token state download step", Late(_LATE_S), "all answers come late"),
            *w.get_in(),
            s.offer(),
            w.updated(limit_s=45),
            w.in_order(),
        ),
    ),
    Case(
        id="no-flood",
        title="While every call is answered HTTP 503 it does not flood the platform",
        group="failing",
        facts=("W-9",),
        flows=HTTP_FLOWS,
        steps=(
            *w.get_in(),
            s.mark(),
            s.spoil("version check token state download step", Says(503), "every call is answered HTTP 503"),
            Never(f"at most {_ASKED_MAX} calls in 3 s", _flood, 3.0),
            s.clear(),
            s.offer(),
            w.updated(limit_s=20),
        ),
    ),
)
