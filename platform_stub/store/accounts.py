"""Accounts, their journal and notices: what the rules read and write."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import msgspec
from sqlalchemy import Connection, RowMapping, bindparam, select

from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import EntitlementSource
from platform_stub.protocol.ids import AccountId, DeviceId, TaskId
from platform_stub.rules import events as ev
from platform_stub.rules.licensing import Ledger
from platform_stub.store.dialect import Glance, count_from, insert_one, last_seq, locks_rows
from platform_stub.store.schema import AnyRow, accounts, journal, notices


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """An account as it is kept: its ledger, and what the rules have no use for."""

    account_id: AccountId
    name: str
    access_key: str
    clock_offset_ms: int
    ledger: Ledger
    held_since_ms: int | None = None  # when the last change of the ledger began to hold pending jobs

    def now_ms(self, real_ms: int) -> int:
        """Say what the account's clock shows at a moment of real time."""
        return real_ms + self.clock_offset_ms

    def hold_began(self, now_ms: int) -> int | None:
        """Since when arrears hold the account's pending jobs (P10); None when they hold nothing."""
        return hold_began(self.ledger, self.held_since_ms, now_ms)


def hold_began(ledger: Ledger, held_since_ms: int | None, now_ms: int) -> int | None:
    """Since when arrears hold what is pending (P10); None when they hold nothing.

    Only the clock begins a hold without a change of the ledger: by reaching the charging date.
    """
    if not ledger.holds_pending(now_ms):
        return None
    return ledger.charging_date_ms if held_since_ms is None else held_since_ms


_ONE = select(accounts).where(accounts.c.account_id == bindparam("id"))
_BY_ID = Glance(_ONE)
_BY_ID_LOCKED = Glance(_ONE.with_for_update(key_share=True))  # what only refers to the account may go on
_POLICY = msgspec.json.Decoder(api.Policy)


def policy_text(policy: api.Policy) -> str:
    """Spell a policy for a row."""
    return msgspec.json.encode(policy).decode()


def open_account(
    conn: Connection,
    *,
    name: str,
    access_key: str,
    policy: api.Policy,
    now_ms: int,
    clock_offset_ms: int,
    account_id: int | None = None,
) -> AccountRow:
    """Enter a new account and the first line of its journal; without an id of its own it is numbered."""
    ledger = Ledger(policy=policy, charging_date_ms=policy.charging_date_ms)
    own = {} if account_id is None else {"account_id": account_id}
    number = AccountId(
        insert_one(
            conn,
            accounts.insert().values(
                name=name,
                access_key=access_key,
                policy=policy_text(policy),
                opened_ms=now_ms,
                clock_offset_ms=clock_offset_ms,
                **own,
                **_columns(ledger),
            ),
        )
    )
    if own:
        count_from(conn, accounts.c.account_id)
    append(conn, number, now_ms, [ev.Opened(policy=policy)])
    return AccountRow(
        account_id=number,
        name=name,
        access_key=access_key,
        clock_offset_ms=clock_offset_ms,
        ledger=ledger,
    )


def _columns(ledger: Ledger) -> dict[str, Any]:
    return {
        "subscribed": ledger.subscribed,
        "balance_fen": ledger.balance_fen,
        "bought": ledger.bought,
        "granted": ledger.granted,
        "purchased_left": ledger.purchased_left,
        "free_left": ledger.free_left,
        "charging_date_ms": ledger.charging_date_ms,
    }


def _account(row: AnyRow) -> AccountRow:
    return AccountRow(
        account_id=AccountId(row.account_id),
        name=row.name,
        access_key=row.access_key,
        clock_offset_ms=row.clock_offset_ms,
        ledger=Ledger(
            policy=_POLICY.decode(row.policy),
            charging_date_ms=row.charging_date_ms,
            subscribed=bool(row.subscribed),
            balance_fen=row.balance_fen,
            bought=row.bought,
            granted=row.granted,
            purchased_left=row.purchased_left,
            free_left=row.free_left,
        ),
        held_since_ms=row.held_since_ms,
    )


def load(conn: Connection, account_id: int) -> AccountRow | None:
    """Read an account; None when there is none. In a transaction nobody else decides on it until its end (P14)."""
    look = _BY_ID_LOCKED if locks_rows(conn) else _BY_ID
    row = look.one(conn, {"id": account_id})
    return None if row is None else _account(row)


def load_known(conn: Connection, account_id: int) -> AccountRow:
    """Read an account that something in the store names."""
    row = load(conn, account_id)
    assert row is not None, "accounts are never removed"
    return row


def load_all(conn: Connection) -> list[AccountRow]:
    """Read every account, by ascending id."""
    return [_account(row) for row in conn.execute(select(accounts).order_by(accounts.c.account_id))]


