"""Any MQTT broker beside this process, with the platform as one of its clients (`--broker mqtt://host:port`).

Against the embedded broker it gives less. Who is let in is the broker's business: tokens are checked there or nowhere
(`/v1/mqtt/auth` answers brokers that ask). A device is known to be there once it sends something, and not known to have
left. The platform can't end a connection. PUBACK to a device is the broker's, before the commit; what the platform got
is acknowledged to the broker after it, so that the broker sends it again when the platform died in between.

What comes and goes is counted by device: a broker that drops says so to nobody. The wire is in `external_link`.
"""

import hashlib
import secrets
import uuid
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from platform_stub.broker.limits import Limits
from platform_stub.broker.settled import Arrival, Arrivals
from platform_stub.protocol import topics
from platform_stub.protocol.broker_url import BrokerUrl
from platform_stub.protocol.delivery import Delivery
from platform_stub.protocol.errors import EnvironmentFault, UsageFault
from platform_stub.service.ports import ConnectRefusal, OpenUplink, Session

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

    from platform_stub.broker.external_link import ExternalLink, Owner

FILTERS: Final = tuple(sorted(topics.topic_of("+", "+", suffix) for suffix in topics.UPWARD))
_DEFAULT_LIMITS: Final = Limits()
_EMPTY_INFORM: Final = b'{"id":"e0","version":"1.0","params":{}}'
_PAGE: Final = 1_000
_STRANGERS_MAX: Final = 10_000
_NOBODY: Final = "ota-sim"
"""A product ID that none can have: what platforms send to themselves, to hear whether the broker delivers."""


