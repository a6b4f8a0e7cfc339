"""What a schema can't see: names that stand for nothing, counts that can't be, steps that contradict themselves.

Judged in the order of the file, as far as the file could be read.
"""

from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any, Final

from msgspec import UNSET, structs

from scenarios import model, units
from scenarios.loader.device_steps import judge_device_step
from scenarios.loader.document import PARALLEL, Document, Entry
from scenarios.loader.expectations import judge_expectations, judge_never
from scenarios.loader.fleet_file import FleetRows
from scenarios.loader.fleets import judge_faults_of_fleets, judge_fleets, judge_name
from scenarios.loader.mistakes import Path, listing
from scenarios.loader.names import GROUPS_DEEP_MAX, Names
from scenarios.loader.orders import or_default
from scenarios.loader.outlook import judge_outlook, judge_patience
from scenarios.loader.targets import judge_target
from scenarios.loader.task_steps import SPAN_MAX_MS, judge_product, judge_task_step

RULES: Final[Mapping[str, int]] = {"B": 17, "P": 16, "I": 7, "E": 11}
FEN_MAX: Final = 2**53
_MOVE_THE_CLOCK: Final = ("advance", "advance_to")
_OF_CONNECTED: Final[Mapping[str, str]] = {
    "fault": "nothing goes wrong with them",
    "set_devices": "nothing of them is there to change",
    "power_off": "they have no power to lose",
    "power_on": "they get none",
    "storm": "there is no connection to cut",
    "fail": "none of their jobs runs",
    "wait_jobs": "none of their jobs ends",
    "reconnect": "none of them can come back",
}


def judge(document: Document, folder: FilePath) -> dict[str, FleetRows]:
    """Note every mistake of meaning in the document; answers the devices of fleets that come from files."""
    _judge_covers(document)
    _judge_moments(document)
    _judge_waits(document)
    _judge_money(document)
    rows = judge_fleets(document, folder)
    _judge_processes(document, rows)
    names = Names(document, rows)
    judge_faults_of_fleets(document, names)
    _judge_products(document)
    _judge_groups(document, names)
    _judge_steps(document, names)
    if document.is_whole:
        judge_outlook(document, names)
    for at, never in enumerate(document.never):
        if never is not None:
            judge_never(document, names, ("never", at), never, None, has_task=False)
    return rows


def _judge_covers(document: Document) -> None:
    for at, rule in enumerate(document.covers):
        most = RULES.get(rule[:1], 0)
        if rule[1:].isdecimal() and int(rule[1:]) > most:
            document.blame(("covers", at), f"there is no {rule}; the last one is {rule[0]}{most}")


def _judge_moments(document: Document) -> None:
    places: list[tuple[Path, Any]] = [(("clock",), document.clock)]
    places.append((("policy", "charging_date"), document.policy.charging_date))
    for name, variant in document.variants.items():
        if variant is not None:
            places.append((("variants", name, "policy", "charging_date"), variant.policy.charging_date))
    for entry in document.entries:
        if entry.step is not None:
            places.append(((*entry.path, "charging_date"), entry.step.charging_date))
            places.append(((*entry.path, "advance_to"), entry.step.advance_to))
    for path, text in places:
        if isinstance(text, str) and _moment(text) is None:
            document.blame(path, f"there is no moment {text}")


def _judge_waits(document: Document) -> None:
    places: list[tuple[Path, Any]] = [(("wait",), document.reading.value.get("wait"))]
    places += [
        ((*entry.path, "wait"), entry.step.wait) for entry in document.entries if entry.step is not None
    ]
    for path, text in places:
        is_span = isinstance(text, str) and text != "none" and path not in document.bad
        if is_span and units.read_span_ms(text) > SPAN_MAX_MS:
            document.blame(path, "a wait is at most 100 years")


