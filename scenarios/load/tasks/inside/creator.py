"""A creator of tasks: one of Locust's users. Runs under gevent alone; only the locustfile imports it.

It creates a task for devices of its own, cancels it outside the timing, and in between does what the plan says. Each
answer is held against what the rules let one expect: the devices that had no licence yet are what it deducts (B7, B14).
"""

# mypy: disallow-untyped-calls=False
# gevent and Locust have few annotations
import random
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import gevent
import msgspec
from geventhttpclient.response import HTTPConnectionClosed
from geventhttpclient.useragent import UserAgent
from locust import FastHttpUser
from msgspec import Struct

from platform_stub.protocol import operator as api
from scenarios.load.tasks.ground import JSON, AccountGround, Ask, Slot, Steps, ids_of, order_of
from scenarios.load.tasks.wire import AGAIN, BUY, CANCEL, CREATE, DELAY, READ

if TYPE_CHECKING:
    from scenarios.load.tasks.inside.run import TaskRun

T = TypeVar("T")

SET_UP_S: Final = 120.0
CONNECT_S: Final = 10.0
UNREACHABLE_WAIT_S: Final = 0.25
"""Who reaches nobody does not ask again at once."""
IDLE_MAX_S: Final = 10.0
"""A connection that was idle for longer may have been closed by the platform meanwhile; a new one is made."""
_ERRORS: Final = msgspec.json.Decoder(api.ErrorBody)


class Created(Struct, frozen=True, kw_only=True):
    """What is looked at of a created task."""

    task_id: int
    device_count: int
    needed: int
    deducted: int


class Anything(Struct, frozen=True):
    """An answer in which nothing is looked for."""


_DECODERS: Final[dict[type[Struct], Any]] = {
    Created: msgspec.json.Decoder(Created),
    Anything: msgspec.json.Decoder(Anything),
}


class FreshDevices:
    """Devices that were never in a task, shared by the creators of an account in this process."""

    def __init__(self) -> None:
        self._ids: deque[int] = deque()

    def bring(self, ids: Sequence[int]) -> None:
        """Add some."""
        self._ids.extend(ids)

    def take(self, count: int) -> list[int]:
        """Take so many, or as many as there are."""
        return [self._ids.popleft() for _ in range(min(count, len(self._ids)))]


class Creator:
    """What a user knows and does; `client` is Locust's, `run` the load as a whole."""

    def __init__(
        self, user: FastHttpUser, run: "TaskRun", index: int, account: AccountGround, slot: Slot
    ) -> None:
        self._client = user.client
        self._run, self._plan = run, run.plan
        self._account, self._own = account, ids_of(slot.own)
        self._licensed = len(self._own) if slot.licensed else 0
        self._fresh = run.fresh_of(account)
        self._fresh.bring(ids_of(slot.fresh))
        self._random = random.Random(f"{run.plan.seed} {index}")
        self._name, self._number = f"{account.account_id}-{index}", 0
        self._used_at = time.perf_counter()
        self._is_unsure = (
            False  # whether an answer was lost, so that nobody knows which devices have a licence
        )

    def create(self, intended: float | None) -> bool:
        """Create a task, timed from `intended` or from now, and do what goes with it; False: no devices are left."""
        size = self._random.randint(self._plan.devices_min, self._plan.devices_max)
        ids, expected = self._devices(size)
        if not ids:
            return False
        is_again = self._random.random() < self._plan.again
        self._number += 1
        key = f"load-{self._name}-{self._number}" if is_again else None
        path = f"/v1/accounts/{self._account.account_id}/tasks"
        body = order_of(self._account, ids)
        totals = self._run.recorder.totals
        totals.unsure += 1  # until there is an answer; who is stopped in between leaves it so
        task = self._call(
            CREATE, "POST", path, Created, body, key=key, intended=intended, devices=(len(ids), expected)
        )
        if isinstance(task, Created):
            totals.unsure -= 1
            self._take_note(task, size)
            if is_again:
                self._ask_again(path, body, key, task)
            self._beside(task)
            if not self._plan.keeps_open:
                self._call(CANCEL, "POST", f"/v1/tasks/{task.task_id}/cancellation", Anything)
        elif task:
            totals.unsure -= 1
            totals.refused += 1
        else:
            self._is_unsure = True
        return True

    def _devices(self, size: int) -> tuple[list[int], int | None]:
        """Choose a task's devices, and say how many of them have no licence; None: nobody knows."""
        fresh = self._fresh.take(self._plan.fresh_of(size))
        if self._plan.keeps_open:
            return (fresh, size) if len(fresh) == size else ([], 0)
        if len(fresh) < self._plan.fresh_of(size):
            self._run.recorder.totals.dry += 1
        own = size - len(fresh)
        unlicensed = max(0, own - self._licensed)
        return self._own[:own] + fresh, None if self._is_unsure else len(fresh) + unlicensed

    def _take_note(self, task: Created, size: int) -> None:
        totals = self._run.recorder.totals
        totals.created += 1
        totals.deducted += task.deducted
        self._licensed = max(self._licensed, min(len(self._own), size - self._plan.fresh_of(size)))

    def _ask_again(self, path: str, body: bytes, key: str | None, task: Created) -> None:
        self._call(AGAIN, "POST", path, Created, body, key=key, same=task)

    def _beside(self, task: Created) -> None:
        """Read and buy, as often as the plan says."""
        reads = int(self._plan.reads) + (self._random.random() < self._plan.reads % 1)
        account = f"/v1/accounts/{self._account.account_id}"
        paths = (f"/v1/tasks/{task.task_id}", account, f"/v1/tasks/{task.task_id}/jobs?limit=100")
        for _ in range(reads):
            self._call(READ, "GET", self._random.choice(paths), Anything)
        if self._random.random() < self._plan.purchases:
            body = msgspec.json.encode(api.BuyLicences(count=1))
            if isinstance(self._call(BUY, "POST", f"{account}/licences/purchases", Anything, body), Anything):
                self._run.recorder.totals.bought += 1

    def _call(
        self,
        name: str,
        method: str,
        path: str,
        answer: type[Struct],
        body: bytes = b"",
        *,
        key: str | None = None,
        intended: float | None = None,
        devices: tuple[int, int | None] | None = None,
        same: Created | None = None,
    ) -> Any:
        """Do one call, in Locust's statistics and in ours; answers its value, a refusal's text, or "" for no answer."""
        headers = {"Content-Type": JSON} | ({} if key is None else {"Idempotency-Key": key})
        began = time.perf_counter()
        if began - self._used_at > IDLE_MAX_S:
            self._client.client.clientpool.close()
        if intended is not None:
            delay_us = int((began - intended) * 1e6)
            self._run.recorder.took(DELAY, delay_us, intended, began)
        data: Any = body  # Locust takes bytes too
        with self._client.request(
            method, path, name=name, data=data, headers=headers, catch_response=True
        ) as response:
            self._used_at = time.perf_counter()
            if intended is not None:
                response.request_meta["response_time"] = (self._used_at - intended) * 1_000
            value, kind, text = _read(response, answer)
            if not kind and (text := _objection(value, devices, same)):
                kind = "wrong"
                self._run.recorder.totals.wrong += 1
            if kind:
                response.request_meta["context"]["kind"] = kind
                response.failure(text)
        totals = self._run.recorder.totals
        if kind == UNREACHED:
            totals.unreachable += 1
            gevent.sleep(UNREACHABLE_WAIT_S)
            return ""
        totals.answered += 1
        return value if value is not None else text


