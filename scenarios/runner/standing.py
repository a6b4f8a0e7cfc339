"""How an account stands, and what a step changed of it; the same for the real account and the one on paper."""

from msgspec import Struct, structs

from platform_stub.protocol.operator import Account, Licences, Task
from scenarios.operator import Refusal
from scenarios.results import Seen


class Standing(Struct, frozen=True, kw_only=True):
    """An account at one moment."""

    licences: Licences
    balance_fen: int
    fee_fen: int
    now_ms: int


def standing_of(account: Account) -> Standing:
    """Take it from the platform's answer; the fee is what online licences cost (B2)."""
    return Standing(
        licences=account.licences,
        balance_fen=account.balance_fen,
        fee_fen=account.licences.bought * account.policy.price_fen,
        now_ms=account.now_ms,
    )


def complete(seen: Seen, before: Standing, after: Standing) -> Seen:
    """Fill in what a step did to the account, as far as the step's own answer does not say it."""
    was, now = before.licences, after.licences
    changes: dict[str, int] = {
        "purchased_left": now.purchased_left,
        "free_left": now.free_left,
        "balance_fen": after.balance_fen,
        "fee_fen": after.fee_fen,
    }
    own = {
        "deducted": now.entitled_purchased + now.entitled_free - was.entitled_purchased - was.entitled_free,
        "deducted_purchased": now.entitled_purchased - was.entitled_purchased,
        "deducted_free": now.entitled_free - was.entitled_free,
        "grandfathered": now.entitled_grandfathered - was.entitled_grandfathered,
        "left": now.left,
    }
    changes |= {name: value for name, value in own.items() if getattr(seen, name) is None}
    return structs.replace(seen, **changes)


def created(task: Task) -> Seen:
    """Take what a creation answered. What became free for life is seen on the account, as it may come later (P3)."""
    return Seen(
        outcome="created",
        devices=task.device_count,
        needed=task.needed,
        available=task.available,
        missing=0,
        deducted=task.deducted,
        deducted_purchased=task.deducted_purchased,
        deducted_free=task.deducted_free,
        left=task.left,
        jobs=jobs_of(task),
        task_state=task.state,
    )


def looked_at(task: Task) -> Seen:
    """Take what an earlier task shows; what is left, the account says."""
    return structs.replace(created(task), outcome="done", left=None, grandfathered=task.grandfathered)


def jobs_of(task: Task) -> dict[str, int]:
    """Give the job counts that are not 0."""
    return {name: count for name in task.jobs.__struct_fields__ if (count := getattr(task.jobs, name))}


def refused(refusal: Refusal, devices: int | None = None) -> Seen:
    """Take a refusal; only that for want of licences has counts (B13)."""
    details = refusal.details

    def count(name: str) -> int | None:
        value = details.get(name)
        return value if isinstance(value, int) else None

    return Seen(
        outcome="refused",
        reason=refusal.code.value,
        message=refusal.message,
        devices=devices,
        needed=count("needed"),
        available=count("available"),
        missing=count("missing"),
    )