def _judge_money(document: Document) -> None:
    """Hold that the account can pay for what it buys at the start, in each variant (P11)."""
    if document.has_mistakes_in("account", "policy", "variants"):
        return
    for name, variant in (document.variants or {"": None}).items():
        account, policy, at = document.account, document.policy, ("account",)
        if variant is not None:
            account, policy = merged(account, variant.account), merged(policy, variant.policy)
            at = ("variants", name, "account") if variant.account != model.Account() else at  # type: ignore[assignment]
        count = account.buy if isinstance(account.buy, int) else 0
        price_fen = policy.price_fen if isinstance(policy.price_fen, int) else 100
        paid_in = units.read_fen(str(account.top_up)) if account.top_up is not UNSET else 0
        if paid_in < 0 or paid_in > FEN_MAX:
            document.blame((*at, "top_up"), "a top-up is positive; post takes money out")
        elif count * price_fen > paid_in:
            cost = units.show_fen(count * price_fen)
            text = f"{count:,} licences cost {cost} yuan, top_up is {units.show_fen(paid_in)} yuan (P11)"
            document.blame((*at, "buy"), text)


def merged(base: Any, over: Any) -> Any:
    """Lay the fields that are set in one struct over another."""
    changes = {
        field.name: value
        for field in structs.fields(over)
        if (value := getattr(over, field.name)) is not UNSET and value != field.default
    }
    return structs.replace(base, **changes)


def _judge_processes(document: Document, rows: Mapping[str, FleetRows]) -> None:
    """Refuse more processes than there are devices for them from the start."""
    count, path = document.raw(("processes",)), ("processes",)
    if not isinstance(count, int) or count == 1 or document.has_mistakes_in("processes", "fleets"):
        return
    devices = sum(
        len(rows[name].devices) if name in rows else or_default(fleet.count, 0)
        for name, fleet in document.fleets.items()
        if fleet is not None and fleet.connect
    )
    if count > devices:
        what = "1 device connects" if devices == 1 else f"{devices:,} devices connect"
        document.blame(
            path, f"{count} processes are wanted, and {what} at the start: each wants one at least"
        )


def _judge_products(document: Document) -> None:
    first: dict[str, str] = {}
    for name, product in document.products.items():
        if product is None or not isinstance(product.id, str):
            continue
        other = first.setdefault(product.id, name)
        if other != name:
            document.blame(("products", name, "id"), f"product {other} has this id already")


def _judge_groups(document: Document, names: Names) -> None:
    for name, texts in list(document.groups.items()):
        path: Path = ("groups", name)
        judge_name(document, path, name)
        if name in document.fleets:
            document.blame(path, f"a fleet is named {name} too; take another name", at_key=True)
        if texts is None:
            continue
        if names.is_too_deep(name):
            deep = f"group {name} is made from groups more than {GROUPS_DEEP_MAX} deep; name their devices themselves"
            document.blame(path, f"group {name} is made from itself" if names.is_circular(name) else deep)
            if not names.is_circular(name):
                document.groups[name] = None  # or whoever names it would be followed as deep
            continue
        names.judge(path, texts, None)


def _judge_steps(document: Document, names: Names) -> None:
    first: dict[str, Entry] = {}
    now_ms = _moment(document.clock)
    for entry in document.entries:
        if entry.id is not None and entry.id in first:
            where = document.where(first[entry.id].path)
            document.blame((*entry.path, "id"), f"a step is named {entry.id} already, {where}")
        elif entry.id is not None:
            first[entry.id] = entry
        if entry.step is None:
            continue
        action = _only_action(document, entry)
        if action is not None:
            _judge_action(document, names, entry, action)
            judge_task_step(document, names, entry, action, now_ms)
            judge_device_step(document, names, entry, action)
            judge_patience(document, names, entry, action)
            judge_target(document, names, entry)
            _judge_beside_others(document, entry, action)
            now_ms = _judge_clock(document, entry, now_ms)
        judge_expectations(document, names, entry, action)


def _moment(text: object) -> int | None:
    try:
        return units.read_moment_ms(text) if isinstance(text, str) else None
    except ValueError:
        return None  # said already


def _only_action(document: Document, entry: Entry) -> str | None:
    raw = document.raw(entry.path)
    if not isinstance(raw, dict):
        return None
    written = [name for name in model.ACTIONS if name in raw]
    if written == [PARALLEL]:
        if entry.is_beside_others:
            text = "steps are done at once in one block, not within another"
            document.blame((*entry.path, PARALLEL), text, at_key=True)
        return PARALLEL if entry.inner else None
    if len(written) == 1:
        return written[0] if getattr(entry.step, written[0]) is not UNSET else None
    if written:
        document.blame(
            (*entry.path, written[1]), f"a step has one action, here are {' and '.join(written)}", at_key=True
        )
    elif not any(
        name not in model.Step.__struct_fields__ for name in raw
    ):  # else it is misspelled, and said so
        document.blame(entry.path, f"the step has no action; there are {listing(model.ACTIONS, 60)}")
    return None


