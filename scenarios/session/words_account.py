"""The actions on the account as methods: licences, money, the service, the charging date, the clock, looking."""

from typing import Unpack

from scenarios.session.spelling import Amount, Did, Expect, Moment, Span, StepName, body, spell
from scenarios.session.words import StepWords, Words


class AccountWords(Words):
    """What is done to the account. Amounts are yuan, or text such as `1050 fen`."""

    async def buy(self, count: int, **step: Unpack[StepWords]) -> Did:
        """Buy so many licences online; the balance pays (B4)."""
        return await self._do("buy", count, step)

    async def grant(self, *, count: int, contract: str | None = None, **step: Unpack[StepWords]) -> Did:
        """Enter licences bought offline under a contract (B4)."""
        return await self._do("grant", body(count=count, contract=contract), step)

    async def cancel_licences(self, count: int, **step: Unpack[StepWords]) -> Did:
        """Ask for the money of so many licences back; it is refused (B15)."""
        return await self._do("cancel_licences", count, step)

    async def top_up(self, amount: Amount, **step: Unpack[StepWords]) -> Did:
        """Pay money in."""
        return await self._do("top_up", spell(amount), step)

    async def post(self, *, amount: Amount, reason: str | None = None, **step: Unpack[StepWords]) -> Did:
        """Move money, in or, with a negative amount, out; that may lead into arrears (B16)."""
        return await self._do("post", body(amount=amount, reason=reason), step)

    async def subscribe(self, **step: Unpack[StepWords]) -> Did:
        """Subscribe to the OTA service (B5)."""
        return await self._do("subscribe", True, step)

    async def charging_date(self, moment: Moment | None, **step: Unpack[StepWords]) -> Did:
        """Announce or move the charging date, or take it off with None (B1, P5)."""
        return await self._do("charging_date", spell(moment), step)

    async def advance(self, span: Span, **step: Unpack[StepWords]) -> Did:
        """Move the account's clock forward by a span, with a stop at all that happens on the way."""
        return await self._do("advance", spell(span), step)

    async def advance_to(self, moment: Moment, **step: Unpack[StepWords]) -> Did:
        """Move the account's clock forward to a moment."""
        return await self._do("advance_to", spell(moment), step)

    async def check(self, *, of: StepName | None = None, **step: Unpack[StepWords]) -> Did:
        """Do nothing, and look: at the account, or at the task of a step."""
        return await self._do("check", body(of=of), step)

    async def wait_until(
        self,
        *,
        until: Expect,
        of: StepName | None = None,
        advance: Span | None = None,
        **step: Unpack[StepWords],
    ) -> Did:
        """Look again and again until all of `until` is so, for `wait` at most.

        With `advance` the clock may move on meanwhile, by so much at most, to what devices wait for.
        """
        return await self._do("wait_until", body(of=of, until=until, advance=advance), step)
