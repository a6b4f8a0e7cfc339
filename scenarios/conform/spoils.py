"""Wrong answers over HTTP, as values: what a rule of the relay does instead of passing an answer on.

Those that change the stub's answer ask it first; `NoAnswer` says whether the stub hears of the call at all.
Sizes are bytes, times seconds.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from scenarios.conform.asked import Asked
from scenarios.conform.http_relay import Exchange, good_span
from scenarios.conform.http_wire import Answer, made

ENDLESS_BYTES_MAX: Final = 256 * 1024 * 1024
_PIECE: Final = b"\x55" * 65_536


def _gives(exchange: Exchange, answer: Answer) -> tuple[int, int]:
    return good_span(exchange.asked, answer) or (0, 0)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The call reaches the stub, or does not, and is never answered."""

    reaches: bool = True

    async def answer(self, exchange: Exchange) -> bool:
        """Wait until the device gives up."""
        if self.reaches:
            await exchange.ask()
        exchange.heard("no answer")
        await exchange.until_gone()
        return False


@dataclass(frozen=True, slots=True)
class Says:
    """Says something of its own, with an HTTP status."""

    status: int
    body: bytes = b""

    async def answer(self, exchange: Exchange) -> bool:
        """Say it."""
        return await exchange.give(made(self.status, "Spoilt", self.body), note="not the stub's")


@dataclass(frozen=True, slots=True)
class Raw:
    """Sends bytes that may be no HTTP at all, and closes."""

    data: bytes

    async def answer(self, exchange: Exchange) -> bool:
        """Send them."""
        exchange.heard(f"{self.data[:40]!r}, no HTTP")
        await exchange.send(self.data)
        return False


@dataclass(frozen=True, slots=True)
class HugeHead:
    """Puts a header of so many bytes into the answer."""

    size_bytes: int

    async def answer(self, exchange: Exchange) -> bool:
        """Ask, and answer so."""
        answer = await exchange.ask()
        answer = answer.with_header("X-Padding", "p" * self.size_bytes)
        return await exchange.give(answer, note=f"with a header of {self.size_bytes} bytes")


@dataclass(frozen=True, slots=True)
class Changed:
    """Changes the body of the answer; its length is announced as it is then."""

    change: Callable[[bytes], bytes]
    note: str = "changed"

    async def answer(self, exchange: Exchange) -> bool:
        """Ask, and answer so."""
        answer = await exchange.ask()
        return await exchange.give(answer.with_body(self.change(answer.body)), note=self.note)


@dataclass(frozen=True, slots=True)
class HalfUnder:
    """Gives the first half of what was asked for, as a part, under a Content-Range of its own."""

    content_range: str

    async def answer(self, exchange: Exchange) -> bool:
        """Ask, and answer so."""
        answer = await exchange.ask()
        start, _ = _gives(exchange, answer)
        half = answer.with_body(answer.body[: len(answer.body) // 2])
        half = replace(half, status_line=b"HTTP/1.1 206 Partial Content")
        half = half.with_header("Content-Range", self.content_range)
        return await exchange.give(half, good=(start, start + len(half.body)), note="half of it")


@dataclass(frozen=True, slots=True)
class CutAfter:
    """Ends the connection after so many bytes of the body, or after the head."""

    body_bytes: int

    async def answer(self, exchange: Exchange) -> bool:
        """Ask, and answer so much."""
        answer = await exchange.ask()
        start, stop = _gives(exchange, answer)
        stop = min(stop, start + self.body_bytes)
        exchange.heard_answer(answer, good=(start, stop), note=f"cut after {self.body_bytes} bytes")
        await exchange.send(answer.head() + answer.body[: self.body_bytes])
        return False


@dataclass(frozen=True, slots=True)
class Fewer:
    """Gives so many bytes fewer than it announces, and closes."""

    missing_bytes: int

    async def answer(self, exchange: Exchange) -> bool:
        """Ask, and answer so."""
        answer = await exchange.ask()
        body = answer.body[: -self.missing_bytes]
        start, _ = _gives(exchange, answer)
        exchange.heard_answer(
            answer, good=(start, start + len(body)), note=f"{self.missing_bytes} bytes fewer"
        )
        await exchange.send(answer.head() + body)
        return False


@dataclass(frozen=True, slots=True)
class More:
    """Sends more bytes than it announces."""

    extra_bytes: int

    async def answer(self, exchange: Exchange) -> bool:
        """Ask, and answer so."""
        answer = await exchange.ask()
        exchange.heard_answer(
            answer, good=_gives(exchange, answer), note=f"and {self.extra_bytes} bytes more"
        )
        await exchange.send(answer.raw() + b"\xaa" * self.extra_bytes)
        return False


@dataclass(frozen=True, slots=True)
class Endless:
    """Announces no length, or one that never ends, and sends until the device closes."""

    announces: bool = False

    async def answer(self, exchange: Exchange) -> bool:
        """Send on and on."""
        answer = await exchange.ask()
        length = str(2**62) if self.announces else None
        answer = answer.with_header("Content-Length", length).with_header("Content-Range", None)
        exchange.heard_answer(answer, note="a body without an end")
        await exchange.send(answer.head())
        sent = 0
        while sent < ENDLESS_BYTES_MAX:
            await exchange.send(_PIECE)
            sent += len(_PIECE)
            await asyncio.sleep(0.005)
        return False


@dataclass(frozen=True, slots=True)
class Drip:
    """Sends the answer a byte at a time."""

    pause_s: float = 0.0005

    async def answer(self, exchange: Exchange) -> bool:
        """Ask, and answer so."""
        answer = await exchange.ask()
        exchange.heard_answer(answer, good=good_span(exchange.asked, answer), note="a byte at a time")
        raw = answer.raw()
        for at in range(len(raw)):
            await exchange.send(raw[at : at + 1])
            await asyncio.sleep(self.pause_s)
        return answer.is_whole


@dataclass(frozen=True, slots=True)
class Other:
    """Asks the stub for other bytes than the device did, and gives the answer as it came; None: for all of them."""

    range_header: Callable[[Asked, str], str | None]
    note: str

    async def answer(self, exchange: Exchange) -> bool:
        """Ask otherwise, and answer so."""
        asked_range = exchange.request.headers.get("range", "")
        request = exchange.request.asking_for(self.range_header(exchange.asked, asked_range))
        answer = await exchange.ask(request)
        return await exchange.give(answer, good=good_span(exchange.asked, answer), note=self.note)


@dataclass(frozen=True, slots=True)
class Held:
    """Waits until the bench lets it go on, and only then asks the stub."""

    async def answer(self, exchange: Exchange) -> bool:
        """Wait, and pass it on."""
        await exchange.relay.held.wait()
        return await exchange.pass_on()


@dataclass(frozen=True, slots=True)
class Late:
    """Passes the answer on after so many seconds."""

    after_s: float

    async def answer(self, exchange: Exchange) -> bool:
        """Wait, and pass it on."""
        await asyncio.sleep(self.after_s)
        return await exchange.pass_on()
