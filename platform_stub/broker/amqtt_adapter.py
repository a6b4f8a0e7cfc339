"""What amqtt 0.12 is made to do differently to serve one platform: an authentication plugin and a subclass.

amqtt keeps the wire, the sessions and the QoS flows. Overridden is
- the delivery of what devices publish: amqtt stops reading a client for good at its first topic below `$`;
- who may connect, and under which key: amqtt keys sessions by client id alone, and a new clean session leaves the
  old connection open, deaf and without subscriptions, even when the new one is then refused;
- subscriptions: amqtt walks those of all clients for every publish; a device has only its own here.
Written against 0.12.1; pinned to 0.12.* in pyproject.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from amqtt.adapters import ReaderAdapter, StreamReaderAdapter, StreamWriterAdapter, WriterAdapter
from amqtt.broker import Broker, Server
from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType
from amqtt.errors import AMQTTError, BrokerError, CodecError, MQTTError, NoDataError, ProtocolHandlerError
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session as Client

from platform_stub.broker.limits import Limits
from platform_stub.broker.port import bind_fault
from platform_stub.broker.profile import refusal_of, upward_suffix
from platform_stub.broker.subscriptions import (
    NO_SUBSCRIPTIONS,
    Subscriptions,
    grant,
    granted_qos,
    own_suffix,
    without_filter,
)
from platform_stub.protocol import topics
from platform_stub.protocol.mqtt.bodies import topic_filter
from platform_stub.protocol.mqtt.codec import encode
from platform_stub.protocol.mqtt.errors import MalformedPacket
from platform_stub.protocol.mqtt.packets import SUBSCRIBE_REFUSED, Connack, ConnackCode, Connect, Will
from platform_stub.service.ports import Session, Uplink

_LISTENER: Final = "default"
_VERDICT: Final = "ota-sim.verdict"  # in a client's attributes: the platform's session, or the refusal
_LINK: Final = "ota-sim.link"
_QOS_2: Final = 2
_GRACE_S: Final = 0.5  # for a peer to take what was sent, before it is cut
_PEER_FAULTS: Final = (
    AMQTTError,
    MQTTError,
    NoDataError,
    CodecError,
    ProtocolHandlerError,
    OSError,
    EOFError,
    ValueError,
)


class PlatformAuthentication(BaseAuthPlugin):
    """Asks the platform about a client; amqtt makes it from the configuration, `judge` included."""

    @dataclass
    class Config:
        """What amqtt hands over: `judge` takes amqtt's session and says whether the client is let in."""

        judge: Any

    async def authenticate(self, *, session: Client) -> bool:
        """Let in whom the platform knows; asked a second time, it answers the same."""
        verdict: bool = self.config.judge(session)
        return verdict


@dataclass(slots=True, eq=False)
class Link:
    """A client that was let in, and what is on its way to it."""

    session: Session
    handler: BrokerProtocolHandler
    writer: asyncio.StreamWriter
    key: str
    prefix: str
    subscriptions: Subscriptions = NO_SUBSCRIPTIONS
    deliveries: set[asyncio.Task[None]] = field(default_factory=set)
    has_left: bool = False


