"""An account's webhook: checked when it is set, told of each task whose notification is `webhook`.

A delivery is written in its task's transaction and pushed by a worker of its own afterwards, so it never delays a
task and survives a restart; a push that was under way when the process ended is made again, so a receiver may hear
of a task twice. A scheduled task is pushed when it is created: its `startTime` says when it starts. Due times are
real time, since a webhook is transport; what is in a push is the account's time. Source: onenet-protocol, section 7.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection

from platform_stub.protocol import operator as api
from platform_stub.protocol.operator import ErrorCode
from platform_stub.protocol.webhook import PASSED, check_url, encode_push, find_url_mistake, signature_of
from platform_stub.service.accounts import account_now
from platform_stub.service.answers import Rejection, malformed, not_found
from platform_stub.service.webhook_client import Heard, WebhookClient
from platform_stub.service.writer import Tx, Writer
from platform_stub.store import accounts, webhooks
from platform_stub.store.engine import Store
from platform_stub.store.errors import StoreUnavailable
from platform_stub.store.schema import AnyRow

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How deliveries are spread: after which waits a push is tried again, and how many are made at once."""

    retries_ms: tuple[int, ...] = (1_000, 5_000, 30_000, 120_000, 600_000)
    at_once: int = 16
    at_once_of_account: int = 2  # so that one receiver that hangs holds up no other account
    large_devices: int = 5_000  # from here on a task's devices are read in a thread, one task at a time
    look_again_s: float = 60.0  # real time may be set: never wait for it longer than this
    store_retry_s: float = 1.0


_DEFAULT_SCHEDULE: Final = Schedule()


def enqueue(tx: Tx, webhook: AnyRow, task_id: int, now_ms: int) -> None:
    """Enter the push of a new task in the task's transaction; `now_ms` is the account's time."""
    webhooks.add_delivery(tx.conn, webhook, task_id, now_ms, tx.real_ms)
    tx.then(tx.effects.deliveries_due)


def show(conn: Connection, account_id: int) -> api.Webhook | Rejection:
    """Show an account's webhook."""
    webhook = webhooks.load(conn, account_id)
    return not_found("webhook of account", account_id) if webhook is None else _describe(webhook)


def remove(tx: Tx, account_id: int) -> api.Webhook | Rejection:
    """Remove an account's webhook; returns it as it was. What was not delivered yet never will be."""
    was = show(tx.conn, account_id)
    if isinstance(was, api.Webhook):
        webhooks.remove(tx.conn, account_id, "the webhook was removed")
    return was


def show_deliveries(conn: Connection, account_id: int, after: int, limit: int) -> api.Deliveries | Rejection:
    """Show a page of an account's deliveries, by ascending id."""
    if accounts.load(conn, account_id) is None:
        return not_found("account", account_id)
    rows = webhooks.load_page(conn, account_id, after, limit + 1)
    page = [
        api.Delivery(
            delivery_id=row.delivery_id,
            task_id=row.task_id,
            url=row.url,
            created_ms=row.created_ms,
            state=row.state,
            attempts=row.attempts,
            next_ms=row.due_ms,
            status=row.last_status,
            error=row.last_error,
        )
        for row in rows[:limit]
    ]
    return api.Deliveries(deliveries=page, next_after=page[-1].delivery_id if len(rows) > limit else None)


def _describe(webhook: AnyRow) -> api.Webhook:
    return api.Webhook(account_id=webhook.account_id, url=webhook.url, checked_ms=webhook.checked_ms)


