"""Auto-add: a package takes in every later device that reports a matching start version (P15).

A check over HTTP, or a version report over MQTT, that finds no open job asks here. Joining is a creation of a
task of one device with every reason of P16, decided a few devices a transaction. A package takes a device in once:
what failed is the operator's to retry, and a device that goes back by itself is not updated for ever. Where no
package has a policy, asking costs nothing.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from sqlalchemy import Connection

from platform_stub.protocol import operator as api
from platform_stub.protocol.calls import CallRefusal, Refused
from platform_stub.protocol.codes import UpdateKind
from platform_stub.protocol.operator import ErrorCode
from platform_stub.service import tasks
from platform_stub.service.accounts import account_now
from platform_stub.service.answers import Rejection
from platform_stub.service.ground import Ground
from platform_stub.service.writer import Tx
from platform_stub.store import devices, packages
from platform_stub.store import tasks as task_rows
from platform_stub.store.errors import StoreUnavailable
from platform_stub.store.schema import AnyRow

AT_ONCE: Final = 20
"""Devices a transaction."""
REFUSED: Final = "auto-add refused"


class Outcome(Enum):
    """What asking came to, besides a refused creation."""

    JOINED = auto()
    BUSY = auto()  # it has an open job of the kind: another check was quicker
    UNWANTED = auto()
    NO_DIFFERENTIAL = auto()  # what there is are differential packages for other versions


@dataclass(frozen=True, slots=True)
class _Asking:
    device_id: int
    kind: UpdateKind
    version: str
    answer: asyncio.Future[Outcome | Rejection]


class AutoAdds:
    """Who is taken in by which package. All methods are called in the loop's thread."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._is_wanted: bool | None = None
        self._asking: list[_Asking] = []
        self._considering: set[asyncio.Task[None]] = set()
        self._drain_task: asyncio.Task[None] | None = None
        self.joined = 0

    def forget(self) -> None:
        """Look again at whether any package has a policy: one has changed."""
        self._is_wanted = None

    async def judge(self, device_id: int, kind: UpdateKind, version: str) -> Refused | bool:
        """Take a device in if a package wants it: True when it has a job now, or a Refused that says why it has none.

        The version that was reported must be stored by then. StoreUnavailable: nothing has changed.
        """
        if self._is_wanted is None:
            self._is_wanted = self._ground.read(packages.has_auto_add)
        if not self._is_wanted:
            return False
        found = self._ground.read(lambda conn: _find(conn, device_id, kind, version))
        answer = found if isinstance(found, Outcome) else await self._ask(device_id, kind, version)
        if isinstance(answer, Rejection):
            return _word(answer)
        if answer is Outcome.NO_DIFFERENTIAL:
            return Refused(CallRefusal.NO_DIFFERENTIAL)
        return answer is not Outcome.UNWANTED

    def consider(self, device_id: int, kind: UpdateKind, version: str) -> None:
        """Judge a version that was reported over MQTT; a task that is made is told like any other."""
        if self._is_wanted is not False:
            work = asyncio.get_running_loop().create_task(
                self._consider(device_id, kind, version), name="auto-add of a device"
            )
            self._considering.add(work)
            work.add_done_callback(self._considering.discard)

    async def _consider(self, device_id: int, kind: UpdateKind, version: str) -> None:
        with suppress(StoreUnavailable):  # the device reports again, or checks
            await self.judge(device_id, kind, version)

    async def _ask(self, device_id: int, kind: UpdateKind, version: str) -> Outcome | Rejection:
        answer: asyncio.Future[Outcome | Rejection] = asyncio.get_running_loop().create_future()
        self._asking.append(_Asking(device_id, kind, version, answer))
        if self._drain_task is None:
            self._drain_task = asyncio.get_running_loop().create_task(self._drain(), name="auto-add")
        return await answer

    async def close(self) -> None:
        """Finish what is asked."""
        while works := [*self._considering, *([self._drain_task] if self._drain_task else [])]:
            await asyncio.wait(works)

    async def _drain(self) -> None:
        try:
            while self._asking:
                batch, self._asking = self._asking[:AT_ONCE], self._asking[AT_ONCE:]
                await self._decide(batch)
        finally:
            self._drain_task = None

    async def _decide(self, batch: list[_Asking]) -> None:
        try:
            outcomes = await self._ground.write(
                lambda tx: [take_in(tx, one.device_id, one.kind, one.version) for one in batch]
            )
        except Exception as exc:  # noqa: BLE001 - handed to each who waits, who raises it
            for one in batch:
                if not one.answer.done():
                    one.answer.set_exception(exc)
            return
        for one, outcome in zip(batch, outcomes, strict=True):
            self.joined += outcome is Outcome.JOINED
            if not one.answer.done():
                one.answer.set_result(outcome)


def _find(conn: Connection, device_id: int, kind: UpdateKind, version: str) -> AnyRow | Outcome:
    """Find the package that takes a device in, or say why none does."""
    device = devices.load(conn, device_id)
    assert device is not None, "devices are never removed"
    if device.terminated_ms is not None:
        return Outcome.UNWANTED
    offers = [
        row for row in packages.load_auto_adding(conn, device.product_id, kind) if row.verification != "open"
    ]
    if offers and task_rows.has_open_job(conn, device_id, kind):
        return Outcome.BUSY
    # The newest that admits the version decides alone, or that leads to it: none older takes the device back.
    package = next((row for row in offers if row.target == version or _admits(row, version)), None)
    if package is None:
        is_lacking = bool(offers) and all(row.start_version not in {None, version} for row in offers)
        return Outcome.NO_DIFFERENTIAL if is_lacking else Outcome.UNWANTED
    is_done = package.target == version or task_rows.has_job_of_package(conn, device_id, package.package_id)
    return Outcome.UNWANTED if is_done else package


def _word(rejection: Rejection) -> Refused:
    """Say to a device why it is not taken in: licences have a code of their own, the rest is no task (P15)."""
    if rejection.code is ErrorCode.LICENCES_INSUFFICIENT:
        return Refused(CallRefusal.LICENCES_INSUFFICIENT)
    return Refused(CallRefusal.NO_TASK, rejection.message)


def _admits(row: AnyRow, version: str) -> bool:
    if row.start_version not in {None, version}:
        return False
    policy = packages.read_auto_add(row)
    assert policy is not None, "only rows with a policy are read"
    return policy.start_versions is None or version in policy.start_versions


def take_in(tx: Tx, device_id: int, kind: UpdateKind, version: str) -> Outcome | Rejection:
    """Take a device in, by a task of its own."""
    package = _find(tx.conn, device_id, kind, version)
    if isinstance(package, Outcome):
        return package
    order = api.CreateTask(
        package_id=package.package_id, device_ids=[device_id], name=f"auto-add: {package.name}"
    )
    answer = tasks.create(tx, package.account_id, order)
    if isinstance(answer, Rejection):
        _note_refusal(tx, device_id, package.account_id, f"{package.name}: {answer.message}")
        return answer
    return Outcome.JOINED


def _note_refusal(tx: Tx, device_id: int, account_id: int, why: str) -> None:
    """Note a refusal on the device's timeline, once as long as nothing else happens to the device."""
    last = devices.last_entry(tx.conn, device_id)
    if last is not None and (last.what, last.detail) == (REFUSED, why):
        return
    devices.note_one(tx.conn, device_id, account_now(tx, account_id), REFUSED, why)