class PlatformBroker(Broker):
    """amqtt's broker with one platform behind it."""

    def __init__(self, uplink: Uplink, host: str, port: int, limits: Limits) -> None:
        self._uplink = uplink
        self._wanted = (host, port)
        self._limits = limits
        self._links: dict[str, Link] = {}
        self._connections: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}
        self._endings: set[asyncio.Task[None]] = set()
        super().__init__(
            BrokerConfig(
                listeners={_LISTENER: ListenerConfig(bind=f"{host}:{port}")},
                plugins={f"{__name__}.{PlatformAuthentication.__name__}": {"judge": self.judge}},
            )
        )

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        server = self._servers[_LISTENER].instance
        assert isinstance(server, asyncio.Server)
        host, port, *_ = server.sockets[0].getsockname()
        return host, port

    async def start(self) -> None:
        """Listen; a port that is taken is an EnvironmentFault."""
        try:
            await super().start()
        except BrokerError as exc:
            if isinstance(exc.__cause__, OSError):
                raise bind_fault(*self._wanted, exc.__cause__) from exc
            raise

    async def shutdown(self) -> None:
        """Stop listening and end every connection, also one that says nothing or takes nothing."""
        self._servers[_LISTENER].instance.close()
        links = tuple(self._links.values())
        let_in = {id(link.writer) for link in links}
        for task, writer in self._connections.items():
            if id(writer) not in let_in:
                task.cancel()
        await asyncio.gather(*(self._end(link) for link in links))
        await super().shutdown()
        tasks = (*self._connections, *self._endings)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def judge(self, client: Client) -> bool:
        """Say whether a client is let in: by the profile, then by the platform, which is asked once."""
        verdict = client.attributes.get(_VERDICT)
        if verdict is None:
            verdict = client.attributes[_VERDICT] = self._judge(client)
        return isinstance(verdict, Session)

    def send(
        self, session: Session, suffix: str, payload: bytes, qos: int, delivered: Callable[[], None] | None
    ) -> None:
        """Publish to a device, if its session is open and has subscribed to that."""
        link = self._links.get(_key(session))
        if link is None or link.session is not session:
            return
        granted = granted_qos(link.subscriptions, suffix)
        if granted is None:
            return
        if len(link.deliveries) >= self._limits.queue_messages_max:
            self.end(session)
            return
        sending = self._deliver(link, suffix, payload, min(qos, granted), delivered)
        task = asyncio.get_running_loop().create_task(sending, name=f"publish to {link.key}")
        link.deliveries.add(task)
        task.add_done_callback(link.deliveries.discard)

    def takes(self, session: Session, suffix: str) -> bool:
        """Whether the session is open and has subscribed to that."""
        link = self._links.get(_key(session))
        if link is None or link.session is not session:
            return False
        return granted_qos(link.subscriptions, suffix) is not None

    def end(self, session: Session) -> None:
        """End a session's connection, if it is still open."""
        link = self._links.get(_key(session))
        if link is not None and link.session is session:
            self._leave(link)
            task = asyncio.get_running_loop().create_task(self._end(link), name=f"end of {link.key}")
            self._endings.add(task)
            task.add_done_callback(self._endings.discard)

    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        """Serve one connection; what its peer does wrong ends here."""
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        try:
            await self._client_connected(
                listener_name, StreamReaderAdapter(reader), StreamWriterAdapter(writer)
            )
        except _PEER_FAULTS as exc:
            self.logger.info("connection ended: %r", exc)
        except asyncio.CancelledError:
            self.logger.info(
                "connection cut by shutdown"
            )  # asyncio before 3.12 prints a traceback of one that is cancelled
        finally:
            del self._connections[task]
            writer.close()

    async def _create_server_instance(
        self,
        listener_name: str,
        listener_type: ListenerType,  # noqa: ARG002 - amqtt's shape; it is TCP
        address: str | None,
        port: int,
        ssl_context: ssl.SSLContext | None,
    ) -> asyncio.Server:
        """Listen with a backlog that takes a fleet's connects; with asyncio's 100 some wait a second."""
        serve = partial(self.stream_connected, listener_name=listener_name)
        return await asyncio.start_server(serve, address, port, ssl=ssl_context, backlog=self._limits.backlog)

    async def _initialize_client_session(
        self, reader: ReaderAdapter, writer: WriterAdapter, remote_address: str, remote_port: int
    ) -> tuple[BrokerProtocolHandler, Client]:
        """Read CONNECT and judge it; a client that is refused touches nobody's session."""
        try:
            async with asyncio.timeout(self._limits.connect_timeout_ms / 1000):
                handler, client = await BrokerProtocolHandler.init_from_connect(
                    reader, writer, self.plugins_manager
                )
        except TimeoutError as exc:
            raise MQTTError(f"no CONNECT in time from {remote_address}:{remote_port}") from exc
        if not await self._authenticate(client, self.listeners_config[_LISTENER]):
            code = client.attributes[_VERDICT]
            writer.write(encode(Connack(code=code)))
            await writer.close()
            raise MQTTError(f"CONNECT refused with {code.name}")
        client.client_id = _key(client.attributes[_VERDICT])
        return handler, client

    async def _handle_client_session(
        self,
        reader: ReaderAdapter,
        writer: WriterAdapter,
        client_session: Client,
        handler: BrokerProtocolHandler,
        server: Server,
        listener_name: str,
    ) -> None:
        """Serve a client that was let in, in place of an older connection of the same [MQTT-3.1.4-2]."""
        task = asyncio.current_task()
        assert task is not None
        session: Session = client_session.attributes[_VERDICT]
        link = client_session.attributes[_LINK] = Link(
            session=session,
            handler=handler,
            writer=self._connections[task],
            key=_key(session),
            prefix=topics.topic_of(session.product_id, session.name, ""),
        )
        former = self._links.get(link.key)
        self._links[link.key] = link
        try:
            if former is not None:
                await self._end(former)
            await super()._handle_client_session(
                reader, writer, client_session, handler, server, listener_name
            )
        finally:
            await self._end(link)

    async def _handle_message_delivery(
        self,
        client_session: Client,
        handler: BrokerProtocolHandler,  # noqa: ARG002 - amqtt's shape
        wait_deliver: asyncio.Future[Any],
    ) -> bool:
        """Hand a publish to the platform and wait until it is committed; False ends the connection."""
        message = wait_deliver.result()
        if message is None:
            return True
        link: Link = client_session.attributes[_LINK]
        suffix = upward_suffix(link.prefix, message.topic or "")
        is_allowed = message.qos != _QOS_2 and not message.retain
        if suffix is None or not is_allowed or len(message.data) > self._limits.payload_bytes_max:
            await self._end(link)
            return False
        if not await self._commit(link, suffix, bytes(message.data)):
            await self._end(link)
            return False
        return True

    async def _handle_subscription(
        self, client_session: Client, handler: BrokerProtocolHandler, subscribe_waiter: asyncio.Future[Any]
    ) -> None:
        """Answer a SUBSCRIBE, then tell the platform."""
        await super()._handle_subscription(client_session, handler, subscribe_waiter)
        link: Link = client_session.attributes[_LINK]
        held = {suffix for suffix, _ in link.subscriptions}
        asked = {own_suffix(link.prefix, text) for text, _ in subscribe_waiter.result().topics}
        granted = held & asked
        if granted and self._links.get(link.key) is link:
            inform = any(topics.filter_matches(suffix, topics.INFORM) for suffix in granted)
            self._uplink.subscribed(link.session, inform)

    async def add_subscription(self, subscription: tuple[str, int], session: Client) -> int:
        """Grant a filter of the device's own topics; returns the QoS, or 0x80."""
        text, wanted = subscription
        link: Link = session.attributes[_LINK]
        try:
            topic_filter(text.encode())
        except MalformedPacket:
            return SUBSCRIBE_REFUSED
        link.subscriptions, code = grant(link.subscriptions, link.prefix, text, wanted, self._limits)
        return code

    def _del_subscription(self, a_filter: str, session: Client) -> int:
        """Take a filter back; returns how many there were."""
        link: Link = session.attributes[_LINK]
        suffix = own_suffix(link.prefix, a_filter)
        before = link.subscriptions
        if suffix is not None:
            link.subscriptions = without_filter(before, suffix)
        if granted_qos(link.subscriptions, topics.INFORM) is None:
            link.session.told_by_inform = False
        return len(before) - len(link.subscriptions)

    def _judge(self, client: Client) -> Session | ConnackCode:
        packet = Connect(
            client_id=client.client_id or "",
            username=client.username,
            password=client.password.encode() if client.password else None,
            keepalive_s=client.keep_alive,
            clean_session=bool(client.clean_session),
            will=Will("", b"") if client.will_flag else None,
        )
        refusal = refusal_of(packet, self._limits)
        if refusal is not None:
            return refusal[0]
        verdict = self._uplink.connect(client.username or "", packet.client_id, client.password or "")
        return verdict if isinstance(verdict, Session) else ConnackCode(verdict)

    async def _commit(self, link: Link, suffix: str, payload: bytes) -> bool:
        """Hand a publish to the platform; returns whether its effect was committed."""
        committed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def settle(is_committed: bool) -> None:  # noqa: FBT001 - the port's shape
            if not committed.done():
                committed.set_result(is_committed)

        self._uplink.received(link.session, suffix, payload, settle)
        return await committed

    async def _deliver(
        self, link: Link, suffix: str, payload: bytes, qos: int, delivered: Callable[[], None] | None
    ) -> None:
        """Send until it is acknowledged: amqtt forgets a message whose PUBACK takes more than 5 s."""
        while self._links.get(link.key) is link:
            try:
                await link.handler.mqtt_publish(link.prefix + suffix, payload, qos, retain=False)
            except TimeoutError:
                continue
            except _PEER_FAULTS:
                return  # the connection ends
            if qos and delivered is not None:
                delivered()
            return

    def _leave(self, link: Link) -> None:
        """Let go of a client, once; the platform hears of it."""
        for task in tuple(link.deliveries):
            task.cancel()
        if self._links.get(link.key) is link:
            del self._links[link.key]
        if not link.has_left:
            link.has_left = True
            self._uplink.disconnected(link.session)

    async def _end(self, link: Link) -> None:
        """Close a client's connection, by force when its peer takes nothing."""
        self._leave(link)
        if self._sessions.get(link.key, (None, None))[1] is link.handler:
            del self._sessions[link.key]
        # Not taken back: several of amqtt's tasks may be closing it, and only one of them waits for the peer.
        asyncio.get_running_loop().call_later(_GRACE_S, link.writer.transport.abort)
        await self._stop_handler(link.handler)


def _key(session: Session) -> str:
    """Spell what amqtt knows a device by: names repeat across products."""
    return f"{session.product_id}/{session.name}"
