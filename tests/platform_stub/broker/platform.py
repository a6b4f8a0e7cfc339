"""A plain platform for the broker's tests: it lets known devices in and records what it is told."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from platform_stub.protocol.ids import DeviceId
from platform_stub.service.ports import ConnectRefusal, Downlink, Session, Settle

PRODUCT = "Y6O759jbtX"
OTHER_PRODUCT = "123123"
WAIT_S = 60.0
TOKEN = "version=2018-10-31&sign=right"


@dataclass
class RecordingPlatform:
    """An Uplink. `verdict` says how a publish is settled: at once, at once as failed, or by the test."""

    verdict: Literal["commit", "fail", "wait"] = "commit"
    answer: str | None = None  # publish back to this suffix before settling
    downlink: Downlink | None = None
    sessions: list[Session] = field(default_factory=list)
    messages: list[tuple[str, str, bytes]] = field(default_factory=list)
    waiting: list[Settle] = field(default_factory=list)
    subscriptions: list[tuple[str, bool]] = field(default_factory=list)
    ended: list[Session] = field(default_factory=list)
    on_subscribed: Callable[[Session], None] | None = None
    _called: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for a call after which it holds."""
        async with asyncio.timeout(WAIT_S):
            while not holds():
                self._called.clear()
                await self._called.wait()

    def connect(self, product_id: str, client_id: str, password: str) -> Session | ConnectRefusal:
        if not password.startswith("version="):
            return ConnectRefusal.MALFORMED
        if product_id not in {PRODUCT, OTHER_PRODUCT} or password != TOKEN:
            return ConnectRefusal.NOT_AUTHORISED
        session = Session(device_id=DeviceId(len(self.sessions) + 1), product_id=product_id, name=client_id)
        self.sessions.append(session)
        self._called.set()
        return session

    def subscribed(self, session: Session, inform: bool) -> None:
        session.told_by_inform = session.told_by_inform or inform
        self._called.set()
        self.subscriptions.append((session.name, inform))
        if self.on_subscribed is not None:
            self.on_subscribed(session)

    def received(self, session: Session, suffix: str, payload: bytes, settle: Settle) -> None:
        self._called.set()
        self.messages.append((session.name, suffix, payload))
        if self.answer is not None and self.downlink is not None:
            self.downlink.publish(session, self.answer, payload, 1)
        if self.verdict == "wait":
            self.waiting.append(settle)
        else:
            settle(self.verdict == "commit")

    def disconnected(self, session: Session) -> None:
        self._called.set()
        self.ended.append(session)

    def session(self, name: str) -> Session:
        """Find the living session of a device."""
        return next(s for s in reversed(self.sessions) if s.name == name and s not in self.ended)
