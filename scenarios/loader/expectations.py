"""What is expected of a step, held against what the step does: a value for each variant, and no count that can't be.

What must be so at any time (`until`, `never`) is held against the same rules, as far as they are about no step.
"""

from collections.abc import Iterator
from typing import Any, Final

from msgspec import UNSET

from scenarios import model
from scenarios.loader.document import Document, Entry, Sight
from scenarios.loader.mistakes import Path, listing, nearest
from scenarios.loader.names import Names
from scenarios.loader.task_steps import judge_product
from scenarios.loader.wanted import read_wanted, value_for

_OF_A_TASK: Final = ("needed", "available", "missing", "task_state")
_HAVE_JOBS: Final = (
    *model.CREATING,
    "cancel_task",
    "pause_task",
    "resume_task",
    "cancel_jobs",
    "wait_jobs",
    "wait_until",
    "check",
)
_OF_A_WEBHOOK: Final = ("deliveries", "pushes", "pushed")
_LISTS: Final = (
    "versions",
    "entitlements",
    "distribution",
    "struck",
    "running",
    "messages",
    "pushed",
    "journal",
    "never",
    "of",
)
"""The expectations that are not one value, nor a few by state."""
_ENTRIES: Final = ("versions", "entitlements", "running", "messages")
"""The expectations about some devices."""


def judge_expectations(document: Document, names: Names, entry: Entry, action: str | None) -> None:
    """Note every mistake in a step's expectations."""
    step = entry.step
    assert step is not None
    path = (*entry.path, "expect")
    _judge_state(document, names, path, step.expect, entry.after)
    own_task = _has_task(entry, action)
    for at, never in enumerate(step.expect.never if isinstance(step.expect.never, list) else ()):
        judge_never(document, names, (*path, "never", at), never, entry.after, has_task=own_task)
    if action is None:
        return
    written = {field[0] for field, _ in _written(step.expect)}
    _judge_place(document, entry, action, written)
    if action == "check" and not document.raw((*entry.path, "expect")):
        document.blame(entry.path, "the step checks nothing; write under expect what must be true")
    for variant in document.variants or {"": None}:
        _judge_counts(document, names, entry, variant)


def judge_never(
    document: Document, names: Names, path: Path, never: model.Never, sight: Sight | None, *, has_task: bool
) -> None:
    """Note every mistake in what must not be so; `has_task`: it is about a step that has one."""
    if isinstance(never.of, str):
        names.judge_task((*path, "of"), never.of, sight)
    _judge_state(document, names, path, never, sight)
    _judge_any_time(document, path, never, "never", has_task=has_task or isinstance(never.of, str))


def judge_until(document: Document, names: Names, entry: Entry, wait: model.WaitUntil) -> None:
    """Note every mistake in what is waited for."""
    path = (*entry.path, "wait_until", "until")
    _judge_state(document, names, path, wait.until, entry.before)
    _judge_any_time(document, path, wait.until, "until", has_task=isinstance(wait.of, str))


def _judge_any_time(document: Document, path: Path, state: model.Until, word: str, *, has_task: bool) -> None:
    """Hold that there is something to look at, and that a task's state is a task's."""
    is_empty = all(getattr(state, name) is UNSET for name in _fields(state))
    if is_empty and not document.has_mistakes_below(path):
        document.blame(path, f"nothing is written under {word}; there are {listing(_fields(state), 30)}")
    if state.task_state is not UNSET and not has_task:
        text = "task_state is a task's; name the step that created it with of: STEP"
        document.blame((*path, "task_state"), text, at_key=True)


def _fields(state: model.Until) -> list[str]:
    return [name for name in state.__struct_fields__ if name != "of"]


def _judge_state(
    document: Document, names: Names, path: Path, expect: model.Until, sight: Sight | None
) -> None:
    """Note what is wrong with expectations by themselves."""
    for field, value in _written(expect):
        _judge_variants(document, (*path, *field), value)
        _judge_bounds(document, (*path, *field), value)
    for what in _ENTRIES:
        entries = getattr(expect, what)
        if entries is not UNSET:
            _judge_entries(document, names, (*path, what), entries, sight)
    _judge_distribution(document, (*path, "distribution"), expect)
    for what in ("struck", "journal"):
        counts = getattr(expect, what)
        for name, value in counts.items() if isinstance(counts, dict) else ():
            _judge_bounds(document, (*path, what, name), value)
    for step_id in expect.struck if isinstance(expect.struck, dict) else ():
        names.judge_fault((*path, "struck", step_id), step_id, sight, "inject")
    for at, pushed in enumerate(expect.pushed if isinstance(expect.pushed, list) else ()):
        names.judge_task((*path, "pushed", at, "of"), pushed.of, sight)
        _judge_bounds(document, (*path, "pushed", at, "count"), pushed.count)
    for name in _OF_A_WEBHOOK:
        if getattr(expect, name) is not UNSET and not names.has_webhook(sight):
            document.blame((*path, name), "no webhook is set by then; set_webhook does so", at_key=True)


