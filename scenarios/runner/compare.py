"""Expected against seen, and predicted against seen: pure, and the same for both."""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import structs

from scenarios.model import COUNTS
from scenarios.play import Expected, is_wanted, spell_wanted
from scenarios.results import Difference, Seen

ANY: Final = "any"
"""An outcome that is right whatever it is."""


def compare(expected: Expected, seen: Seen) -> Iterator[Difference]:
    """Give each expectation on outcome, counts and amounts that does not hold."""
    yield from _compare_outcome(expected, seen)
    if expected.task_state is not None and seen.task_state != expected.task_state:
        yield Difference(what="task_state", expected=expected.task_state, seen=seen.task_state)
    for name, count in expected.counts.items():
        found = count_of(seen, name)
        if found is None or not is_wanted(count, found):
            yield Difference(what=name, expected=spell_wanted(count), seen=found)
    for name, amount_fen in expected.amounts.items():
        found = getattr(seen, f"{name}_fen")
        if found != amount_fen:
            yield Difference(what=f"{name}_fen", expected=amount_fen, seen=found)


def _compare_outcome(expected: Expected, seen: Seen) -> Iterator[Difference]:
    said = f": {seen.message}" if seen.message else ""
    refusal = f"refused ({seen.reason}){said}" if seen.outcome == "refused" else seen.outcome
    if expected.outcome == ANY:
        return
    if expected.reason is not None:
        if seen.reason != expected.reason:
            yield Difference(what="outcome", expected=f"refused ({expected.reason})", seen=refusal)
    elif expected.outcome is not None:
        if seen.outcome != expected.outcome:
            yield Difference(what="outcome", expected=expected.outcome, seen=refusal)
    elif seen.outcome == "refused":
        yield Difference(what="outcome", expected="no refusal", seen=refusal)


def count_of(seen: Seen, name: str) -> int | None:
    """Take a count by its name; `jobs.failed` and `notices.sms` are 0 where others of their kind are known."""
    group, _, inner = name.partition(".")
    if not inner:
        found: int | None = getattr(seen, name)
        return found
    counts: dict[str, int] | None = getattr(seen, group)
    return None if counts is None else counts.get(inner, 0)


def compare_prediction(predicted: Seen, seen: Seen) -> Iterator[Difference]:
    """Give whatever the auditor's book says otherwise; what it does not say is passed over."""
    said = predicted.outcome if predicted.reason is None else f"{predicted.outcome} ({predicted.reason})"
    found = seen.outcome if seen.reason is None else f"{seen.outcome} ({seen.reason})"
    if said != found:
        yield Difference(what="outcome", expected=said, seen=found, by="prediction")
        return
    for name in COUNTS:
        count, other = getattr(predicted, name), getattr(seen, name)
        if count is not None and count != other:
            yield Difference(what=name, expected=count, seen=other, by="prediction")
    for name in ("balance_fen", "fee_fen"):
        amount_fen, other = getattr(predicted, name), getattr(seen, name)
        if amount_fen is not None and other is not None and amount_fen != other:
            yield Difference(what=name, expected=amount_fen, seen=other, by="prediction")
    if predicted.task_state is not None and predicted.task_state != seen.task_state:
        yield Difference(
            what="task_state", expected=predicted.task_state, seen=seen.task_state, by="prediction"
        )
    for group in ("jobs", "auto_added"):
        expected, found = getattr(predicted, group), getattr(seen, group)
        if expected is not None and found is not None:
            yield from _compare_states(group, expected, found)


def compare_task(step_id: str, predicted: Seen, seen: Seen) -> Iterator[Difference]:
    """Give whatever the auditor's book says otherwise of how another step's task stands."""
    for difference in compare_prediction(predicted, seen):
        yield structs.replace(difference, what=f"{difference.what} of {step_id}")


def _compare_states(
    group: str, predicted: Mapping[str, int], seen: Mapping[str, int]
) -> Iterator[Difference]:
    for state in sorted(predicted.keys() | seen.keys()):
        count, other = predicted.get(state, 0), seen.get(state, 0)
        if count != other:
            yield Difference(what=f"{group}.{state}", expected=count, seen=other, by="prediction")
