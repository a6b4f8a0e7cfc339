"""A scenario without mistakes to its plays, one for each variant: every text read, every default filled in."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

from msgspec import UNSET, Struct, UnsetType, structs

from platform_stub.protocol import operator as api
from scenarios import model, play, terms, units
from scenarios.loader.fleet_file import FleetRows
from scenarios.loader.hardware import read_bytes, read_device_fault, read_level, read_span, read_world
from scenarios.loader.meaning import merged
from scenarios.loader.orders import (
    or_default,
    read_auto_add,
    read_create_task,
    read_devices,
    read_fault,
    read_upload,
)
from scenarios.loader.wanted import read_expected, read_never
from scenarios.selection import Selection, read_share

T = TypeVar("T")

_PRODUCTS: Final = {play.DEFAULT_PRODUCT: model.Product()}


def make_plays(scenario: model.Scenario, file: str, rows: Mapping[str, FleetRows]) -> list[play.Play]:
    """Make the plays in the order of the variants."""
    variants = scenario.variants or {"": model.Variant()}
    return [_play(scenario, file, rows, name, variant) for name, variant in variants.items()]


def _play(
    scenario: model.Scenario,
    file: str,
    rows: Mapping[str, FleetRows],
    name: str,
    variant: model.Variant,
) -> play.Play:
    reader = _Steps(name, units.read_span_ms(scenario.wait), rows)
    return play.Play(
        scenario=scenario.name,
        variant=name,
        title=scenario.title,
        variant_title=variant.title,
        file=file,
        covers=tuple(scenario.covers),
        needs=tuple(scenario.needs),
        seed=scenario.seed,
        strict=scenario.strict,
        clock_ms=None if isinstance(scenario.clock, UnsetType) else units.read_moment_ms(scenario.clock),
        policy=_policy(merged(scenario.policy, variant.policy)),
        account=_account(merged(scenario.account, variant.account)),
        products=tuple(
            play.ProductStart(
                name=key,
                product_id=or_default(product.id, None),
                title=product.title or key,
                access_key=_product_key(scenario, rows, key),
            )
            for key, product in (scenario.products or _PRODUCTS).items()
        ),
        fleets=tuple(
            _fleet(key, fleet, rows.get(key, FleetRows())) for key, fleet in scenario.fleets.items()
        ),
        groups={key: placed(read_devices(texts), key) for key, texts in scenario.groups.items()},
        steps=tuple(reader.step(step) for step in scenario.steps),
        teardown=tuple(reader.step(step) for step in scenario.teardown),
        never=placed(read_never(scenario.never, name), "never"),
        on_error=scenario.on_error,
        processes=0 if scenario.processes == "auto" else scenario.processes,
    )


def placed(value: T, where: str) -> T:
    """Say in every selection that draws where it stands, as far as none has said so yet."""
    if isinstance(value, Selection):
        if value.where or not value.is_drawn:
            return value
        return structs.replace(value, where=where, but=placed(value.but, where))
    if isinstance(value, tuple):
        return tuple(placed(part, where) for part in value)  # type: ignore[return-value]  # a tuple of the same
    if isinstance(value, Struct) and not isinstance(value, play.FleetStart):
        parts = {name: getattr(value, name) for name in value.__struct_fields__}
        changed = {name: new for name, part in parts.items() if (new := placed(part, where)) is not part}
        return structs.replace(value, **changed) if changed else value
    return value


def _policy(policy: model.Policy) -> api.Policy:
    fields = {
        field.name: value
        for field in structs.fields(policy)
        if (value := getattr(policy, field.name)) is not UNSET
    }
    date = fields.pop("charging_date", None)
    return api.Policy(charging_date_ms=None if date is None else units.read_moment_ms(date), **fields)


def _account(account: model.Account) -> play.AccountStart:
    return play.AccountStart(
        subscribe=or_default(account.subscribe, default=True),
        top_up_fen=_fen(account.top_up),
        buy=or_default(account.buy, 0),
        grant=or_default(account.grant, 0),
        post_fen=_fen(account.post),
    )


def _fen(amount: terms.Amount | UnsetType) -> int:
    return 0 if isinstance(amount, UnsetType) else units.read_fen(str(amount))


def _product_key(scenario: model.Scenario, rows: Mapping[str, FleetRows], product: str) -> str | None:
    """Give the access key that fleets' files say of a product."""
    keys = (
        rows[name].product_key
        for name, fleet in (*scenario.fleets.items(), *registered(scenario))
        if fleet.product == product and name in rows
    )
    return next(filter(None, keys), None)


def registered(scenario: model.Scenario) -> Iterator[tuple[str, model.Fleet]]:
    """Give the fleets that steps register, by name."""
    for step in (*scenario.steps, *scenario.teardown):
        for each in (step, *or_default(step.parallel, [])):
            if isinstance(each.register, model.Register):
                yield each.register.fleet, each.register


def _fleet(name: str, fleet: model.Fleet, rows: FleetRows) -> play.FleetStart:
    return play.FleetStart(
        name=name,
        product=fleet.product,
        connect=fleet.connect,
        count=len(rows.devices) or or_default(fleet.count, 0),
        rows=rows.devices,
        own=rows.own,
        f_version=fleet.f_version,
        s_version=fleet.s_version,
        flow=fleet.flow,
        manufacturer=or_default(fleet.manufacturer, ""),
        model=or_default(fleet.model, ""),
        world=read_world(fleet.device),
        faults=tuple(read_device_fault(fault) for fault in fleet.faults),
    )