def _written(expect: model.Until) -> Iterator[tuple[tuple[str, ...], Any]]:
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


def _judge_bounds(document: Document, path: Path, value: Any) -> None:
    """Hold that the bounds of a count leave one."""
    if path[-1] in _TEXTS:
        return
    for name, one in value.items() if isinstance(value, dict) else ((None, value),):
        if isinstance(one, str):
            try:
                read_wanted(one)
            except ValueError as exc:
                document.blame(path if name is None else (*path, name), str(exc))


_TEXTS: Final = ("outcome", "reason", "task_state", "balance", "fee")
"""The expectations whose text is no count."""


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


def _judge_entries(
    document: Document, names: Names, path: Path, entries: list[Any], sight: Sight | None
) -> None:
    for at, expected in enumerate(entries):
        here: Path = (*path, at)
        texts = _texts(expected.devices)
        names.judge((*here, "devices"), texts, sight)
        match expected:
            case model.ExpectMessages():
                _judge_messages(document, here, expected)
                continue
            case model.ExpectEntitlements():
                _judge_variants(document, (*here, "source"), expected.source)
            case model.ExpectRunning(count=count) if count is not UNSET:
                _judge_bounds(document, (*here, "count"), count)
                _judge_most(document, (*here, "count"), count, names.size(texts, sight))
        fields = [name for name in expected.__struct_fields__ if name not in {"devices", "count"}]
        if all(getattr(expected, name) is UNSET for name in fields):
            document.blame(here, f"nothing is expected of these devices; write {' or '.join(fields)}")


def _judge_messages(document: Document, path: Path, expected: model.ExpectMessages) -> None:
    is_sent, is_received = expected.sent is not UNSET, expected.received is not UNSET
    if is_sent and is_received:
        document.blame(
            (*path, "received"), "an entry is about what was sent or received, not both", at_key=True
        )
    elif not is_sent and not is_received:
        document.blame(path, "which messages? write sent: ota/status, say, or received: ota/inform")
    _judge_bounds(document, (*path, "count"), expected.count)


def _judge_most(document: Document, path: Path, value: Any, size: int | None) -> None:
    """Hold that a count is not above how many devices there are."""
    least = _least(value)
    if size is not None and least is not None and least > size:
        document.blame(path, f"{least:,} can't be: there are {size:,} devices")


def _least(value: Any) -> int | None:
    """Give the least that a count may be; None when it is none, or can't be read."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        wanted = read_wanted(value)
    except ValueError:
        return None  # said already
    return wanted if isinstance(wanted, int) else wanted.low


def _texts(devices: Any) -> list[str]:
    if devices is UNSET:
        return []
    return [devices] if isinstance(devices, str) else devices


def _has_task(entry: Entry, action: str | None) -> bool:
    if action is None:
        return True
    return action in model.CREATING or isinstance(getattr(getattr(entry.step, action), "of", None), str)


def _judge_distribution(document: Document, path: Path, expect: model.Until) -> None:
    for at, expected in enumerate(expect.distribution if isinstance(expect.distribution, list) else ()):
        judge_product(document, (*path, at, "product"), expected.product)
        if expected.f_versions is UNSET and expected.s_versions is UNSET:
            document.blame((*path, at), "nothing is expected here; write f_versions or s_versions")


def _judge_place(document: Document, entry: Entry, action: str, written: set[str]) -> None:
    """Hold that the step can have what is expected of it."""
    path = (*entry.path, "expect")
    has_task = _has_task(entry, action)
    for name in _OF_A_TASK:
        if name in written and not has_task:
            text = f"{name} is a task's, and this step has none; look with check: {{of: STEP}}"
            document.blame((*path, name), text, at_key=True)
    if "jobs" in written and action not in _HAVE_JOBS:
        text = "jobs are a task's, and this step has none; look with check: {of: STEP}"
        document.blame((*path, "jobs"), text, at_key=True)
    if "cards" in written and action not in {"replace_cards", "swap_cards"}:
        text = "cards are counted at a replace_cards or swap_cards step"
        document.blame((*path, "cards"), text, at_key=True)


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
        size = None if devices is UNSET else names.size(_texts(devices), entry.before)
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
        least = _least(value_for(getattr(step.expect, name), variant))
        if least is not None and least > size:
            document.blame((*path, name), f"{least:,} can't be: the task has {size:,} devices")
    jobs = step.expect.jobs
    if isinstance(jobs, model.ExpectJobs):
        total = sum(_least(value_for(getattr(jobs, name), variant)) or 0 for name in jobs.__struct_fields__)
        if total > size:
            document.blame((*path, "jobs"), f"{total:,} jobs can't be: the task has {size:,} devices")
