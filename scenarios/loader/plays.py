"""A scenario without mistakes to its plays, one for each variant: every text read, every default filled in."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import UNSET, UnsetType, structs

from platform_stub.protocol import operator as api
from scenarios import model, play, terms, units
from scenarios.loader.expectations import value_for
from scenarios.loader.fleet_file import FleetRows
from scenarios.loader.meaning import merged
from scenarios.loader.orders import (
    or_default,
    read_auto_add,
    read_create_task,
    read_devices,
    read_fault,
    read_share,
)

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
        groups={key: read_devices(texts) for key, texts in scenario.groups.items()},
        steps=tuple(_step(step, name, units.read_span_ms(scenario.wait)) for step in scenario.steps),
    )


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
        for name, fleet in scenario.fleets.items()
        if fleet.product == product and name in rows
    )
    return next(filter(None, keys), None)


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
    )


def _step(step: model.Step, variant: str, wait_ms: int) -> play.PlayStep:
    name = next(name for name in model.ACTIONS if getattr(step, name) is not UNSET)
    if isinstance(step.wait, str):
        wait: int | None = None if step.wait == "none" else units.read_span_ms(step.wait)
    else:
        wait = wait_ms
    return play.PlayStep(
        id=step.id,
        title=step.title,
        action=_READERS[name](getattr(step, name)),
        wait_ms=wait,
        expected=_expected(step.expect, variant),
    )


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
}


def _expected(expect: model.Expect, variant: str) -> play.Expected:
    def take(value: Any) -> Any:
        return or_default(value_for(value, variant), None)

    counts = {name: take(getattr(expect, name)) for name in model.COUNTS}
    for group in model.STATES:
        inner = getattr(expect, group)
        if inner is not UNSET:
            counts |= {f"{group}.{name}": take(getattr(inner, name)) for name in inner.__struct_fields__}
    counts |= {f"struck.{step_id}": count for step_id, count in or_default(expect.struck, {}).items()}
    amounts = {name: take(getattr(expect, name)) for name in ("balance", "fee")}
    return play.Expected(
        outcome=take(expect.outcome),
        reason=take(expect.reason),
        task_state=take(expect.task_state),
        counts={name: value for name, value in counts.items() if value is not None},
        amounts={name: units.read_fen(str(value)) for name, value in amounts.items() if value is not None},
        versions=tuple(
            play.ExpectedVersions(
                devices=read_devices(v.devices),
                f_version=or_default(v.f_version, None),
                s_version=or_default(v.s_version, None),
            )
            for v in or_default(expect.versions, [])
        ),
        entitlements=tuple(
            play.ExpectedEntitlements(
                devices=read_devices(v.devices),
                source=take(v.source),
                valid=or_default(v.valid, None),
                support=or_default(v.support, None),
            )
            for v in or_default(expect.entitlements, [])
        ),
        distribution=tuple(
            play.ExpectedDistribution(
                product=v.product,
                f_versions=or_default(v.f_versions, None),
                s_versions=or_default(v.s_versions, None),
            )
            for v in or_default(expect.distribution, [])
        ),
    )