class _Steps:
    """Reads steps of one variant; without a wait of its own a step has the scenario's."""

    def __init__(self, variant: str, wait_ms: int, rows: Mapping[str, FleetRows]) -> None:
        self._variant = variant
        self._wait_ms = wait_ms
        self._rows = rows

    def step(self, step: model.Step) -> play.PlayStep:
        """Read a step, and what it does at once."""
        read = play.PlayStep(
            id=step.id,
            title=step.title,
            action=self._action(step),
            wait_ms=self._wait(step.wait),
            expected=read_expected(step.expect, self._variant),
            xfail=or_default(step.xfail, ""),
        )
        return placed(read, step.id)

    def _wait(self, text: str | UnsetType) -> int | None:
        if isinstance(text, UnsetType):
            return self._wait_ms
        return None if text == "none" else units.read_span_ms(text)

    def _action(self, step: model.Step) -> play.Action:
        name = next(name for name in model.ACTIONS if getattr(step, name) is not UNSET)
        value: Any = getattr(step, name)
        match value:
            case model.Register():
                return play.Register(
                    fleet=_fleet(value.fleet, value, self._rows.get(value.fleet, FleetRows()))
                )
            case model.WaitUntil():
                return play.WaitUntil(
                    of=or_default(value.of, None),
                    until=read_expected(value.until, self._variant),
                    advance_ms=read_span(value.advance) or 0,
                )
            case list():
                return play.Parallel(steps=tuple(self.step(inner) for inner in value))
            case _:
                return _READERS[name](value)


_READERS: Final[Mapping[str, Callable[[Any], play.Action]]] = {
    "create_task": read_create_task,
    "retry_task": lambda v: play.RetryTask(of=v.of),
    "cancel_task": lambda v: play.CancelTask(of=v.of),
    "pause_task": lambda v: play.PauseTask(of=v.of),
    "resume_task": lambda v: play.ResumeTask(of=v.of),
    "cancel_jobs": lambda v: play.CancelJobs(of=v.of, devices=read_devices(v.devices)),
    "auto_add": read_auto_add,
    "set_webhook": lambda v: play.SetWebhook(passes=v.passes, failing=v.failing, off=v.off),
    "inject": lambda v: play.Inject(
        devices=() if v.devices is UNSET else read_devices(v.devices),
        rule=read_fault(v),
        share=None if v.share is UNSET else read_share(v.share),
    ),
    "clear_injected": lambda v: play.ClearInjected(by=or_default(v.by, None)),
    "reconnect": lambda v: play.Reconnect(devices=read_devices(v.devices)),
    "fail": lambda v: play.Fail(devices=read_devices(v.devices), step=v.step, times=v.times),
    "wait_jobs": lambda v: play.WaitJobs(
        of=or_default(v.of, None), devices=() if v.devices is UNSET else read_devices(v.devices)
    ),
    "replace_cards": lambda v: play.ReplaceCards(devices=read_devices(v.devices)),
    "terminate": lambda v: play.Terminate(devices=read_devices(v.devices)),
    "create_again": lambda v: play.CreateAgain(devices=read_devices(v.devices), group=v.group),
    "move": lambda v: play.Move(devices=read_devices(v.devices), to=v.to),
    "buy": lambda v: play.Buy(count=v),
    "grant": lambda v: play.Grant(count=v.count, contract=v.contract),
    "cancel_licences": lambda v: play.CancelLicences(count=v),
    "top_up": lambda v: play.TopUp(amount_fen=_fen(v)),
    "post": lambda v: play.Posting(amount_fen=_fen(v.amount), reason=v.reason),
    "subscribe": lambda _: play.Subscribe(),
    "charging_date": lambda v: play.SetChargingDate(at_ms=None if v is None else units.read_moment_ms(v)),
    "advance": lambda v: play.Advance(span_ms=units.read_span_ms(v)),
    "advance_to": lambda v: play.AdvanceTo(at_ms=units.read_moment_ms(v)),
    "check": lambda v: play.Check(of=or_default(v.of, None)),
    "upload": read_upload,
    "fault": lambda v: play.SetFaults(devices=read_devices(v.devices), fault=read_device_fault(v)),
    "clear_faults": lambda v: play.ClearFaults(
        by=or_default(v.by, None), devices=() if v.devices is UNSET else read_devices(v.devices)
    ),
    "set_devices": lambda v: play.SetDevices(
        devices=read_devices(v.devices),
        battery=read_level(v.battery),
        signal=read_level(v.signal),
        storage_bytes=read_bytes(v.storage),
        mcu_storage_bytes=read_bytes(v.mcu_storage),
    ),
    "power_off": lambda v: play.PowerOff(devices=read_devices(v.devices), for_ms=read_span(v.span)),
    "power_on": lambda v: play.PowerOn(devices=read_devices(v.devices)),
    "storm": lambda v: play.Storm(devices=read_devices(v.devices)),
    "swap_cards": lambda v: play.SwapCards(devices=read_devices(v.devices)),
    "renew_keys": lambda v: play.RenewKeys(devices=read_devices(v.devices), told=v.told),
}
