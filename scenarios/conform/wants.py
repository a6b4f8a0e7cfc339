"""The steps of cases that want something, on the wire and at the platform, and the runs of steps that most cases have.

Each function makes a step, or a few. Sizes are bytes, times seconds.
"""

from collections.abc import Callable

from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import STEP_DOWNLOAD_FAILED
from scenarios.conform.bench import F_VERSION, S_VERSION, Bench
from scenarios.conform.case import LIMIT_S, QUIET_S, Never, Step, Want
from scenarios.conform.judging import false_claim, is_failure, order_fault
from scenarios.conform.record import UPDATED
from scenarios.conform.steps import AFTERWARDS, FIRST, SIZE_BYTES, WELL_S, clear, offer, settle, start


def wanted(text: str, lacks: Callable[[Bench], str], limit_s: float = LIMIT_S) -> Want:
    """Want something."""
    return Want(text, lacks, limit_s)


def no_version(bench: Bench) -> str:
    """Say that no version was reported, if so."""
    return "" if bench.record.up("version") else bench.sum_up()


def updated(kind: api.Kind = "FOTA", target: str = FIRST, limit_s: float = LIMIT_S) -> Want:
    """Want the job to be a success, and the platform to know the version."""

    def lacks(bench: Bench) -> str:
        job = bench.jobs.get(target)
        if job is None or job.state != "success":
            return bench.sum_up()
        runs = bench.device.f_version if kind == "FOTA" else bench.device.s_version
        return "" if runs == target else f"the platform knows version {runs}"

    return Want(f"the job to {target} is a success, and the platform knows the version", lacks, limit_s)


def ended(state: str, step: int | None = None, target: str = FIRST, limit_s: float = LIMIT_S) -> Want:
    """Want the job to end so."""

    def lacks(bench: Bench) -> str:
        job = bench.jobs.get(target)
        if job is not None and job.state == state and step in {None, job.step}:
            return ""
        return bench.sum_up()

    at = "" if step is None else f" with step {step}"
    return Want(f"the job ends as {state}{at}", lacks, limit_s)


def asked_for(call: str, what: str, since: str = "", count: int = 1, limit_s: float = LIMIT_S) -> Want:
    """Want a call, or several, after a mark."""

    def lacks(bench: Bench) -> str:
        there = len(bench.record.up(*call.split(), since=bench.since(since)))
        return "" if there >= count else f"{there} came; {bench.sum_up()}"

    return Want(what, lacks, limit_s)


def struck(count: int = 1, limit_s: float = LIMIT_S) -> Want:
    """Want what is spoilt to have gone out."""

    def lacks(bench: Bench) -> str:
        there = sum(rule.struck for rule in bench.http.rules) + sum(rule.struck for rule in bench.mqtt.rules)
        return "" if there >= count else f"it asked for none of it; {bench.sum_up()}"

    return Want("the device asks for what is spoilt", lacks, limit_s)


def keeps_versions() -> Never:
    """Want the device to run what it ran."""

    def found(bench: Bench) -> str:
        for heard in bench.record.up("version"):
            if heard.f_version not in {None, F_VERSION} or heard.s_version not in {None, S_VERSION}:
                return f"it reports {heard.f_version} and {heard.s_version}"
        return ""

    return Never("the device still reports the versions that it had", found)


def no_false_claim(
    kind: api.Kind = "FOTA", target: str = FIRST, size_bytes: int = SIZE_BYTES, for_s: float = QUIET_S
) -> Never:
    """Want no success without the package."""

    def found(bench: Bench) -> str:
        return false_claim(bench.record, target, kind, size_bytes)

    return Never("it claims no package that it was not given", found, for_s)


def in_order(target: str = FIRST) -> Never:
    """Want the steps in a legal order."""

    def found(bench: Bench) -> str:
        steps = [heard.step for heard in bench.record.steps(target) if heard.step is not None]
        return order_fault(steps)

    return Never("the steps come in a legal order", found)


def no_failure(target: str = FIRST, since: str = "cancel", for_s: float = QUIET_S) -> Never:
    """Want no failure reported of a job that has ended at the platform.

    Generation A says `1` for what has ended as for what is not there, and 107 is the answer to that (R-13).
    """

    def found(bench: Bench) -> str:
        steps = bench.record.steps(target, since=bench.since(since))
        can_say_107 = bench.flow == "south"
        failures = [
            heard
            for heard in steps
            if is_failure(heard.step) and not (can_say_107 and heard.step == STEP_DOWNLOAD_FAILED)
        ]
        return f"it reports {failures[0].text}" if failures else ""

    return Never("the device lets go of the job without reporting a failure", found, for_s)


def not_updated(target: str = FIRST, since: str = "cancel", for_s: float = 0.0) -> Never:
    """Want no update reported of a job that has ended at the platform."""

    def found(bench: Bench) -> str:
        steps = bench.record.steps(target, since=bench.since(since))
        there = [heard for heard in steps if heard.step == UPDATED]
        return f"it reports {there[0].text}" if there else ""

    return Never("the device does not install it", found, for_s)


def still_well(kind: api.Kind = "FOTA", target: str = AFTERWARDS) -> tuple[Step, ...]:
    """Want the device to do another update."""
    return (clear(), settle(), offer(kind, target), updated(kind, target, WELL_S))


def get_in() -> tuple[Step, ...]:
    """Start the program and wait until it has said what it runs."""
    return (start(), Want("it reports its versions", no_version))
