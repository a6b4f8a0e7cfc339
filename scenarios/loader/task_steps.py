"""What can't be in a task, an auto-add policy, a webhook or an injected fault, beyond what a schema sees."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import UNSET, UnsetType

from platform_stub.protocol.injected import find_mistake
from scenarios import model, terms, units
from scenarios.loader.document import Document, Entry
from scenarios.loader.mistakes import Path, listing, nearest
from scenarios.loader.names import Names
from scenarios.loader.orders import read_fault, read_start_versions
from scenarios.play import DEFAULT_PRODUCT
from scenarios.selection import read_share

PACKAGE_MAX_BYTES: Final = 30 * 2**20
EXPIRES_MIN_MS: Final = 60_000
EXPIRES_MAX_MS: Final = 366 * 86_400_000
RETRY_MAX_MS: Final = 86_400_000
DELAY_MAX_MS: Final = 600_000
CUT_MAX_BYTES: Final = 2**31
SPAN_MAX_MS: Final = 100 * 365 * 86_400_000

# What an author writes who means devices that have reported no version.
_NO_VERSIONS: Final = frozenset({"none", "null"})

# The operator API's names in find_mistake's words, as an author writes them.
_SPELLED: Final = {"delay_ms": "delay", "cut_at_bytes": "cut_at", "generation": "flow"}


def judge_task_step(document: Document, names: Names, entry: Entry, action: str, now_ms: int | None) -> None:
    """Note every mistake in a step's task, policy, webhook or fault; `now_ms` is the clock's, where it is known."""
    path = (*entry.path, action)
    value: Any = getattr(entry.step, action)
    match value:
        case model.CreateTask():
            _judge_task(document, path, value, now_ms)
        case model.AutoAdd():
            _judge_auto_add(document, path, value)
        case model.SetWebhook(off=True) if said := _written(document, entry, action) - {"off"}:
            document.blame((*path, min(said)), "a webhook that is taken off has nothing besides", at_key=True)
        case model.Inject():
            _judge_fault(document, path, value)
        case model.ClearInjected(by=str(by)):
            names.judge_fault((*path, "by"), by, entry.before, "inject")
        case model.Upload():
            _judge_upload(document, path, value)


def judge_product(document: Document, path: Path, product: object) -> None:
    """Note it when a product is not there."""
    products = document.products or {DEFAULT_PRODUCT: None}
    if isinstance(product, str) and product not in products:
        hint = nearest(product, products) or f"; there are {listing(products)}"
        document.blame(path, f"no product is named {product}{hint}")


def _written(document: Document, entry: Entry, action: str) -> set[str]:
    raw = document.raw((*entry.path, action))
    return set(raw) if isinstance(raw, dict) else set()


def _judge_task(document: Document, path: Path, task: model.CreateTask, now_ms: int | None) -> None:
    is_all = task.scope == "all"
    has_devices = (*path, "devices") in document.reading.marks
    if is_all and has_devices:
        text = "scope all is every device of the product; leave out devices, or scope"
        document.blame((*path, "devices"), text, at_key=True)
    if not is_all and not has_devices:
        document.blame(path, "devices are missing; name them, or write scope: all")
    if not is_all and task.product is not UNSET:
        text = "a product goes with scope: all; else it is the devices'"
        document.blame((*path, "product"), text, at_key=True)
    if is_all and task.product is UNSET:
        judge_product(document, (*path, "scope"), DEFAULT_PRODUCT)
    judge_product(document, (*path, "product"), task.product)
    if is_all and task.verification == "first":
        document.blame((*path, "verification"), "a verification is of exactly one device (P15); name it")
    _judge_package(document, path, task.package, task.start_version, task.target)
    _judge_maker(document, path)
    _judge_versions(document, path, task.start_version, task.start_versions)
    _judge_start(document, path, task, now_ms)
    _judge_spans(document, _spans_of(path, task))


def _judge_upload(document: Document, path: Path, upload: model.Upload) -> None:
    judge_product(document, path if upload.product is UNSET else (*path, "product"), _product(upload.product))
    _judge_package(document, path, upload.package, upload.start_version, upload.target)
    _judge_maker(document, path)


def _product(name: str | UnsetType) -> str:
    return DEFAULT_PRODUCT if isinstance(name, UnsetType) else name


def _judge_package(
    document: Document, path: Path, size: object, start_version: object, target: object
) -> None:
    if isinstance(size, int | str) and units.read_size(str(size)) > PACKAGE_MAX_BYTES:
        document.blame((*path, "package"), "a package has at most 30 MiB")
    if isinstance(start_version, str) and start_version == target:
        document.blame((*path, "from"), f"a differential package leads from another version than {target}")


def _judge_maker(document: Document, path: Path) -> None:
    """Hold that a package names both: the platform fills the other one in, with a model that nobody has."""
    named = [name for name in ("manufacturer", "model") if (*path, name) in document.reading.marks]
    if len(named) == 1 and (*path, named[0]) not in document.bad:
        document.blame(
            (*path, named[0]), "a package is for a manufacturer and a model; name both", at_key=True
        )


def _judge_versions(document: Document, path: Path, start_version: object, texts: Any) -> None:
    for version in [texts] if isinstance(texts, str) else texts if isinstance(texts, list) else ():
        if isinstance(version, str) and version.casefold() in _NO_VERSIONS:
            text = f"{version!r} would be a version; devices that have reported none are {terms.NEVER!r}"
            document.blame((*path, "start_versions"), text)
    admitted = read_start_versions(texts)
    if isinstance(start_version, str) and admitted is not None and start_version not in admitted:
        text = f"the package is from {start_version}, which start_versions leave out"
        document.blame((*path, "start_versions"), text)


def _judge_start(document: Document, path: Path, task: model.CreateTask, now_ms: int | None) -> None:
    if isinstance(task.start_at, UnsetType):
        return
    if task.start_in is not UNSET:
        document.blame((*path, "start_at"), "a task starts in a span or at a moment, not both", at_key=True)
    try:
        at_ms = units.read_moment_ms(task.start_at)
    except ValueError:
        document.blame((*path, "start_at"), f"there is no moment {task.start_at}")
        return
    if now_ms is not None and at_ms < now_ms:
        text = f"the clock shows {units.show_moment_like(now_ms, task.start_at)} by then, so it would start in the past"
        document.blame((*path, "start_at"), text)


def _spans_of(path: Path, task: model.CreateTask) -> Iterator[tuple[Path, str, int, int, str]]:
    """Give each span of a task with its bounds, and how they are told."""
    if isinstance(task.start_in, str):
        yield (*path, "start_in"), task.start_in, 0, SPAN_MAX_MS, "a task starts within 100 years"
    yield (
        (*path, "expires"),
        task.expires,
        EXPIRES_MIN_MS,
        EXPIRES_MAX_MS,
        "a task expires after 1 min to 366 d",
    )
    if isinstance(task.retry, model.Retry):
        yield (
            (*path, "retry", "interval"),
            task.retry.interval,
            1_000,
            RETRY_MAX_MS,
            "an interval is from 1 s to 1 d",
        )


def _judge_spans(document: Document, spans: Iterable[tuple[Path, str, int, int, str]]) -> None:
    for path, text, least_ms, most_ms, said in spans:
        if not least_ms <= units.read_span_ms(text) <= most_ms:
            document.blame(path, said)


def _judge_auto_add(document: Document, path: Path, policy: model.AutoAdd) -> None:
    facts = {"kind", "target", "product", "package", "from"}
    given = [name for name in sorted(facts) if (*path, name) in document.reading.marks]
    has_step = (*path, "of") in document.reading.marks
    if has_step and given:
        text = f"the package is that of step {policy.of}; leave out {' and '.join(given)}"
        document.blame((*path, given[0]), text, at_key=True)
    if not has_step and not {"kind", "target"} <= set(given):
        document.blame(path, "name the package by kind and target, or by of, a step whose task has it")
    if policy.off and policy.start_versions is not UNSET:
        text = "a policy that is taken off takes nobody in; leave out off, or start_versions"
        document.blame((*path, "start_versions"), text, at_key=True)
    judge_product(document, (*path, "product"), policy.product)
    if not has_step and policy.product is UNSET:
        judge_product(document, path, DEFAULT_PRODUCT)
    _judge_package(document, path, policy.package, policy.start_version, policy.target)
    _judge_versions(document, path, policy.start_version, policy.start_versions)


def _judge_fault(document: Document, path: Path, fault: model.Inject) -> None:
    if isinstance(fault.delay, str) and units.read_span_ms(fault.delay) > DELAY_MAX_MS:
        document.blame((*path, "delay"), "an answer is at most 10 min late")
        return
    if isinstance(fault.share, str) and read_share(fault.share) == 0:
        document.blame((*path, "share"), "a share of 0 % strikes nobody; leave the step out")
        return
    if isinstance(fault.cut_at, str) and units.read_size(fault.cut_at) > CUT_MAX_BYTES:
        document.blame((*path, "cut_at"), "a download is cut within its first 2 GiB")
        return
    text = find_mistake(read_fault(fault))
    if text is not None and not document.has_mistakes_below(path):
        for name, spelled in _SPELLED.items():
            text = text.replace(name, spelled)
        document.blame(path, text)
