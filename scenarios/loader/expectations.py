"""What is expected of a step, held against what the step does: a value for each variant, and no count that can't be."""

from collections.abc import Iterator
from typing import Any, Final

from msgspec import UNSET, UnsetType

from scenarios import model
from scenarios.loader.document import Document, Entry
from scenarios.loader.flow import judge_product
from scenarios.loader.mistakes import Path, listing, nearest
from scenarios.loader.names import Names

_OF_A_TASK: Final = ("needed", "available", "missing", "task_state")
_HAVE_JOBS: Final = (
    *model.CREATING,
    "cancel_task",
    "pause_task",
    "resume_task",
    "cancel_jobs",
    "wait_jobs",
    "check",
)
_OF_A_WEBHOOK: Final = ("deliveries", "pushes")
_LISTS: Final = ("versions", "entitlements", "distribution", "struck")
"""The expectations that are not one value, nor a few by state."""


def judge_expectations(document: Document, names: Names, entry: Entry, action: str | None) -> None:
    """Note every mistake in a step's expectations."""
    step = entry.step
    assert step is not None
    expect, path = step.expect, (*entry.path, "expect")
    written = list(_written(expect))
    for field, value in written:
        _judge_variants(document, (*path, *field), value)
    for what in ("versions", "entitlements"):
        entries = getattr(expect, what)
        if entries is not UNSET:
            _judge_entries(document, names, entry, what, entries)
    _judge_distribution(document, (*path, "distribution"), expect)
    for step_id in expect.struck if isinstance(expect.struck, dict) else ():
        names.judge_fault((*path, "struck", step_id), step_id, before=entry.at + 1)
    for name in _OF_A_WEBHOOK:
        if getattr(expect, name) is not UNSET and not names.has_webhook(entry.at + 1):
            document.blame((*path, name), "no webhook is set by then; set_webhook does so", at_key=True)
    if action is None:
        return
    _judge_place(document, entry, action, {field[0] for field, _ in written})
    if action == "check" and not document.reading.value["steps"][entry.at].get("expect"):
        document.blame(entry.path, "the step checks nothing; write under expect what must be true")
    for variant in document.variants or {"": None}:
        _judge_counts(document, names, entry, variant)


def value_for(value: Any, variant: str) -> Any:
    """Take a variant's value; UNSET when there is none."""
    return value.get(variant, UNSET) if isinstance(value, dict) else value


