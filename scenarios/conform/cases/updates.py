"""Good cases: what a device says of itself, and updates that come to their good end."""

from typing import Final

from platform_stub.protocol.errors import PeerFault
from platform_stub.protocol.token import parse_token, verify
from scenarios.conform import steps as s
from scenarios.conform import wants as w
from scenarios.conform.bench import F_VERSION, ICCID, S_VERSION, Bench
from scenarios.conform.case import MQTT_FLOW, Case, Never
from scenarios.conform.judging import claims
from scenarios.conform.record import UPDATED, Heard

LARGE_BYTES: Final = 1_000_003


def _first_word(bench: Bench) -> str:
    calls = bench.record.calls()
    if not calls:
        return bench.sum_up()
    return "" if calls[0].what == "version" else f"its first word is {calls[0].what}: {calls[0].text}"


def _both_known(bench: Bench) -> str:
    known = (bench.device.f_version, bench.device.s_version)
    return "" if known == (F_VERSION, S_VERSION) else f"the platform knows {known[0]} and {known[1]}"


def _badly_signed(bench: Bench) -> str:
    """Look at all tokens: generation A's downloads need none."""
    keys = (bench.device.key, bench.product.access_key)
    for heard in bench.record.up(
        "connect", "version", "query", "check", "token", "state", "step", "download"
    ):
        if heard.protocol == "mqtt" and heard.what != "connect":
            continue
        if not heard.authorization and heard.what == "download" and bench.flow == "south":
            continue
        fault = _token_fault(heard, keys, bench)
        if fault:
            return f"{heard.what}: {fault}"
    return ""


def _token_fault(heard: Heard, keys: tuple[str, str], bench: Bench) -> str:
    try:
        token = parse_token(heard.authorization)
    except PeerFault as fault:
        return str(fault)
    product = f"products/{bench.product.product_id}"
    if token.res not in {product, f"{product}/devices/{bench.device.name}"}:
        return f"the token's res is {token.res}"
    if not any(verify(token, key) for key in keys):
        return "the token is signed by neither the device's key nor the product's"
    return ""


def _not_all_given(bench: Bench) -> str:
    given = bench.record.given(s.FIRST)
    return "" if given == [(0, LARGE_BYTES)] else f"it was given {given}"


def _not_told_after(bench: Bench) -> str:
    """Want a version report, or a check, that names the new version after the job was told as done."""
    done = [
        at for at, heard in enumerate(bench.record.entries) if heard.what == "step" and heard.step == UPDATED
    ]
    since = done[0] if done else 0
    told = [claim for claim in claims(bench.record, s.FIRST, "FOTA") if claim.what in {"version", "check"}]
    later = set(map(id, bench.record.entries[since:]))
    return "" if any(id(claim) in later for claim in told) else f"it did not; {bench.sum_up()}"


def _downloaded_twice(bench: Bench) -> str:
    starts = [heard for heard in bench.record.downloads(s.FIRST) if not heard.start]
    return f"it begins the download {len(starts)} times" if len(starts) > 1 else ""


def _unanswered_informs(bench: Bench) -> str:
    told = {heard.message_id for heard in bench.record.down("inform") if heard.handle}
    if not told:
        return "no inform has gone out"
    answered = {heard.message_id for heard in bench.record.up("inform_reply") if heard.code in {0, 200}}
    return "" if told <= answered else f"not answered: {', '.join(sorted(told - answered))}"


def _card_unknown(bench: Bench) -> str:
    return "" if bench.device.iccid == ICCID else f"the platform knows the card as {bench.device.iccid!r}"


def _noisy(bench: Bench) -> str:
    said = bench.record.calls(since=bench.since())
    return f"{len(said)} calls and reports in 2 s, with nothing to do" if len(said) > _CALLS_MAX else ""


_CALLS_MAX: Final = 12