class Webhooks:
    """Checks webhooks and makes the deliveries. Nothing is pushed before `start`, or after `close`."""

    def __init__(
        self,
        store: Store,
        writer: Writer[Any],
        real_ms: Callable[[], int],
        account_now: Callable[[int], int],
        *,
        client: WebhookClient | None = None,
        schedule: Schedule = _DEFAULT_SCHEDULE,
    ) -> None:
        self._store = store
        self._writer = writer
        self._real_ms = real_ms
        self._account_now = account_now
        self._client = client or WebhookClient()
        self._schedule = schedule
        self._kicked = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._of_account: Counter[int] = Counter()
        self._one_large = asyncio.Semaphore(1)

    def start(self) -> None:
        """Begin to push what is due, deliveries of an earlier process included."""
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work(), name="webhook deliveries")

    async def close(self) -> None:
        """Stop: what is under way is given up, and stays to be pushed."""
        tasks = [*self._under_way.values(), *([self._worker] if self._worker is not None else [])]
        self._worker = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()

    def kick(self) -> None:
        """Look now at what is due."""
        self._kicked.set()

    async def configure(self, account_id: int, request: api.SetWebhook) -> api.Webhook | Rejection:
        """Set an account's webhook, once its receiver has answered PASSED; what is pending then goes there."""
        mistake = find_url_mistake(request.url)
        if mistake is not None:
            return malformed(f"body: $.url: {mistake}")
        with self._store.read() as conn:
            if accounts.load(conn, account_id) is None:
                return not_found("account", account_id)
        url = check_url(request.url, signature_of(request.token, account_id))
        heard = await self._client.get(url)
        if not heard.is_success or heard.body.strip() != PASSED.encode():
            return _unverified(request.url, heard)
        return await self._writer.run(lambda tx: _save(tx, account_id, request))

    async def _work(self) -> None:
        while True:
            self._kicked.clear()
            try:
                wait_s = self._launch_due()
            except StoreUnavailable as exc:
                _log.error("webhook deliveries wait: %s", exc)
                wait_s = self._schedule.store_retry_s
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._kicked.wait()

    def _launch_due(self) -> float:
        """Begin all pushes that are due and have a place; returns how long there is nothing more to do."""
        schedule, now_ms = self._schedule, self._real_ms()
        with self._store.read() as conn:
            while room := schedule.at_once - len(self._under_way):
                full = [
                    account for account, n in self._of_account.items() if n >= schedule.at_once_of_account
                ]
                rows = webhooks.load_due(conn, now_ms, under_way=self._under_way, accounts=full, limit=room)
                if not rows:
                    break
                for row in rows:
                    if self._of_account[row.account_id] < schedule.at_once_of_account:
                        self._launch(row)
            next_ms = webhooks.next_due_ms(conn, now_ms)
        until_next_s = schedule.look_again_s if next_ms is None else (next_ms - now_ms) / 1e3
        return min(until_next_s, schedule.look_again_s)

    def _launch(self, row: AnyRow) -> None:
        name = f"push delivery {row.delivery_id}"
        task = asyncio.get_running_loop().create_task(self._deliver(row), name=name)
        self._under_way[row.delivery_id] = task
        self._of_account[row.account_id] += 1
        task.add_done_callback(lambda _: self._landed(row))

    def _landed(self, row: AnyRow) -> None:
        del self._under_way[row.delivery_id]
        self._of_account[row.account_id] -= 1
        if not self._of_account[row.account_id]:
            del self._of_account[row.account_id]
        self.kick()

    async def _deliver(self, row: AnyRow) -> None:
        """Make one attempt and note what came of it."""
        try:
            heard = await self._push(row)
        except StoreUnavailable as exc:
            heard = Heard(error=f"the stub could not read the task: {exc}")
        except Exception:  # noqa: BLE001 - an attempt that failed for whatever reason is noted, or it is made for ever
            _log.exception("delivery %d", row.delivery_id)
            heard = Heard(error="an error inside the stub; its log says more")
        await self._persist(lambda tx: _note(tx, row, heard, self._schedule.retries_ms))

    async def _push(self, row: AnyRow) -> Heard:
        with self._store.read() as conn:
            task = webhooks.load_pushed_task(conn, row.task_id)
            is_large = task.device_count >= self._schedule.large_devices
            dids = "" if is_large else webhooks.join_device_ids(conn, row.task_id)
        if not is_large:
            return await self._post(row, task, dids)
        async with self._one_large:  # its body may be of 20 MB
            return await self._post(row, task, await asyncio.to_thread(self._read_dids, row.task_id))

    def _read_dids(self, task_id: int) -> str:
        with self._store.read_aside() as conn:
            return webhooks.join_device_ids(conn, task_id)

    def _post(self, row: AnyRow, task: AnyRow, dids: str) -> Coroutine[None, None, Heard]:
        body = encode_push(
            uid=row.account_id,
            date_ms=self._account_now(row.account_id),
            signature=signature_of(row.token, row.account_id),
            dids=dids,
            start_ms=task.starts_ms,
            version=task.target,
        )
        return self._client.post(row.url, body)

    async def _persist(self, use_case: Callable[[Tx], None]) -> None:
        """Write until it is written: an attempt that was made must not be made again at once."""
        while True:
            try:
                await self._writer.run(use_case)
            except StoreUnavailable:
                await asyncio.sleep(self._schedule.store_retry_s)
            else:
                return


def _unverified(url: str, heard: Heard) -> Rejection:
    return Rejection(
        code=ErrorCode.WEBHOOK_UNVERIFIED,
        message=f"{url} did not answer the check with {PASSED}: {heard.say()}; the webhook is as it was",
        details={"url": url, "status": heard.status, "seen": heard.say()},
    )


def _save(tx: Tx, account_id: int, request: api.SetWebhook) -> api.Webhook:
    checked_ms = account_now(tx, account_id)
    webhooks.save(tx.conn, account_id, request.url, request.token, checked_ms)
    webhooks.redirect_pending(tx.conn, account_id, request.url, request.token, tx.real_ms)
    tx.then(tx.effects.deliveries_due)
    return api.Webhook(account_id=account_id, url=request.url, checked_ms=checked_ms)


def _note(tx: Tx, row: AnyRow, heard: Heard, retries_ms: tuple[int, ...]) -> None:
    if heard.is_success:
        state, due_ms = webhooks.DELIVERED, None
    elif row.attempts < len(retries_ms):
        state, due_ms = webhooks.PENDING, tx.real_ms + retries_ms[row.attempts]
    else:
        state, due_ms = webhooks.FAILED, None
    error = None if heard.is_success else heard.say()
    webhooks.note_attempt(
        tx.conn, row.delivery_id, state=state, due_ms=due_ms, status=heard.status, error=error
    )
