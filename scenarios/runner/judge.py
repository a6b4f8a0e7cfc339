"""The verdict on a step that is over.

It goes by what must have come back, what the book says, what must never be so, and what is known to fail.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import structs

from scenarios import play as p
from scenarios.results import Difference, StepResult, expected_of, not_played
from scenarios.runner.compare import compare, compare_prediction
from scenarios.runner.observe import look_patiently, observe
from scenarios.runner.turn import Turn
from scenarios.runner.turns import Turns

XPASSED: Final = "was expected to fail ({}), and passed"


class Judge:
    """Judges steps. `only` is the one step that is checked, `unpredicted` says why the book is not asked."""

    def __init__(self, turns: Turns, *, only: str | None, unpredicted: str) -> None:
        self._turns = turns
        self._only = only
        self.unpredicted = unpredicted
        self._said_once = unpredicted  # of the whole run, in its result

    async def judge(
        self, turn: Turn, inner: tuple[StepResult, ...] = (), violations: Iterable[Difference] = ()
    ) -> StepResult:
        """Judge a step; `inner` are those that it is made of, `violations` what must never have been so."""
        step = turn.step
        if self.unpredicted:
            turn.predicted = None
            turn.differences = [each for each in turn.differences if each.by != "prediction"]
        result = structs.replace(
            _blank(step), seen=turn.seen, note=turn.note, remark=self._remark(turn), parallel=inner
        )
        if self._only not in {None, step.id} and not turn.is_stuck:
            return structs.replace(result, verdict="unchecked")
        if not turn.is_done:
            return _with_xfail(structs.replace(result, verdict="failed", differences=tuple(violations)), step)
        result = structs.replace(result, seen=await observe(self._turns.stage, step, turn.seen))
        differences = [
            *compare(step.expected, result.seen),
            *await look_patiently(self._turns.stage, step),
        ]
        differences += _unexpected(differences, turn)
        differences += [*turn.differences, *violations]
        is_failed = bool(differences) or turn.is_stuck or any(each.verdict == "failed" for each in inner)
        verdict = "failed" if is_failed else "passed"
        return _with_xfail(structs.replace(result, verdict=verdict, differences=tuple(differences)), step)

    def _remark(self, turn: Turn) -> str:
        """Say who is not there, and what was not predicted: jobs that devices do while nobody waits."""
        said = self._turns.stage.absent.get(turn.step.id, "")
        return "; ".join(filter(None, (said, self._unpredicted(turn))))

    def _unpredicted(self, turn: Turn) -> str:
        if self.unpredicted:
            return "" if self.unpredicted == self._said_once else self.unpredicted
        own = self._turns.own(turn)
        if own is None or turn.predicted is None or turn.seen.jobs is None or turn.predicted.jobs is not None:
            return ""
        is_known = self._turns.paper.tasks.is_known(own, self._turns.stage.now_ms())
        return "" if is_known else f"not predicted: the jobs of {own}"


def failed(step: p.PlayStep, note: str) -> StepResult:
    """Give the verdict on a step that something outside of it has ended."""
    return _with_xfail(structs.replace(_blank(step), verdict="failed", note=note), step)


def _blank(step: p.PlayStep) -> StepResult:
    result = structs.replace(not_played(step), verdict="passed", xfail=step.xfail)
    if isinstance(step.action, p.WaitUntil):
        until = expected_of(structs.replace(step, expected=step.action.until))
        result = structs.replace(result, expected={**until, **result.expected})
    return result


def _with_xfail(result: StepResult, step: p.PlayStep) -> StepResult:
    """Turn the verdict on a step round that is known to fail."""
    if not step.xfail:
        return result
    if result.verdict == "failed":
        return structs.replace(result, verdict="xfailed")
    return structs.replace(result, verdict="failed", note=XPASSED.format(step.xfail))


def _unexpected(known: list[Difference], turn: Turn) -> Iterator[Difference]:
    """Give what the book says otherwise, unless an expectation has said it already."""
    if turn.predicted is None:
        return
    said = {(difference.what, difference.seen) for difference in known}
    for difference in compare_prediction(turn.predicted, turn.seen):
        if (difference.what, difference.seen) not in said:
            yield difference