CASES: Final = (
    Case(
        id="versions-first",
        title="It reports both versions before anything else",
        group="good",
        facts=("S-1", "F-1", "M-28"),
        steps=(
            *w.get_in(),
            w.wanted("the version report is its first word", _first_word),
            w.wanted(f"the platform knows {F_VERSION} and {S_VERSION}", _both_known),
        ),
    ),
    Case(
        id="signed",
        title="Login and calls carry a token signed by its key",
        group="good",
        facts=("T-1", "T-2", "T-3", "T-8", "T-9", "M-2"),
        steps=(*w.get_in(), s.offer(), w.updated(), Never("every token is right", _badly_signed)),
    ),
    Case(
        id="fota",
        title="A FOTA update comes to a good end",
        group="good",
        facts=("F-3", "F-5", "F-6", "S-3", "S-7", "M-27", "J-5"),
        steps=(*w.get_in(), s.offer(), w.updated(), w.no_false_claim(for_s=0)),
    ),
    Case(
        id="sota",
        title="A SOTA update comes to a good end",
        group="good",
        facts=("S-11", "M-27", "J-5"),
        steps=(
            *w.get_in(),
            s.offer("SOTA", "1.5"),
            w.updated("SOTA", "1.5"),
            w.no_false_claim("SOTA", "1.5", for_s=0),
        ),
    ),
    Case(
        id="both-kinds",
        title="A FOTA and a SOTA task are open at once, and both are done",
        group="good",
        facts=("S-11", "F-3", "M-26"),
        steps=(
            s.offer(),
            s.offer("SOTA", "1.5"),
            *w.get_in(),
            w.updated(limit_s=20),
            w.updated("SOTA", "1.5", limit_s=20),
        ),
    ),
    Case(
        id="one-after-another",
        title="A second update follows the first",
        group="good",
        facts=("F-3", "S-3", "M-26"),
        steps=(*w.get_in(), s.offer(), w.updated(), s.offer(target="3.0"), w.updated(target="3.0")),
    ),
    Case(
        id="large-package",
        title=f"A package of {LARGE_BYTES:,} bytes is fetched to its last byte",
        group="good",
        facts=("R-1", "R-5", "R-12"),
        steps=(
            *w.get_in(),
            s.offer(size_bytes=LARGE_BYTES),
            w.updated(limit_s=20),
            Never("it had every byte", _not_all_given),
        ),
    ),
    Case(
        id="one-byte",
        title="A package of one byte, the smallest there is, is installed",
        group="good",
        facts=("R-2", "R-5"),
        steps=(*w.get_in(), s.offer(size_bytes=1), w.updated(), w.no_false_claim(size_bytes=1, for_s=0)),
    ),
    Case(
        id="step-order",
        title="The steps of a job come in a legal order, 100 and 101 never both",
        group="good",
        facts=("J-1", "J-2", "J-3", "J-9", "J-16"),
        steps=(*w.get_in(), s.offer(size_bytes=LARGE_BYTES), w.updated(limit_s=20), w.in_order()),
    ),
    Case(
        id="version-after-update",
        title="After an update it tells the version that it runs now",
        group="good",
        facts=("J-13", "F-1", "S-15", "M-28"),
        steps=(
            *w.get_in(),
            s.offer(),
            w.updated(),
            w.wanted(f"it reports, or checks with, version {s.FIRST}", _not_told_after),
        ),
    ),
    Case(
        id="done-once",
        title="A job that is done is not done again",
        group="good",
        facts=("M-26", "F-4"),
        steps=(
            *w.get_in(),
            s.offer(),
            w.updated(),
            Never("the package is fetched once", _downloaded_twice, 2.5),
        ),
    ),
    Case(
        id="inform-answered",
        title="It answers each inform with the inform's id",
        group="good",
        facts=("M-24",),
        flows=MQTT_FLOW,
        steps=(
            *w.get_in(),
            s.offer(),
            w.updated(),
            w.wanted("every inform is accepted", _unanswered_informs),
        ),
    ),
    Case(
        id="quiet-when-idle",
        title="With nothing to do it leaves the platform in peace",
        group="good",
        facts=("F-3", "S-3"),
        steps=(
            *w.get_in(),
            s.mark(),
            Never(f"at most {_CALLS_MAX} calls and reports in 2 s", _noisy, 2.0),
        ),
    ),
    Case(
        id="card",
        title="It reports its card",
        group="good",
        facts=("M-20", "M-21"),
        flows=MQTT_FLOW,
        optional=True,
        steps=(*w.get_in(), w.wanted(f"the platform knows card {ICCID}", _card_unknown, limit_s=3)),
    ),
)
