"""What an operation of the operator API is: a row of the table, and how a use case becomes its handler.

The rows themselves stand in `operations`, `webhook_operations`, `injection_operations` and `login_operations`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from platform_stub.api.call import Call
from platform_stub.service.answers import Rejection
from platform_stub.service.idempotency import Done, once
from platform_stub.service.writer import Tx

Answer = msgspec.Struct | Rejection
Outcome = Answer | Done | web.StreamResponse
Run = Callable[[Call], Awaitable[Outcome]]

ACCOUNT: Final = "/v1/accounts/{account}"
CREATED: Final = HTTPStatus.CREATED
CURSOR_MAX: Final = 2**62


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of the table. `path` holds `{account}`, `{device}` ...; `query` names what the query may hold.

    `query_type` describes the query where it is more than a page's bounds; with `is_list_too` the body may be a list
    of what it else is one of.
    """

    method: str
    path: str
    summary: str
    answer: type[msgspec.Struct]
    run: Run
    _: KW_ONLY
    body: type[msgspec.Struct] | None = None
    is_list_too: bool = False
    status: int = HTTPStatus.OK
    query: tuple[str, ...] = ()
    query_type: type[msgspec.Struct] | None = None
    media: tuple[str, ...] = ("application/json",)


def writes(
    status: int, use_case: Callable[[Tx, Call], Answer], large: Callable[[Call], bool] | None = None
) -> Run:
    """Run a use case in a transaction, once per Idempotency-Key (P13); `large` puts it in a thread."""

    async def run(call: Call) -> Outcome:
        return await call.platform.write(
            lambda tx: once(tx, call.key, status, lambda inner: use_case(inner, call)),
            large=large is not None and large(call),
        )

    return run


def reads(query: Callable[[Connection, Call], Answer]) -> Run:
    """Run a query on what is committed."""

    async def run(call: Call) -> Outcome:
        return call.platform.read(lambda conn: query(conn, call))

    return run
