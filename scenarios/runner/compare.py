"""Expected against seen, and predicted against seen: pure, and the same for both."""

from collections.abc import Iterator
from typing import Final

from scenarios.play import Expected, PlayStep
from scenarios.results import Difference, Seen
from scenarios.units import show_fen

_PREDICTED_COUNTS: Final = (
    "needed",
    "available",
    "missing",
    "deducted",
    "deducted_purchased",
    "deducted_free",
    "grandfathered",
    "left",
    "purchased_left",
    "free_left",
    "cards",
)
_AMOUNTS: Final = {"balance": "balance_fen", "fee": "fee_fen"}


def compare(expected: Expected, seen: Seen) -> Iterator[Difference]:
    """Give each expectation on outcome, counts and amounts that does not hold."""
    yield from _compare_outcome(expected, seen)
    for name, count in expected.counts.items():
        found = count_of(seen, name)
        if found != count:
            yield Difference(what=name, expected=f"{count:,}", seen="none" if found is None else f"{found:,}")
    for name, amount in expected.amounts.items():
        found = getattr(seen, _AMOUNTS[name])
        if found != amount:
            text = "none" if found is None else f"{show_fen(found)} yuan"
            yield Difference(what=name, expected=f"{show_fen(amount)} yuan", seen=text)


def _compare_outcome(expected: Expected, seen: Seen) -> Iterator[Difference]:
    said = f": {seen.message}" if seen.message else ""
    refusal = f"refused ({seen.reason}){said}" if seen.outcome == "refused" else seen.outcome
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
    for name in _PREDICTED_COUNTS:
        count, other = getattr(predicted, name), getattr(seen, name)
        if count is not None and count != other:
            yield Difference(what=name, expected=f"{count:,}", seen=f"{other}", by="prediction")
    for name, field in _AMOUNTS.items():
        amount, other = getattr(predicted, field), getattr(seen, field)
        if amount is not None and other is not None and amount != other:
            yield Difference(what=name, expected=show_fen(amount), seen=show_fen(other), by="prediction")
    if predicted.jobs is not None and seen.jobs is not None:
        for state in sorted(predicted.jobs.keys() | seen.jobs.keys()):
            count, other = predicted.jobs.get(state, 0), seen.jobs.get(state, 0)
            if count != other:
                yield Difference(
                    what=f"jobs.{state}", expected=f"{count:,}", seen=f"{other:,}", by="prediction"
                )


def spell_expected(step: PlayStep) -> dict[str, str]:
    """Spell a step's expectations for a report."""
    expected = step.expected
    spelled: dict[str, str] = {}
    if expected.reason is not None:
        spelled["outcome"] = f"refused ({expected.reason})"
    elif expected.outcome is not None:
        spelled["outcome"] = expected.outcome
    spelled |= {name: str(count) for name, count in expected.counts.items()}
    spelled |= {name: f"{show_fen(amount)} yuan" for name, amount in expected.amounts.items()}
    for versions in expected.versions:
        where = ", ".join(selection.text for selection in versions.devices)
        wanted = [f"f_version {versions.f_version}"] if versions.f_version else []
        wanted += [f"s_version {versions.s_version}"] if versions.s_version else []
        spelled[f"versions of {where}"] = ", ".join(wanted)
    for entitlements in expected.entitlements:
        where = ", ".join(selection.text for selection in entitlements.devices)
        facts = {
            "source": entitlements.source,
            "valid": entitlements.valid,
            "support": entitlements.support,
        }
        wanted = [f"{name} {str(value).lower()}" for name, value in facts.items() if value is not None]
        spelled[f"entitlements of {where}"] = ", ".join(wanted)
    return spelled
