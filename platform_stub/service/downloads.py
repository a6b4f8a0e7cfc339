"""Downloads: who may read which package now. Every call checks the job again, and packages stay in memory.

Source: onenet-protocol, sections 2, 4 and 5.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from platform_stub.protocol.codes import JobState, OtaErrno
from platform_stub.protocol.token import (
    TEN_YEARS_S,
    Judgement,
    Token,
    TokenError,
    device_resource,
    is_expired,
    judge,
    parse_token,
    product_resource,
    user_resource,
)
from platform_stub.rules.jobs import Moved, StepRefusal
from platform_stub.service.reports import Started
from platform_stub.store import jobs, packages
from platform_stub.store.engine import Store
from platform_stub.store.schema import AnyRow

CACHE_MAX_BYTES: Final = 256 * 2**20
PROVEN_MAX: Final = 20_000
"""How many genuine tokens are remembered with the key that made them; a range asks for no second HMAC then."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The device may read this."""

    content: bytes
    file_name: str


class Downloads:
    """Judges a download and hands out package contents; `clock` gives an account's time in ms."""

    def __init__(
        self,
        store: Store,
        start: Callable[[Started], Awaitable[bool]],
        clock: Callable[[int], int],
    ) -> None:
        self._store = store
        self._start = start
        self._clock = clock
        self._contents: OrderedDict[int, bytes] = OrderedDict()
        self._cached_bytes = 0
        self._proven: dict[str, tuple[Token, str]] = {}

    async def open(self, product_id: str, name: str, tid: int, authorization: str) -> Granted | OtaErrno:
        """Judge a download by token, device and job; a pending job becomes downloading first, committed."""
        token = self._read_token(authorization)
        if token is None:
            return OtaErrno.AUTHENTICATION
        with self._store.glance() as conn:
            row = jobs.load_download(conn, product_id, name, tid)
        if row is None or not self._is_genuine(authorization, token, row, product_id, name):
            return OtaErrno.AUTHENTICATION
        if row.tid is None or row.job_device_id != row.device_id:
            return OtaErrno.FILE
        if not JobState(row.state).is_open:
            return OtaErrno.ENDED
        if row.state == JobState.PENDING:
            refused = await self._begin(row)
            if refused is not None:
                return refused
        return Granted(self._content(row.package_id), f"{row.package_id}.bin")

    async def _begin(self, row: AnyRow) -> OtaErrno | None:
        started = Started(row.device_id, row.tid)
        if not await self._start(started):
            return OtaErrno.STORAGE
        if isinstance(started.outcome, Moved):
            return None
        assert isinstance(started.outcome, StepRefusal)
        return OtaErrno.ENDED  # ended meanwhile, or held by arrears (P10)

    def _read_token(self, authorization: str) -> Token | None:
        known = self._proven.get(authorization)
        if known is not None:
            return known[0]
        try:
            return parse_token(authorization)
        except TokenError:
            return None

    def _is_genuine(self, authorization: str, token: Token, row: AnyRow, product_id: str, name: str) -> bool:
        keys = {
            device_resource(product_id, name): row.key,
            product_resource(product_id): row.product_key,
            user_resource(row.account_id): row.account_key,
        }
        key = keys.get(token.res)
        if key is None:
            return False
        now_s = self._clock(row.account_id) // 1000
        known = self._proven.get(authorization)
        if known is not None and known[1] == key:
            return not is_expired(token, now_s)  # the same text under the same key was proven before
        if judge(token, key, now_s, TEN_YEARS_S) is not Judgement.GOOD:
            return False
        if len(self._proven) >= PROVEN_MAX:
            self._proven.pop(next(iter(self._proven)))
        self._proven[authorization] = (token, key)
        return True

    def _content(self, package_id: int) -> bytes:
        content = self._contents.get(package_id)
        if content is not None:
            self._contents.move_to_end(package_id)
            return content
        with self._store.read() as conn:
            content = packages.load_content(conn, package_id)
        self._contents[package_id] = content
        self._cached_bytes += len(content)
        while self._cached_bytes > CACHE_MAX_BYTES and len(self._contents) > 1:
            _, dropped = self._contents.popitem(last=False)
            self._cached_bytes -= len(dropped)
        return content
