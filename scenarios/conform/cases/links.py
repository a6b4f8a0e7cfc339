"""Good cases: connections that end, a platform that is away, downloads that break off, a loss of power."""

from typing import Final

from scenarios.conform import steps as s
from scenarios.conform import wants as w
from scenarios.conform.bench import Bench
from scenarios.conform.case import MQTT_FLOW, Case, Never, Skip, Want
from scenarios.conform.spoils import CutAfter, Held, Other

CUT_BYTES: Final = 6_000
RESUME_BYTES: Final = 40_000
KEEPALIVE_S_MAX: Final = 12


def _not_resumed(bench: Bench) -> str:
    """Want a request, after the cut, for the bytes from where the first answer broke off, or from a little before."""
    downloads = bench.record.downloads(s.FIRST)
    later = [heard.start for heard in downloads[1:] if heard.start is not None]
    if any(0 < start <= CUT_BYTES for start in later):
        return ""
    return f"after the cut it asked for {[heard.start for heard in downloads[1:]]}; {bench.sum_up()}"


def _no_ping(bench: Bench) -> str:
    keepalive_s = _keepalive_s(bench)
    if keepalive_s > KEEPALIVE_S_MAX:
        raise Skip(
            f"its keep-alive of {keepalive_s} s is longer than this case waits; OTA_KEEPALIVE asks for 10 s"
        )
    closed = [heard for heard in bench.record.entries if heard.protocol == "mqtt" and heard.what == "closed"]
    if closed:
        return f"the connection ended after {closed[0].at_ms / 1_000:.1f} s"
    return "" if bench.record.up("ping") else f"no ping in {bench.now_ms() / 1_000:.0f} s"


def _keepalive_s(bench: Bench) -> int:
    (login, *_) = bench.record.up("connect")
    return int(login.text.rsplit(maxsplit=2)[1])


def _not_back(bench: Bench) -> str:
    """Want a new login, and the versions on the new connection."""
    since = bench.since("ended")
    logins = bench.record.up("connect", since=since)
    versions = bench.record.up("version", since=since)
    return "" if logins and versions else f"{len(logins)} logins, {len(versions)} version reports since"


def _unsettled(bench: Bench) -> str:
    logins = bench.record.up("connect", since=bench.since("ended"))
    return f"it logs in {len(logins)} times in 3 s" if len(logins) > 1 else ""


def _storming(bench: Bench) -> str:
    tries = bench.http.turned_away + bench.mqtt.turned_away
    return f"it connects {tries} times in 3 s" if tries > _TRIES_MAX else ""


def _no_try(bench: Bench) -> str:
    return "" if bench.http.turned_away + bench.mqtt.turned_away else "it does not"


_TRIES_MAX: Final = 25

CASES: Final = (
    Case(
        id="resume",
        title="A download that breaks off goes on where it was",
        group="good",
        facts=("R-1", "R-5"),
        steps=(
            *w.get_in(),
            s.spoil(
                "download", CutAfter(CUT_BYTES), f"the download is cut after {CUT_BYTES:,} bytes, once", 1
            ),
            s.offer(size_bytes=RESUME_BYTES),
            Want("it asks for the rest, with a Range header", _not_resumed),
            w.updated(limit_s=15),
            w.no_false_claim(size_bytes=RESUME_BYTES, for_s=0),
        ),
    ),
    Case(
        id="whole-file-instead",
        title="The whole file comes instead of the rest, as the platform may answer",
        group="good",
        facts=("R-3", "R-4", "R-5"),
        steps=(
            *w.get_in(),
            s.spoil(
                "download", CutAfter(CUT_BYTES), f"the download is cut after {CUT_BYTES:,} bytes, once", 1
            ),
            s.spoil(
                "download",
                Other(lambda _, __: None, "the whole file"),
                "then the whole file is answered, once",
                1,
            ),
            s.offer(size_bytes=RESUME_BYTES),
            w.updated(limit_s=20),
        ),
    ),
    Case(
        id="reconnect",
        title="When the platform ends the connection it comes back, and says what it runs",
        group="good",
        facts=("M-26", "M-7"),
        flows=MQTT_FLOW,
        steps=(
            *w.get_in(),
            s.end_connections(),
            Want("it logs in and reports its versions again", _not_back),
            s.offer(),
            w.updated(),
        ),
    ),
    Case(
        id="steady",
        title="One connection at a time: back again, it stays",
        group="good",
        facts=("M-14",),
        flows=MQTT_FLOW,
        steps=(
            *w.get_in(),
            s.end_connections(),
            Want("it logs in and reports its versions again", _not_back),
            Never("it logs in once", _unsettled, 3.0),
        ),
    ),
    Case(
        id="told-while-offline",
        title="A task made while it can't reach the platform is done when it can",
        group="good",
        facts=("M-7", "M-26", "F-3", "S-3"),
        steps=(*w.get_in(), s.shut(), s.offer(), s.let_in(), w.updated(limit_s=20)),
    ),
    Case(
        id="platform-late",
        title="It is started before the platform, and gets in when that is there",
        group="good",
        facts=("M-7", "W-26"),
        steps=(
            s.shut(),
            s.start(),
            Want("it tries to connect", _no_try),
            s.let_in(),
            Want("it reports its versions", w.no_version, 15),
            s.offer(),
            w.updated(),
        ),
    ),
    Case(
        id="no-storm",
        title="It does not hammer on a platform that can't be reached",
        group="good",
        facts=("M-13",),
        steps=(
            *w.get_in(),
            s.shut(),
            Never(f"at most {_TRIES_MAX} tries to connect in 3 s", _storming, 3.0),
            s.let_in(),
            s.offer(),
            w.updated(limit_s=20),
        ),
    ),
    Case(
        id="power-loss",
        title="It loses power in the middle of a download, and does the job when it is back",
        group="good",
        facts=("M-7", "M-26", "F-3", "S-3"),
        steps=(
            *w.get_in(),
            s.spoil(
                "download", CutAfter(CUT_BYTES), f"the download is cut after {CUT_BYTES:,} bytes, once", 1
            ),
            s.spoil("download", Held(), "and then hangs, once", 1),
            s.offer(size_bytes=RESUME_BYTES),
            w.struck(2),
            s.kill(),
            s.clear(),
            s.start(),
            w.updated(limit_s=15),
            w.no_false_claim(size_bytes=RESUME_BYTES, for_s=0),
        ),
    ),
    Case(
        id="keep-alive",
        title="It pings before its keep-alive is over",
        group="good",
        facts=("M-4",),
        flows=MQTT_FLOW,
        steps=(*w.get_in(), Want("it pings, and the connection stays", _no_ping, limit_s=18)),
    ),
)