def save_ledger(conn: Connection, account_id: AccountId, ledger: Ledger) -> None:
    """Write the counts back; the CHECKs of I1 and I2 stand guard."""
    conn.execute(accounts.update().where(accounts.c.account_id == account_id).values(**_columns(ledger)))


def save_hold(conn: Connection, account_id: AccountId, held_since_ms: int | None) -> None:
    """Enter since when arrears hold the account's pending jobs; None: they hold nothing (P10)."""
    conn.execute(
        accounts.update().where(accounts.c.account_id == account_id).values(held_since_ms=held_since_ms)
    )


def save_clock(conn: Connection, account_id: AccountId, clock_offset_ms: int) -> None:
    """Keep how far the account's clock is from real time."""
    conn.execute(
        accounts.update().where(accounts.c.account_id == account_id).values(clock_offset_ms=clock_offset_ms)
    )


def append(conn: Connection, account_id: int, now_ms: int, events: Iterable[ev.JournalEvent]) -> None:
    """Write events as lines of the journal, in their order."""
    lines = [_line(event) | {"account_id": account_id, "at_ms": now_ms} for event in events]
    if lines:
        before = last_seq(conn)
        conn.execute(journal.insert(), [line | {"seq": before + at} for at, line in enumerate(lines, 1)])


_NOTHING: dict[str, Any] = {
    "task_id": None, "device_id": None, "source": None, "count": None, "amount_fen": None, "note": None,
}  # fmt: skip


def _line(event: ev.JournalEvent) -> dict[str, Any]:
    match event:
        case ev.Opened(policy=policy):
            own: dict[str, Any] = {"kind": "opened", "note": policy_text(policy)}
        case ev.Subscribed(free=free):
            own = {"kind": "subscribed", "count": free}
        case ev.Posted(amount_fen=amount_fen, reason=reason):
            own = {"kind": "posted", "amount_fen": amount_fen, "note": reason}
        case ev.Bought(count=count, paid_fen=paid_fen):
            own = {"kind": "bought", "count": count, "amount_fen": paid_fen}
        case ev.Granted(count=count, contract=contract):
            own = {"kind": "granted", "count": count, "note": contract}
        case ev.ChargingDateSet(at_ms=at_ms):
            own = {"kind": "charging_date", "note": "none" if at_ms is None else str(at_ms)}
        case ev.Bound(device_id=device_id, task_id=task_id, source=source):
            own = {"kind": "bound", "device_id": device_id, "task_id": task_id, "source": source.value}
        case ev.Ended(device_id=device_id):
            own = {"kind": "ended", "device_id": device_id}
        case _:
            assert_never(event)
    return _NOTHING | own


def read_event(row: AnyRow) -> ev.JournalEvent:
    """Read a line of the journal back; an unknown kind is a KeyError, since only we write them."""
    return _READERS[row.kind](row._mapping)  # noqa: SLF001 - `count` is also a method of Row


_READERS: Mapping[str, Callable[[RowMapping], ev.JournalEvent]] = {
    "opened": lambda r: ev.Opened(policy=_POLICY.decode(r["note"])),
    "subscribed": lambda r: ev.Subscribed(free=r["count"]),
    "posted": lambda r: ev.Posted(amount_fen=r["amount_fen"], reason=r["note"]),
    "bought": lambda r: ev.Bought(count=r["count"], paid_fen=r["amount_fen"]),
    "granted": lambda r: ev.Granted(count=r["count"], contract=r["note"]),
    "charging_date": lambda r: ev.ChargingDateSet(at_ms=None if r["note"] == "none" else int(r["note"])),
    "bound": lambda r: ev.Bound(
        device_id=DeviceId(r["device_id"]),
        task_id=TaskId(r["task_id"]),
        source=EntitlementSource(r["source"]),
    ),
    "ended": lambda r: ev.Ended(device_id=DeviceId(r["device_id"])),
}


def read_journal(
    conn: Connection, account_id: int, after: int = 0, limit: int | None = None
) -> Sequence[AnyRow]:
    """Read an account's lines after a sequence number, oldest first."""
    query = (
        select(journal)
        .where(journal.c.account_id == account_id, journal.c.seq > after)
        .order_by(journal.c.seq)
        .limit(limit)
    )
    return conn.execute(query).all()


def add_notices(conn: Connection, account_id: AccountId, now_ms: int, text: str) -> None:
    """Record that the user was told, by phone, SMS and e-mail (B1)."""
    rows = [
        {"account_id": account_id, "channel": channel, "at_ms": now_ms, "text": text}
        for channel in ("phone", "sms", "email")
    ]
    conn.execute(notices.insert(), rows)


def read_notices(conn: Connection, account_id: int) -> list[api.Notice]:
    """Read all notices, oldest first."""
    query = select(notices).where(notices.c.account_id == account_id).order_by(notices.c.notice_id)
    return [api.Notice(channel=r.channel, at_ms=r.at_ms, text=r.text) for r in conn.execute(query)]
