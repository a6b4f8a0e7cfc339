"""What the accounts of a load hold, before and after it: whether the answers say what the books say."""

from msgspec import Struct

from scenarios.load.tasks.ground import Ground
from scenarios.load.tasks.wire import Totals
from scenarios.operator import TIMEOUT_S, HttpOperator


class Books(Struct, frozen=True, kw_only=True):
    """Licences over all accounts of a run."""

    left: int
    bought: int
    entitled: int


async def read_books(url: str, ground: Ground, timeout_s: float = TIMEOUT_S) -> Books:
    """Add the accounts up. OperatorFault: nobody answers."""
    left = bought = entitled = 0
    async with HttpOperator(url, timeout_s) as operator:
        for each in ground.accounts:
            held = (await operator.account(each.account_id)).licences
            left += held.left
            bought += held.bought + held.granted
            entitled += held.entitled_purchased + held.entitled_free + held.entitled_grandfathered
    return Books(left=left, bought=bought, entitled=entitled)


def deducted(before: Books, after: Books) -> int:
    """How many licences went."""
    return before.left + after.bought - before.bought - after.left


def objection(before: Books, after: Books, totals: Totals, *, has_all: bool = True) -> str:
    """Say where answers and books differ; empty: nowhere, or answers were lost and it can't be told.

    `has_all`: whether the totals are the last that Locust had to tell.
    """
    gone, bound = deducted(before, after), after.entitled - before.entitled
    if gone != bound:
        return f"{gone:,} licences went from the accounts, and {bound:,} devices got one"
    if totals.unsure or not has_all:
        return ""
    if gone != totals.deducted:
        return (
            f"the answers say {totals.deducted:,} licences were deducted, and {gone:,} went from the accounts"
        )
    if after.bought - before.bought != totals.bought:
        return (
            f"{totals.bought:,} licences were bought, and the accounts got {after.bought - before.bought:,}"
        )
    return ""
