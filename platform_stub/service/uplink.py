"""What a broker hands over: CONNECTs are judged, messages become reports for the writer.

A payload that is not what its topic asks for is answered with a code where it has an id to answer to, and
changes nothing. Source: onenet-protocol, sections 2 and 3.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec import UNSET

from platform_stub.protocol import messages, topics
from platform_stub.protocol.codes import FuseCode
from platform_stub.protocol.ids import DeviceId
from platform_stub.protocol.shown import shown, shown_name
from platform_stub.protocol.token import find_faults
from platform_stub.service.credentials import Credentials
from platform_stub.service.ports import AccessLog, ConnectRefusal, Session, Settle
from platform_stub.service.reports import Card, InformAnswer, Listening, Report, Status, Versions
from platform_stub.service.sessions import Sessions
from platform_stub.service.writer import Writer
from platform_stub.store import devices, jobs
from platform_stub.store.engine import Store
from platform_stub.store.errors import StoreUnavailable
from platform_stub.store.schema import AnyRow

_MQTT: Final = "mqtt"


class _AnyId(msgspec.Struct, frozen=True):
    id: messages.MessageId


class PlatformUplink:
    """Implements `ports.Uplink` on the store, the sessions and the writer."""

    def __init__(
        self,
        store: Store,
        sessions: Sessions,
        writer: Writer[Report],
        credentials: Credentials,
        log: AccessLog | None = None,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._writer = writer
        self._credentials = credentials
        self._log = log
        self._handlers: dict[str, Callable[[Session, bytes], Report | None]] = {
            topics.STATUS: self._status,
            topics.VERSION: self._versions,
            topics.PROPERTY_POST: self._card,
            topics.INFORM_REPLY: self._inform_answer,
            topics.DATA_POINT: self._data_point,
        }

    def connect(self, product_id: str, client_id: str, password: str) -> Session | ConnectRefusal:
        """Let a device in by its token; account time says whether it has expired."""
        verdict, note = self._judge(product_id, client_id, password)
        self._note_login("CONNECT", product_id, client_id, verdict, note)
        if isinstance(verdict, ConnectRefusal):
            return verdict
        return self._open(verdict, product_id, client_id)

    def check(self, product_id: str, client_id: str, password: str) -> tuple[ConnectRefusal, str] | None:
        """Judge a login for a broker that asks, with words for a refusal; None: it is good. No session is opened."""
        verdict, note = self._judge(product_id, client_id, password)
        self._note_login("login at the broker", product_id, client_id, verdict, note)
        return (verdict, note) if isinstance(verdict, ConnectRefusal) else None

    def _note_login(
        self, what: str, product_id: str, client_id: str, verdict: AnyRow | ConnectRefusal, note: str
    ) -> None:
        if self._log is None:
            return
        refused = f"refused with {int(verdict)} ({note})" if isinstance(verdict, ConnectRefusal) else ""
        who = f"{shown_name(product_id)}/{shown_name(client_id)}"
        self._log.write(_MQTT, who, f"{what} {refused or 'accepted'}")

    def _judge(self, product_id: str, client_id: str, password: str) -> tuple[AnyRow | ConnectRefusal, str]:
        """Judge a login: the device's row, or a refusal with why, for people."""
        try:
            with self._store.glance() as conn:
                row = jobs.find_caller(conn, product_id, client_id)
            refusal = self._credentials.refusal(None, password, row)
        except StoreUnavailable:
            return ConnectRefusal.UNAVAILABLE, "the store is not there"
        if refusal is not None:
            is_malformed = bool(find_faults(password))
            code = ConnectRefusal.MALFORMED if is_malformed else ConnectRefusal.NOT_AUTHORISED
            return code, refusal.note or ""
        assert row is not None, "a device that is not there is refused"
        return row, ""

    def _open(self, row: AnyRow, product_id: str, name: str) -> Session:
        session = Session(
            device_id=DeviceId(row.device_id),
            product_id=product_id,
            name=name,
            account_id=row.account_id,
        )
        self._sessions.open(session)
        return session

    def enter(self, product_id: str, name: str) -> Session | ConnectRefusal | None:
        """Open a session for a device that a broker has let in; None: there is no such device."""
        try:
            with self._store.glance() as conn:
                row = jobs.find_caller(conn, product_id, name)
        except StoreUnavailable:
            return ConnectRefusal.UNAVAILABLE
        if row is None:
            return None
        if self._log is not None:
            self._log.write(
                _MQTT, f"{product_id}/{name}", "is there: its first message came; the broker has let it in"
            )
        return self._open(row, product_id, name)

    def known(self, after: int, limit: int) -> Sequence[tuple[int, str, str]]:
        """List devices by device ID, after one."""
        with self._store.glance() as conn:
            return devices.load_addresses(conn, after, limit)

    def subscribed(self, session: Session, inform: bool) -> None:  # noqa: FBT001 - the port's shape
        """Tell a device that listens to informs of its pending jobs."""
        if inform:
            session.told_by_inform = True
            self._writer.report(Listening(session), _ignore)

    def disconnected(self, session: Session) -> None:
        """Forget a session; its jobs stay as they are."""
        session.present = session.told_by_inform = False
        self._sessions.drop(session)

    def received(self, session: Session, suffix: str, payload: bytes, settle: Settle) -> None:
        """Queue what a device reported, or answer at once what needs no commit."""
        if self._log is not None:
            who = f"{session.product_id}/{session.name}"
            self._log.write(_MQTT, who, f"{suffix} {shown(payload)}")
        handler = self._handlers.get(suffix)
        if handler is None:
            settle(True)
            return
        try:
            report = handler(session, payload)
        except messages.MessageError as fault:
            self._refuse(session, suffix, payload, str(fault))
            settle(True)
            return
        if report is None:
            settle(True)
        else:
            self._writer.report(report, settle)

    def _status(self, session: Session, payload: bytes) -> Report:
        message = messages.decode(payload, messages.StatusReport)
        return Status(session, message.id, message.params.tid, message.params.step)

    def _versions(self, session: Session, payload: bytes) -> Report:
        message = messages.decode(payload, messages.VersionReport)
        f_version, s_version = message.params.f_version, message.params.s_version
        return Versions(
            session,
            message.id,
            None if f_version is UNSET else f_version,
            None if s_version is UNSET else s_version,
        )

    def _card(self, session: Session, payload: bytes) -> Report:
        message = messages.decode(payload, messages.PropertyPost)
        iccid, imsi = message.params.iccid, message.params.imsi
        return Card(
            session,
            message.id,
            None if iccid is UNSET else iccid.value,
            None if imsi is UNSET else imsi.value,
        )

    def _inform_answer(self, session: Session, payload: bytes) -> Report | None:
        message = messages.decode(payload, messages.InformReply)
        return (
            InformAnswer(session, int(message.id), message.code)
            if message.id.isascii() and message.id.isdecimal()
            else None
        )

    def _data_point(self, session: Session, payload: bytes) -> None:
        message_id = messages.decode(payload, messages.DataPoint).id
        self._sessions.publish(
            session, topics.DATA_POINT_ACCEPTED, messages.encode(messages.DataPoint(id=message_id))
        )

    def _refuse(self, session: Session, suffix: str, payload: bytes, why: str) -> None:
        if suffix == topics.DATA_POINT:
            self._sessions.publish(
                session, topics.DATA_POINT_REJECTED, b'{"id":0,"err_code":2,"err_msg":"malformed"}'
            )
            return
        reply_suffix = topics.REPLIES.get(suffix)
        if reply_suffix is None:
            return
        try:
            message_id = messages.decode(payload, _AnyId).id
        except messages.MessageError:
            return
        reply = messages.Reply(id=message_id, code=int(FuseCode.INVALID_PARAMETER), msg=why)
        self._sessions.publish(session, reply_suffix, messages.encode(reply))


def _ignore(committed: bool) -> None:  # noqa: FBT001 - the port's shape
    """Nobody waits for it: a device that was not told is told when it next reports its version."""