class ExternalBroker:
    """Serves one platform through a broker; it is the platform's `Downlink`.

    `kept` is the folder, or the database, of a platform that comes back: the broker keeps for it what devices send
    meanwhile. `say` is told in words when the connection to the broker is lost, and when it is back.
    """

    def __init__(
        self,
        uplink: OpenUplink,
        url: BrokerUrl,
        limits: Limits = _DEFAULT_LIMITS,
        *,
        kept: Path | str | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._uplink = uplink
        self._url = url
        self._limits = limits
        self._say = say
        self._is_kept = kept is not None
        self._client_id = _client_id(kept)
        self._sessions: dict[tuple[str, str], Session] = {}
        self._answers: dict[Session, deque[Callable[[], None]]] = {}  # what to call when it answers an inform
        self._link: ExternalLink | None = None
        self._arrivals = Arrivals(self._acknowledge)
        self._received: Counter[int] = Counter()
        self._published: Counter[int] = Counter()
        self._closed: set[int] = set()
        self._strangers: set[tuple[str, str]] = set()
        self._repeated = self._foreign = self._refused = self._losses = 0

    @property
    def address(self) -> tuple[str, int]:
        """Where devices log in: at the broker."""
        return self._url.address

    @property
    def delivery(self) -> Delivery:
        """Count what went through."""
        link = self._link
        return Delivery(
            received=dict(self._received),
            published=dict(self._published),
            closed=frozenset(self._closed),
            strangers=frozenset(self._strangers),
            acknowledged=0 if link is None else link.acknowledged,
            waiting=0 if link is None else link.waiting,
            repeated=self._repeated,
            foreign=self._foreign,
            refused=self._refused,
            overflowed=0 if link is None else link.overflowed,
            losses=self._losses,
        )

    async def start(self) -> None:
        """Connect and subscribe. UsageFault without paho, EnvironmentFault when the broker can't be had.

        Devices that are connected already and that a kept platform knows are asked to report.
        """
        try:
            from platform_stub.broker.external_link import ExternalLink  # noqa: PLC0415 - paho is an extra
        except ModuleNotFoundError as exc:
            raise UsageFault(
                f"a broker at an address needs a package that is not installed ({exc.name}): "
                "pip install 'ota-sim[external]'"
            ) from exc
        owner: Owner = self
        link = ExternalLink(self._url, self._client_id, FILTERS, owner)
        self._link = link
        try:
            await link.open(topics.topic_of(_NOBODY, self._client_id, topics.STATUS))
        except EnvironmentFault:
            self._link = None
            raise
        if self._is_kept:
            self._ask_who_is_there()

    async def stop(self) -> None:
        """Leave. A platform that does not come back leaves nothing at the broker."""
        link, self._link = self._link, None
        if link is None:
            return
        await link.close()
        if not self._is_kept:
            await self._leave_nothing()

    def publish(
        self,
        session: Session,
        suffix: str,
        payload: bytes,
        qos: int,
        delivered: Callable[[], None] | None = None,
    ) -> None:
        """Send to a device that was seen; whether it has subscribed, or is there still, only the broker knows.

        `delivered` is called when the device answers an inform: its PUBACK goes to the broker.
        """
        link = self._link
        if link is None or not self._is_open(session):
            return
        self._published[session.device_id] += 1
        if delivered is not None and qos:
            waiting = self._answers.setdefault(session, deque(maxlen=self._limits.queue_messages_max))
            waiting.append(delivered)
        link.publish(topics.topic_of(session.product_id, session.name, suffix), payload, min(qos, 1))

    def takes(self, session: Session, suffix: str) -> bool:  # noqa: ARG002 - the port's shape
        """Whether the device was seen; its subscriptions are the broker's."""
        return self._link is not None and self._is_open(session)

    def close(self, session: Session) -> None:
        """Forget a session. The device's connection goes on: who is there, and known still, is asked to report."""
        if self._is_open(session):
            del self._sessions[session.product_id, session.name]
            self._answers.pop(session, None)
            self._closed.add(session.device_id)
            self._uplink.disconnected(session)
            if isinstance(self._enter(session.product_id, session.name), Session):
                self._ask(session.product_id, session.name)

    # what the link tells

    def arrived(self, message: "MQTTMessage") -> None:
        """Hand a message to the platform; it is acknowledged when its effect is committed."""
        arrival = self._arrivals.take(message.mid) if message.qos else None
        topic = message.topic  # paho decodes it anew each time
        session = self._sender(topic, message)
        if session is None:
            self._settle(arrival)
        elif isinstance(session, ConnectRefusal):  # nobody can tell who it is: it comes again
            self._drop()
        else:
            self._receive(session, topic, message, arrival)

    def dialling(self) -> None:
        """The broker will send again what it had not been acknowledged."""
        self._arrivals.forget()

    def lost(self, reason: str) -> None:
        """The broker is away."""
        self._losses += 1
        self._say(f"the broker at {self._url} is gone ({reason}); coming back as soon as it answers")

    def back(self) -> None:
        """The broker is there again."""
        self._say(f"the broker at {self._url} is there again")

    def _sender(self, topic: str, message: "MQTTMessage") -> Session | ConnectRefusal | None:
        """Find or open the session of who sent a message; None: it is not for this platform."""
        address = topics.parse_topic(topic)
        if address is None or message.retain or len(message.payload) > self._limits.payload_bytes_max:
            self._refused += 1
            return None
        session = self._sessions.get(address[:2])
        if session is not None:
            return session
        if address.product_id == _NOBODY:
            return None
        entered = self._enter(address.product_id, address.device_name)
        if entered is None:
            self._foreign += 1
            if len(self._strangers) < _STRANGERS_MAX:
                self._strangers.add(address[:2])
        return entered

    def _enter(self, product_id: str, name: str) -> Session | ConnectRefusal | None:
        """Open a session; None: there is no such device."""
        session = self._uplink.enter(product_id, name)
        if isinstance(session, Session):
            session.told_by_inform = True
            self._sessions[product_id, name] = session
        return session

    def _receive(self, session: Session, topic: str, message: "MQTTMessage", arrival: Arrival | None) -> None:
        self._received[session.device_id] += 1
        self._repeated += message.dup
        suffix = topic[len(topics.topic_of(session.product_id, session.name, "")) :]
        if suffix == topics.INFORM_REPLY and (waiting := self._answers.get(session)):
            waiting.popleft()()

        def settle(is_committed: bool) -> None:  # noqa: FBT001 - the port's shape
            if is_committed:
                self._settle(arrival)
            elif arrival is not None and not arrival.is_settled:
                self._drop()

        self._uplink.received(session, suffix, bytes(message.payload), settle)

    def _settle(self, arrival: Arrival | None) -> None:
        if arrival is not None:
            self._arrivals.settle(arrival)

    def _acknowledge(self, packet_id: int) -> None:
        if self._link is not None:
            self._link.acknowledge(packet_id)

    def _drop(self) -> None:
        """Cut the connection to the broker, so that it sends again what is not committed."""
        if self._link is not None:
            self._link.drop()

    def _is_open(self, session: Session) -> bool:
        return self._sessions.get((session.product_id, session.name)) is session

    def _ask_who_is_there(self) -> None:
        """Send an empty inform to all devices: who is connected reports its version, and is known to be there."""
        after = 0
        while page := self._uplink.known(after, _PAGE):
            for device_id, product_id, name in page:
                self._ask(product_id, name)
                after = device_id

    def _ask(self, product_id: str, name: str) -> None:
        if self._link is not None:
            self._link.publish(topics.topic_of(product_id, name, topics.INFORM), _EMPTY_INFORM, 0)

    async def _leave_nothing(self) -> None:
        """Have the broker forget the client: a clean session ends the one it kept [MQTT-3.1.2-6]."""
        from platform_stub.broker.external_link import ExternalLink  # noqa: PLC0415 - paho is an extra

        last = ExternalLink(self._url, self._client_id, (), self, is_clean=True)
        try:
            await last.open()
        except EnvironmentFault:
            return  # it is gone, and nobody can tidy up there
        await last.close()


def _client_id(kept: Path | str | None) -> str:
    """Name the platform at the broker: the same folder, or database, on the same machine is the same client."""
    if kept is None:
        return f"ota-sim-{secrets.token_hex(6)}"
    where = f"{uuid.getnode()}:{kept.resolve() if isinstance(kept, Path) else kept}"
    return f"ota-sim-{hashlib.sha256(where.encode()).hexdigest()[:12]}"
