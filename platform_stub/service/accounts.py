"""Use cases on accounts: money, licences, the charging date, the clock.

Each is a function of an open transaction: it loads the ledger, lets the rules decide, and writes journal and
ledger together (I6).
"""

import base64
import secrets
from dataclasses import replace

from sqlalchemy import Connection

from platform_stub.protocol import operator as api
from platform_stub.protocol.errors import UsageFault
from platform_stub.protocol.token import decode_key
from platform_stub.rules import events as ev
from platform_stub.rules.licensing import decide, evolve
from platform_stub.rules.refusals import Refusal
from platform_stub.service import expiry
from platform_stub.service.answers import Rejection, conflict, malformed, not_found, reject
from platform_stub.service.writer import Tx
from platform_stub.store import accounts, tasks
from platform_stub.store.accounts import AccountRow

KEY_BYTES = 32
BALANCE_MAX_FEN = 2**53
CLOCK_MAX_MS = 2**53


def new_key() -> str:
    """Make an access key: base64 of 32 random bytes."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def is_key(text: str) -> bool:
    """Whether a text is base64, so that tokens can be signed with it."""
    try:
        decode_key(text)
    except UsageFault:
        return False
    return True


def account_now(tx: Tx, account_id: int) -> int:
    """Read an account's clock in a transaction: unix milliseconds."""
    return accounts.load_known(tx.conn, account_id).now_ms(tx.real_ms)


def _show(conn: Connection, row: AccountRow, real_ms: int) -> api.Account:
    return _describe(row, real_ms, tasks.total_grandfathered(conn, row.account_id))


def _describe(row: AccountRow, real_ms: int, grandfathered: int) -> api.Account:
    ledger = row.ledger
    free_total = ledger.policy.free_devices if ledger.subscribed else 0
    return api.Account(
        account_id=row.account_id,
        name=row.name,
        access_key=row.access_key,
        subscribed=ledger.subscribed,
        balance_fen=ledger.balance_fen,
        in_arrears=ledger.in_arrears,
        charging_date_ms=ledger.charging_date_ms,
        now_ms=row.now_ms(real_ms),
        policy=ledger.policy,
        licences=api.Licences(
            bought=ledger.bought,
            granted=ledger.granted,
            purchased_left=ledger.purchased_left,
            free_left=ledger.free_left,
            left=ledger.left,
            entitled_purchased=ledger.bought + ledger.granted - ledger.purchased_left,  # I1
            entitled_free=free_total - ledger.free_left,  # I2
            entitled_grandfathered=grandfathered,
        ),
    )


def open_account(tx: Tx, request: api.OpenAccount) -> api.Account | Rejection:
    """Open an account, its clock set to the moment asked for."""
    if request.access_key is not None and not is_key(request.access_key):
        return malformed("$.access_key: expected an access key: base64, 4 to 128 characters")
    if request.account_id is not None and accounts.load(tx.conn, request.account_id) is not None:
        return conflict(f"account id {request.account_id} is taken")
    offset_ms = 0 if request.now_ms is None else request.now_ms - tx.real_ms
    row = accounts.open_account(
        tx.conn,
        name=request.name,
        access_key=request.access_key or new_key(),
        account_id=request.account_id,
        policy=request.policy,
        now_ms=tx.real_ms + offset_ms,
        clock_offset_ms=offset_ms,
    )
    return _show(tx.conn, row, tx.real_ms)


def show(conn: Connection, account_id: int, real_ms: int) -> api.Account | Rejection:
    """Show one account."""
    row = accounts.load(conn, account_id)
    return not_found("account", account_id) if row is None else _show(conn, row, real_ms)


def show_all(conn: Connection, real_ms: int) -> api.AccountList:
    """Show all accounts, by ascending id."""
    grandfathered = tasks.grandfathered_by_account(conn)
    return api.AccountList(
        accounts=[
            _describe(row, real_ms, grandfathered.get(row.account_id, 0)) for row in accounts.load_all(conn)
        ]
    )


def is_held(conn: Connection, account_id: int, real_ms: int) -> bool:
    """Whether arrears hold the account's pending jobs (P10); an account that is not there has none."""
    row = accounts.load(conn, account_id)
    return row is not None and row.ledger.holds_pending(row.now_ms(real_ms))


