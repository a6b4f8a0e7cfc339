"""A request that is sent again has its effect once (P13).

Key, digest of the body and answer are committed with the effect. A refusal is not kept: the same key is decided
again. Two at once are one after the other here, since there is one writer.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, and_, select

from platform_stub.rules.refusals import Reason, Refusal
from platform_stub.service.answers import Rejection, reject
from platform_stub.service.writer import Tx
from platform_stub.store.schema import answers


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """What makes a request the same one: account, call, key; and the digest that shows its body is the same."""

    account_id: int
    call: str
    key: str
    body_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """An answer as it goes out: HTTP status and JSON; `repeated` when it was given before."""

    status: int
    body: bytes
    repeated: bool = False


def once(
    tx: Tx, request: RequestKey | None, status: int, use_case: Callable[[Tx], msgspec.Struct | Rejection]
) -> Done | Rejection:
    """Do a use case, or give the answer it gave before for the same key."""
    if request is not None and (earlier := find(tx.conn, request)) is not None:
        return earlier
    answer = use_case(tx)
    if isinstance(answer, Rejection):
        return answer
    done = Done(status=status, body=msgspec.json.encode(answer))
    if request is not None:
        tx.conn.execute(
            answers.insert().values(
                account_id=request.account_id,
                call=request.call,
                key=request.key,
                body_digest=request.body_digest,
                status=done.status,
                answer=done.body.decode(),
            )
        )
    return done


def find(conn: Connection, request: RequestKey) -> Done | Rejection | None:
    """Find the answer that a key got, or the conflict of a key that was used with another body."""
    query = select(answers).where(
        and_(
            answers.c.account_id == request.account_id,
            answers.c.call == request.call,
            answers.c.key == request.key,
        )
    )
    row = conn.execute(query).one_or_none()
    if row is None:
        return None
    if row.body_digest != request.body_digest:
        return reject(Refusal(reason=Reason.IDEMPOTENCY_CONFLICT))
    return Done(status=row.status, body=row.answer.encode(), repeated=True)