def _judge_action(document: Document, names: Names, entry: Entry, action: str) -> None:
    value = getattr(entry.step, action)
    path = (*entry.path, action)
    texts = getattr(value, "devices", None)
    if texts is not None and texts is not UNSET:
        listed = [texts] if isinstance(texts, str) else texts
        names.judge((*path, "devices"), listed, entry.before)
        _judge_devices(document, names, entry, action, listed)
    if isinstance(of := getattr(value, "of", None), str):
        names.judge_task((*path, "of"), of, entry.before)
    match value:
        case model.Move(to=to):
            judge_product(document, (*path, "to"), to)
        case model.CreateAgain(group=group):
            judge_name(document, (*path, "group"), group, at_key=False)
            _judge_new(document, names, (*path, "group"), entry, group)
        case model.Register(fleet=fleet):
            _judge_new(document, names, (*path, "fleet"), entry, fleet)
        case model.Posting(amount=amount) if units.read_fen(str(amount)) == 0:
            document.blame((*path, "amount"), "a posting moves money; 0 moves none")
        case _ if action == "top_up" and units.read_fen(str(value)) <= 0:
            document.blame(path, "a top-up is positive; post takes money out")


def _judge_new(document: Document, names: Names, path: Path, entry: Entry, name: str) -> None:
    """Hold that a name is not taken."""
    maker = names.maker_of(name)
    if name in document.fleets or name in document.groups:
        document.blame(path, f"{name} is a fleet or group already; take another name")
    elif maker is not None and maker is not entry:
        document.blame(path, f"{name} is made by step {maker.id} already; take another name")


def _judge_devices(document: Document, names: Names, entry: Entry, action: str, texts: list[str]) -> None:
    path: Path = (*entry.path, action, "devices")
    fleets = [fleet for name in names.fleets_of(texts) if (fleet := names.fleet(name)) is not None]
    step = entry.step
    assert step is not None
    if action in _OF_CONNECTED and fleets and not any(fleet.connect for fleet in fleets):
        document.blame(path, f"these devices are not connected (connect: false), so {_OF_CONNECTED[action]}")
    moves = any(
        other.step is not None and other.step.move is not UNSET and other.at < entry.at
        for other in document.entries
    )
    if isinstance(step.create_task, model.CreateTask):
        if len({fleet.product for fleet in fleets}) > 1 and not moves:
            document.blame(path, "these devices are of several products, and a package is for one")
        size = names.size(texts, entry.before)
        if step.create_task.verification == "first" and size is not None and size != 1:
            document.blame(path, f"a verification is of exactly one device (P15), not of {size:,}")


def _judge_beside_others(document: Document, entry: Entry, action: str) -> None:
    """Hold that the clock stands still while steps are done at once: what they came to would depend on chance."""
    moves = action in _MOVE_THE_CLOCK
    path = (*entry.path, action)
    if isinstance(entry.step, model.Step) and isinstance(entry.step.wait_until, model.WaitUntil):
        moves, path = entry.step.wait_until.advance is not UNSET, (*path, "advance")
    if moves and entry.is_beside_others:
        text = "the clock is not moved beside other steps; move it in a step before the block or after it"
        document.blame(path, text, at_key=True)


def _judge_clock(document: Document, entry: Entry, now_ms: int | None) -> int | None:
    """Follow the account's clock as far as it is known; it never goes back."""
    step = entry.step
    assert step is not None
    if isinstance(step.advance, str):
        span_ms = units.read_span_ms(step.advance)
        if span_ms > SPAN_MAX_MS:
            document.blame((*entry.path, "advance"), "the clock is moved by at most 100 years")
        return None if now_ms is None else now_ms + span_ms
    to_ms = _moment(step.advance_to)
    if to_ms is not None and now_ms is not None and to_ms < now_ms:
        known = units.show_moment_like(now_ms, str(step.advance_to))
        document.blame((*entry.path, "advance_to"), f"the clock shows {known} by then, and is never set back")
    if to_ms is not None:
        return to_ms
    return now_ms