def _written(expect: model.Expect) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Give each expectation that is one value, by its path below `expect`."""
    for name in expect.__struct_fields__:
        value = getattr(expect, name)
        if value is UNSET or name in _LISTS:
            continue
        if name in model.STATES:
            for inner in value.__struct_fields__:
                if (part := getattr(value, inner)) is not UNSET:
                    yield (name, inner), part
        else:
            yield (name,), value


def _judge_variants(document: Document, path: Path, value: Any) -> None:
    if not isinstance(value, dict):
        return
    if not document.variants:
        document.blame(path, "the scenario has no variants; give one value")
        return
    for name in value:
        if name not in document.variants:
            hint = nearest(name, document.variants) or f"; there are {listing(document.variants)}"
            document.blame((*path, name), f"no variant is named {name}{hint}", at_key=True)
    missing = [name for name in document.variants if name not in value]
    if missing:
        who = f"variant {missing[0]} has" if len(missing) == 1 else f"variants {listing(missing)} have"
        document.blame(path, f"{who} no value here; give one for each")


def _judge_entries(document: Document, names: Names, entry: Entry, what: str, entries: Any) -> None:
    for at, expected in enumerate(entries):
        path: Path = (*entry.path, "expect", what, at)
        devices = expected.devices
        texts = [devices] if isinstance(devices, str) else devices
        names.judge((*path, "devices"), texts, before=entry.at + 1)
        fields = [name for name in expected.__struct_fields__ if name != "devices"]
        if all(getattr(expected, name) is UNSET for name in fields):
            document.blame(path, f"nothing is expected of these devices; write {' or '.join(fields)}")
        if what == "entitlements":
            _judge_variants(document, (*path, "source"), expected.source)


def _judge_distribution(document: Document, path: Path, expect: model.Expect) -> None:
    for at, expected in enumerate(expect.distribution if isinstance(expect.distribution, list) else ()):
        judge_product(document, (*path, at, "product"), expected.product)
        if expected.f_versions is UNSET and expected.s_versions is UNSET:
            document.blame((*path, at), "nothing is expected here; write f_versions or s_versions")


def _judge_place(document: Document, entry: Entry, action: str, written: set[str]) -> None:
    """Hold that the step can have what is expected of it."""
    value = getattr(entry.step, action)
    path = (*entry.path, "expect")
    has_task = action in model.CREATING or isinstance(getattr(value, "of", None), str)
    for name in _OF_A_TASK:
        if name in written and not has_task:
            text = f"{name} is a task's, and this step has none; look with check: {{of: STEP}}"
            document.blame((*path, name), text, at_key=True)
    if "jobs" in written and action not in _HAVE_JOBS:
        text = "jobs are a task's, and this step has none; look with check: {of: STEP}"
        document.blame((*path, "jobs"), text, at_key=True)
    if "cards" in written and action != "replace_cards":
        document.blame((*path, "cards"), "cards are counted at a replace_cards step", at_key=True)


def _judge_counts(document: Document, names: Names, entry: Entry, variant: str) -> None:
    """Hold the counts of one variant against each other and against the number of devices."""
    step = entry.step
    assert step is not None
    path = (*entry.path, "expect")
    outcome, reason = value_for(step.expect.outcome, variant), value_for(step.expect.reason, variant)
    creating = any(getattr(step, action) is not UNSET for action in model.CREATING)
    if reason is not UNSET and outcome not in {UNSET, "refused"}:
        document.blame((*path, "reason"), f"a step that is {outcome} has no reason; outcome is refused")
    if outcome == "created" and not creating:
        document.blame((*path, "outcome"), "this step creates no task; done or refused is expected of it")
    if outcome == "done" and creating:
        document.blame((*path, "outcome"), "this step creates a task; created or refused is expected of it")
    counts = {name: value_for(getattr(step.expect, name), variant) for name in model.COUNTS}
    known = {name: value for name, value in counts.items() if isinstance(value, int)}
    _judge_sums(document, path, known, refused=reason is not UNSET or outcome == "refused")
    if isinstance(step.create_task, model.CreateTask):
        devices = step.create_task.devices
        texts = [devices] if isinstance(devices, str) else devices
        size = None if isinstance(texts, UnsetType) else names.size(texts, entry.at)
        if size is not None:
            _judge_size(document, path, step, variant, size)


def _judge_sums(document: Document, path: Path, counts: dict[str, int], *, refused: bool) -> None:
    def given(*names: str) -> bool:
        return all(name in counts for name in names)

    if given("needed", "available", "missing") and refused:
        missing = max(0, counts["needed"] - counts["available"])
        if counts["missing"] != missing:
            text = (
                f"needed {counts['needed']:,} of available {counts['available']:,} leaves {missing:,} missing"
            )
            document.blame((*path, "missing"), f"{text}, not {counts['missing']:,}")
    for whole, first, second in (
        ("deducted", "deducted_purchased", "deducted_free"),
        ("left", "purchased_left", "free_left"),
    ):
        if given(whole, first, second) and counts[whole] != counts[first] + counts[second]:
            text = f"{first} {counts[first]:,} and {second} {counts[second]:,} don't make {counts[whole]:,}"
            document.blame((*path, whole), text)
    if refused and counts.get("deducted"):
        document.blame((*path, "deducted"), "a refused step deducts nothing (B13)")


def _judge_size(document: Document, path: Path, step: model.Step, variant: str, size: int) -> None:
    for name in ("needed", "deducted", "grandfathered"):
        value = value_for(getattr(step.expect, name), variant)
        if isinstance(value, int) and value > size:
            document.blame((*path, name), f"{value:,} can't be: the task has {size:,} devices")
    jobs = step.expect.jobs
    if isinstance(jobs, model.ExpectJobs):
        total = sum(
            value
            for name in jobs.__struct_fields__
            if isinstance(value := value_for(getattr(jobs, name), variant), int)
        )
        if total > size:
            document.blame((*path, "jobs"), f"{total:,} jobs can't be: the task has {size:,} devices")
