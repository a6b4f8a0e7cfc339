"""Why a device is where it is, in words for people."""

from device_sim.agent import Agent
from device_sim.core.effects import Outcome
from device_sim.core.state import Job, Link, Stage
from device_sim.core.wheel import NEVER

_STAGES = {
    Stage.IDLE: "idle",
    Stage.CHECKING: "having its token checked",
    Stage.FETCHING: "downloading",
    Stage.RETRYING: "waiting to download on",
    Stage.PROGRESSING: "downloading, its per cent has no answer yet",
    Stage.DOWNLOADED: "downloaded, 101 has no answer yet",
    Stage.INSTALLING: "installing",
    Stage.REBOOTING: "rebooting",
    Stage.UPDATED: "updated, 201 has no answer yet",
    Stage.FAILING: "failing, its step has no answer yet",
    Stage.HELD: "held back, and tried again later",
    Stage.PAUSING: "downloading slowly",
    Stage.HANGING: "hanging",
    Stage.RETURNING: "taken up again once the device is in",
}
_LINKS = {
    Link.OFF: "is off",
    Link.WAITING: "is offline, and will try again",
    Link.CONNECTING: "is connecting",
    Link.REPORTING: "is connected, its version report has no answer yet",
    Link.PRESENT: "is online",
}


def short_reason(agent: Agent, last_error: str) -> str:
    """Word where a device stands, for a list of those that are behind."""
    device = agent.device
    job = f", job {device.job.tid} {device.stage.name.lower()}" if device.job is not None else ""
    error = f" ({last_error})" if last_error else ""
    return f"device {agent.identity.device_id} is {device.link.name.lower()}{job}{error}"


def reason(agent: Agent, last_error: str, now_ms: int, *, is_hopeless: bool) -> str:
    """Word why a device is where it is: its link, its job, how its last job ended, and what went wrong last."""
    device = agent.device
    parts = [_LINKS[device.link]]
    if device.rest_due_ms != NEVER:
        parts.append(
            f"it goes on after {max(device.rest_due_ms - now_ms, 0) / 1_000:,.1f} s of its running time"
        )
    if is_hopeless:
        parts.append(f"refused {agent.refusals} times in a row")
    if device.job is not None:
        parts.append(_job_text(device.job, _STAGES[device.stage]))
    elif device.kept is not None:
        parts.append(_job_text(device.kept.job, "kept in its flash"))
    elif device.last_job is not None:
        last = device.last_job
        after = f" at step {last.step}" if last.outcome is Outcome.FAILED and last.step else ""
        why = f": {last.reason}" if last.reason else ""
        parts.append(f"its last job{_number(last.tid)} {_OUTCOMES[last.outcome]}{after}{why}")
        if last.reason and last_error.endswith(f": {last.reason}"):
            last_error = ""  # it is that very end
    elif device.link is Link.PRESENT:
        parts.append("and was given no job")
    shown = "; ".join(parts)
    return f"{shown} (last trouble: {last_error})" if last_error and last_error not in shown else shown


_OUTCOMES = {
    Outcome.SUCCEEDED: "succeeded",
    Outcome.FAILED: "failed",
    Outcome.ENDED: "was ended by the platform",
}


def _job_text(job: Job, where: str) -> str:
    download = job.download
    bytes_text = ""
    if not download.is_complete:
        bytes_text = f", {download.position:,} of {download.size_bytes:,} bytes are there"
    why = f": {job.reason}" if job.reason else ""
    return f"its job{_number(job.tid)} ({job.kind.name} to {job.target}) is {where}{bytes_text}{why}"


def _number(tid: int) -> str:
    return f" {tid}" if tid else ""
