"""What a session raises: a step that is not as it must be, books that don't hold, a step after the end.

Words that can't be right raise `scenarios.loader.ScenarioFault`, a machine that stands in the way an
`EnvironmentFault`, as everywhere.

- OtaSimError
  - StepFailed (an AssertionError too): a step came to something else than it must
  - AuditFailed (an AssertionError too): the journal or the tables don't hold
  - SessionOver (a UsageFault): nothing can be done in this session any more
  - SessionSkipped: the broker or the platform can't give what the session needs
"""

from collections.abc import Sequence

from platform_stub.protocol.errors import OtaSimError, UsageFault
from scenarios.results import AuditResult, StepResult
from scenarios.show.wording import counted, outcome_lines

DEVICES_NAMED_MAX = 5


class StepFailed(OtaSimError, AssertionError):
    """A step is not as it must be. `result` has all of it; `devices` are those whose job did not end well.

    The text's first line names the step and the first thing that is wrong.
    """

    def __init__(self, result: StepResult, devices: Sequence[str] = (), evidence: str = "") -> None:
        self.result = result
        self.devices = tuple(devices)
        self.evidence = evidence
        super().__init__(step_text(result, devices, evidence))


class AuditFailed(OtaSimError, AssertionError):
    """The books that a session left don't hold; `result` has the findings, each with its rule."""

    def __init__(self, result: AuditResult, evidence: str = "") -> None:
        self.result = result
        self.evidence = evidence
        super().__init__(audit_text(result, evidence))


class SessionOver(UsageFault):
    """The session has not begun, is over, or a step did not end, so that nothing can be said of what would follow."""


class SessionSkipped(OtaSimError):
    """The broker, or the platform under test, can't give what the session needs; nothing was played."""


def step_text(result: StepResult, devices: Sequence[str] = (), evidence: str = "") -> str:
    """Word a failed step: what was expected, what was seen, which devices, where there is more."""
    name = result.id if result.id == result.action else f"{result.id} ({result.action})"
    title = f", {result.title}" if result.title else ""
    wrong = [line for part in (result, *result.parallel) for line in _lines(part, within=part is not result)]
    first, *others = wrong or ["it failed"]
    lines = [f"step {name}{title}: {first}", *(f"  {line}" for line in others)]
    if result.seen.outcome == "refused" and result.seen.message:
        lines.append(f"  the platform said: {result.seen.message}")
    if result.remark:
        lines.append(f"  {result.remark}")
    return "\n".join([*lines, *_device_lines(devices), *_evidence_line(evidence)])


def audit_text(result: AuditResult, evidence: str = "") -> str:
    """Word an audit that found something."""
    first, *others = result.findings or ("it failed",)
    lines = [f"the books don't hold: {first}", *(f"  {finding}" for finding in others)]
    return "\n".join([*lines, *_evidence_line(evidence)])


def _lines(result: StepResult, *, within: bool) -> list[str]:
    """Give what is wrong with a step; one of a parallel block is named on each line."""
    head = f"{result.id}: " if within else ""
    return [head + line for line in outcome_lines(result)]


def _device_lines(devices: Sequence[str]) -> list[str]:
    named = [f"    {device}" for device in devices[:DEVICES_NAMED_MAX]]
    if (more := len(devices) - DEVICES_NAMED_MAX) > 0:
        named.append(f"    ... and {more:,} more")
    return [f"  {counted(len(devices), 'device')} whose job did not end well:", *named] if devices else []


def _evidence_line(evidence: str) -> list[str]:
    return [f"  evidence: {evidence}"] if evidence else []
