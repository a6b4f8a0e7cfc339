"""The relay for HTTP: it stands before the stub, writes down what is said, and goes wrong where a rule says so.

How it goes wrong is in `spoils`; what the bytes are in `http_wire`. It listens on 127.0.0.1 alone.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from platform_stub.protocol.shown import shown
from scenarios.conform.asked import Asked, read_asked
from scenarios.conform.doors import Door
from scenarios.conform.http_wire import (
    HEAD_BYTES_MAX,
    Answer,
    NoHttp,
    Request,
    read_answer,
    read_request,
)
from scenarios.conform.record import Heard, Record

ANSWER_S: Final = 30.0
"""How long the stub is waited for."""
_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]+)-([0-9]+)/[0-9]+")
_RANGE: Final = re.compile(r"(?:bytes=)?([0-9]+)-")
_WHOLE, _PART = 200, 206


class NoAnswerCame(Exception):
    """The stub has not answered, or not in time; there is nothing to pass on, nor to spoil."""


class Spoil(Protocol):
    """A way to answer wrongly."""

    async def answer(self, exchange: "Exchange") -> bool:
        """Answer; True when the connection can go on."""


@dataclass(slots=True, kw_only=True)
class Rule:
    """Which calls are spoilt, how, and how often still; `left` None: every one."""

    when: Callable[[Asked], bool]
    spoil: Spoil
    left: int | None = None
    struck: int = 0

    def strikes(self, asked: Asked) -> bool:
        """Whether it strikes this call; then it is counted."""
        if self.left == 0 or not self.when(asked):
            return False
        self.struck += 1
        if self.left is not None:
            self.left -= 1
        return True


class HttpRelay(Door):
    """Between the device and the stub's HTTP."""

    def __init__(self, platform: tuple[str, int], record: Record, now_ms: Callable[[], int]) -> None:
        super().__init__("HTTP relay", limit_bytes=HEAD_BYTES_MAX)
        self.platform = platform
        self.record = record
        self.now_ms = now_ms
        self.rules: list[Rule] = []
        self.held = asyncio.Event()  # set: what is held goes on
        self.header_names: set[str] = set()  # of all requests, in lower case

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        """Answer one connection's calls."""
        while True:
            try:
                request = await read_request(reader)
            except NoHttp as fault:
                self.note("unread", number, str(fault))
                return
            if request is None or not self.is_open:
                return
            asked = read_asked(request.method, request.target, request.body)
            self._hear(request, asked, number)
            self.header_names.update(request.headers)
            exchange = Exchange(self, asked, request, reader, writer, number)
            rule = next((rule for rule in self.rules if rule.strikes(asked)), None)
            try:
                goes_on = await exchange.pass_on() if rule is None else await rule.spoil.answer(exchange)
            except NoAnswerCame:
                exchange.heard("no answer of the stub's")
                return
            if not goes_on or request.ends:
                return

    def note(self, what: str, number: int, text: str = "") -> None:
        """Write down what happened to a connection."""
        self.record.add(
            Heard(at_ms=self.now_ms(), way="note", protocol="http", what=what, connection=number, text=text)
        )

    def _hear(self, request: Request, asked: Asked, number: int) -> None:
        asked_range = request.headers.get("range", "")
        found = _RANGE.match(asked_range)
        words = " ".join((request.method, shown(request.target), shown(asked_range))).rstrip()
        if request.body:
            words += f" {shown(request.body)}"
        self.record.add(
            Heard(
                at_ms=self.now_ms(),
                way="up",
                protocol="http",
                what=asked.call,
                connection=number,
                handle=asked.handle,
                kind=asked.kind,
                step=asked.step,
                f_version=asked.f_version,
                s_version=asked.s_version,
                version=asked.version,
                start=int(found[1]) if found else None,
                authorization=request.headers.get("authorization", ""),
                text=words,
            )
        )


@dataclass(slots=True)
class Exchange:
    """One call and its answer."""

    relay: HttpRelay
    asked: Asked
    request: Request
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int

    async def pass_on(self) -> bool:
        """Let the stub answer."""
        answer = await self.ask()
        return await self.give(answer, good=good_span(self.asked, answer))

    async def ask(self, request: Request | None = None) -> Answer:
        """Ask the stub what the device asks, or something else, on a connection of its own. NoAnswerCame: none came."""
        answer = None
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                reader, writer = await asyncio.open_connection(*self.relay.platform, limit=HEAD_BYTES_MAX)
                try:
                    writer.write((request or self.request).raw)
                    answer = await read_answer(reader)
                finally:
                    writer.close()
        if answer is None:
            raise NoAnswerCame
        return answer

    async def give(self, answer: Answer, *, good: tuple[int, int] | None = None, note: str = "") -> bool:
        """Send an answer as it is; True when the connection can go on."""
        self.heard_answer(answer, good=good, note=note)
        await self.send(answer.raw())
        has_end = bool(answer.header("Content-Length")) or answer.is_chunked
        return answer.is_whole and has_end and answer.header("Connection").lower() != "close"

    async def send(self, data: bytes) -> None:
        """Send bytes. ConnectionError when the device has gone."""
        self.writer.write(data)
        await self.writer.drain()

    async def until_gone(self) -> None:
        """Wait until the device closes the connection."""
        while await self.reader.read(4096):
            pass

    def heard(self, text: str) -> None:
        """Write down an answer that is none."""
        self._add(text=text)

    def heard_answer(self, answer: Answer, *, good: tuple[int, int] | None = None, note: str = "") -> None:
        """Write down an answer that is sent, and which bytes of the package it really gives."""
        said = _said(answer.body)
        data = said.get("data")
        offer = data if isinstance(data, dict) else {}
        code = said.get("code", said.get("errno"))
        if self.asked.call == "download":
            parts = (str(answer.status), answer.header("Content-Range"), f"{len(answer.body)} bytes")
            text = " ".join(filter(None, parts))
        else:
            text = f"{answer.status} {shown(answer.body)}"
        self._add(
            status=answer.status,
            code=code if isinstance(code, int) else None,
            target=str(offer.get("target", "")) if self.asked.call == "check" else "",
            handle=_handle(offer) if self.asked.call == "check" else self.asked.handle,
            good=good,
            text=f"{text} ({note})" if note else text,
        )

    def _add(
        self,
        *,
        text: str,
        status: int = 0,
        code: int | None = None,
        target: str = "",
        handle: str = "",
        good: tuple[int, int] | None = None,
    ) -> None:
        self.relay.record.add(
            Heard(
                at_ms=self.relay.now_ms(),
                way="down",
                protocol="http",
                what=self.asked.call,
                connection=self.number,
                handle=handle or self.asked.handle,
                kind=self.asked.kind,
                step=self.asked.step,
                status=status,
                code=code,
                target=target,
                good=good,
                text=text,
            )
        )


def good_span(asked: Asked, answer: Answer) -> tuple[int, int] | None:
    """Say which bytes of the package an answer of the stub's gives; None for what is no download."""
    if asked.call != "download" or answer.is_chunked:
        return None
    found = _CONTENT_RANGE.fullmatch(answer.header("Content-Range"))
    if answer.status == _PART and found is not None:
        return int(found[1]), int(found[1]) + len(answer.body)
    if answer.status == _WHOLE and answer.header("Ota-Errno") in {"", "0"}:
        return 0, len(answer.body)
    return None


def _said(body: bytes) -> Mapping[str, Any]:
    if not body.startswith(b"{"):
        return {}
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _handle(offer: Mapping[str, Any]) -> str:
    return str(offer.get("tid", offer.get("token", "")))