def act(tx: Tx, account_id: int, command: ev.Command) -> api.Account | Rejection:
    """Let the rules answer a command on an account, and write what it causes."""
    row = accounts.load(tx.conn, account_id)
    if row is None:
        return not_found("account", account_id)
    now_ms = row.now_ms(tx.real_ms)
    decision = decide(row.ledger, command, now_ms)
    if isinstance(decision, Refusal):
        return reject(decision)
    ledger = row.ledger
    for event in decision:
        ledger = evolve(ledger, event)
    if abs(ledger.balance_fen) > BALANCE_MAX_FEN:
        return malformed(f"the balance would leave the range of +-{BALANCE_MAX_FEN} fen")
    accounts.append(tx.conn, account_id, now_ms, [e for e in decision if not isinstance(e, ev.Allocated)])
    accounts.save_ledger(tx.conn, row.account_id, ledger)
    changed = replace(row, ledger=ledger)
    expiry.follow_ledger(tx, row, changed, now_ms)
    return _show(tx.conn, changed, tx.real_ms)


def set_charging_date(tx: Tx, account_id: int, at_ms: int | None) -> api.ChargingDate | Rejection:
    """Announce or move the charging date, and record that the user was told (B1)."""
    row = accounts.load(tx.conn, account_id)
    if row is None:
        return not_found("account", account_id)
    known = row.ledger.charging_date_ms
    if at_ms == known:
        return api.ChargingDate(charging_date_ms=at_ms, notices=accounts.read_notices(tx.conn, account_id))
    answer = act(tx, account_id, ev.SetChargingDate(at_ms=at_ms))
    if isinstance(answer, Rejection):
        return answer
    now_ms = row.now_ms(tx.real_ms)
    accounts.add_notices(tx.conn, row.account_id, now_ms, _notice_text(known, at_ms))
    return api.ChargingDate(charging_date_ms=at_ms, notices=accounts.read_notices(tx.conn, account_id))


def _notice_text(known: int | None, at_ms: int | None) -> str:
    if at_ms is None:
        return "The OTA service is free again until a new charging date is announced."
    if known is None:
        return f"The OTA service charges from {at_ms} (unix ms) on."
    verb = "postponed" if at_ms > known else "moved"
    return f"The charging date of the OTA service is {verb} from {known} to {at_ms} (unix ms)."


def show_charging_date(conn: Connection, account_id: int) -> api.ChargingDate | Rejection:
    """Show the charging date and all notices."""
    row = accounts.load(conn, account_id)
    if row is None:
        return not_found("account", account_id)
    return api.ChargingDate(
        charging_date_ms=row.ledger.charging_date_ms, notices=accounts.read_notices(conn, account_id)
    )


def aim_clock(conn: Connection, account_id: int, request: api.SetClock, real_ms: int) -> int | Rejection:
    """Say what an account's clock would show, in ms, or why it may not be set so."""
    row = accounts.load(conn, account_id)
    if row is None:
        return not_found("account", account_id)
    if (request.to_ms is None) == (request.advance_ms is None):
        return malformed("name either to_ms or advance_ms")
    now_ms = row.now_ms(real_ms)
    to_ms = now_ms + request.advance_ms if request.advance_ms is not None else request.to_ms
    assert to_ms is not None
    if to_ms > CLOCK_MAX_MS:
        return malformed(f"the clock goes to {CLOCK_MAX_MS} ms at most")
    if to_ms < now_ms:
        return conflict(f"the account's clock shows {now_ms}; it is never set back to {to_ms}")
    return to_ms


def move_clock(tx: Tx, account_id: int, to_ms: int) -> api.Clock:
    """Let the account's clock show a moment, unless it has gone past it already; `timers.advance` goes in steps."""
    row = accounts.load_known(tx.conn, account_id)
    now_ms = max(to_ms, row.now_ms(tx.real_ms))
    accounts.save_clock(tx.conn, row.account_id, now_ms - tx.real_ms)
    expiry.note_clock(tx, row, now_ms)
    tx.then(tx.effects.clock_moved, account_id)
    return api.Clock(now_ms=now_ms)


def show_journal(conn: Connection, account_id: int, after: int, limit: int) -> api.Journal | Rejection:
    """Show a page of the journal."""
    if accounts.load(conn, account_id) is None:
        return not_found("account", account_id)
    rows = accounts.read_journal(conn, account_id, after, limit + 1)
    entries = [
        api.JournalEntry(**{name: value for name, value in row._mapping.items() if name != "account_id"})  # noqa: SLF001
        for row in rows[:limit]
    ]
    return api.Journal(entries=entries, next_after=entries[-1].seq if len(rows) > limit else None)