UNREACHED: Final = "unreached"
REFUSALS_FROM: Final = 400


def _read(response: Any, answer: type[Struct]) -> tuple[Any, str, str]:
    """Give an answer's value, or its kind of error and the text."""
    status = response.status_code
    if not status:
        return None, UNREACHED, _why(response.error)
    content = response.content or b""
    if status >= REFUSALS_FROM:
        return None, *_refusal(status, content)
    try:
        return _DECODERS[answer].decode(content), "", ""
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        return None, "unreadable", f"HTTP {status} with an answer that is not the API's: {exc}"


def _refusal(status: int, content: bytes) -> tuple[str, str]:
    """Give the kind of a refusal, and its text."""
    try:
        error = _ERRORS.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"HTTP {status}", f"HTTP {status}, with an answer that is not the API's"
    return f"HTTP {status} {error.code}", f"HTTP {status} {error.code}: {error.message}"


def _objection(value: Any, devices: tuple[int, int | None] | None, same: Created | None) -> str:
    """Say what is wrong with a created task; empty: nothing."""
    if same is not None and value != same:
        return f"the same key gave another answer: task {value.task_id}, not {same.task_id} (P13)"
    if devices is None:
        return ""
    count, unlicensed = devices
    if value.device_count != count:
        return f"a task for {count:,} devices was created with {value.device_count:,}"
    if unlicensed is not None and value.deducted != unlicensed:
        return f"{value.deducted:,} licences were deducted for {unlicensed:,} devices without one (B7, B14)"
    return ""


def _why(error: BaseException | None) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nobody answers: the connection is refused"
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return "no answer in time"
    if isinstance(error, HTTPConnectionClosed | ConnectionResetError | BrokenPipeError):
        return "the connection was closed before the answer"
    return f"no answer: {type(error).__name__}: {error}"


class SetUpError(Exception):
    """What creators stand on could not be made."""


class _Agent(UserAgent):
    """A client for which every answer is one; what it says is looked at by the caller."""

    def _verify_status(self, status_code: int, url: Any = None) -> None:
        pass


class SetUp:
    """Makes the ground from inside Locust, with a client of its own and outside the statistics."""

    def __init__(self, host: str | None) -> None:
        if not host:
            raise SetUpError("no host is given: -H http://HOST:PORT says where the platform is")
        self._host = host.rstrip("/")
        self._agent = _Agent(network_timeout=SET_UP_S, connection_timeout=CONNECT_S)

    def carry_out(self, steps: Steps[T]) -> T:
        """Make the calls of a set-up. SetUpError: the platform refused one, or nobody answers."""
        try:
            call = next(steps)
            while True:
                call = steps.send(self._ask(call))
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return] # what the steps return
        finally:
            self._agent.close()

    def _ask(self, call: Ask) -> Any:
        try:
            response = self._agent.urlopen(
                self._host + call.path,
                method=call.method,
                payload=call.body,
                headers={"Content-Type": call.media},
            )
            content = bytes(response.content or b"")
        except (OSError, HTTPConnectionClosed) as exc:
            raise SetUpError(f"{self._host}: could not {call.what}: {_why(exc)}") from exc
        if response.status_code >= REFUSALS_FROM:
            raise SetUpError(
                f"the platform did not {call.what}: {_refusal(response.status_code, content)[1]}"
            )
        return msgspec.json.decode(content, type=call.answer)
