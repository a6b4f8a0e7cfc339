"""The stub as one thing: store, platform, broker and HTTP, started and stopped together.

async with Stub() as stub:
    print(stub.http_url, stub.mqtt_address)
"""

import contextlib
import gc
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from aiohttp import web

from platform_stub.api.app import make_app
from platform_stub.api.device_http import DeviceHttp
from platform_stub.api.http_limits import LIMITS, HttpLimits
from platform_stub.api.http_server import HttpRunner, HttpServer
from platform_stub.broker.embedded import EmbeddedBroker
from platform_stub.broker.external import ExternalBroker
from platform_stub.broker.limits import STRICT, Limits
from platform_stub.broker.port import Broker, bind_fault
from platform_stub.database_url import DatabaseUrl
from platform_stub.protocol.broker_url import is_broker_url, parse_broker_url
from platform_stub.protocol.delivery import Delivery
from platform_stub.protocol.errors import EnvironmentFault, UsageFault
from platform_stub.service.platform import Platform
from platform_stub.service.ports import AccessLog, OpenUplink
from platform_stub.store.engine import DATABASE_NAME, Store, open_store

BROKERS: Final = ("embedded", "amqtt")
BACKLOG: Final = 4096
PORT_MAX: Final = 65_535
SHUTDOWN_S: Final = 1.0
ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where devices are, on purpose
"""Listening everywhere, and where a client on this machine connects to then."""

Address = tuple[str, int]
BrokerName = Literal["embedded", "amqtt"]


class Stub:
    """The platform stub. `data` is its folder, kept between starts; without it a temporary one is used.

    `database` is, instead of a folder, the URL of a PostgreSQL database; with `drops_schema` the schema it names is
    dropped at the end.
    `http` and `mqtt` are (host, port), port 0 for any free one. Devices may come from anywhere; the operator's API
    answers this machine only, whatever HTTP listens on. `strict` takes the documentation's narrower reading.
    `broker` is one of `BROKERS`, or where another runs: `mqtt://[user:password@]host[:port]`. `mqtt` is not used then,
    and `say` is told in words when the connection to it is lost, and when it is back.
    `limits` is how long HTTP waits for a peer. `log` is told what devices do: `access_log.LineLog` writes it down.
    EnvironmentFault: a port is taken, or the folder is in use, foreign or damaged.
    """

    def __init__(  # noqa: PLR0913 - one argument a choice
        self,
        *,
        http: Address = ("127.0.0.1", 0),
        mqtt: Address = ("127.0.0.1", 0),
        data: Path | None = None,
        database: str | DatabaseUrl | None = None,
        drops_schema: bool = False,
        broker: BrokerName | str = "embedded",
        strict: bool = False,
        limits: HttpLimits = LIMITS,
        real_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        log: AccessLog | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._broker_url = parse_broker_url(broker) if is_broker_url(broker) else None
        if broker not in BROKERS and self._broker_url is None:
            raise UsageFault(
                f"no broker is named {broker!r}; there are {', '.join(BROKERS)}, and mqtt://host:port for any other"
            )
        for what, (host, port) in (("HTTP", http), ("MQTT", mqtt)):
            if not host or not 0 <= port <= PORT_MAX:
                raise UsageFault(
                    f"{what} on {host}:{port}: a host and a port from 0 to {PORT_MAX} are wanted"
                )
        if data is not None and database is not None:
            raise UsageFault("give a data folder or a database, not both: all is in the one or in the other")
        self._place = DatabaseUrl.parse(database) if isinstance(database, str) else database
        self._drops_schema = drops_schema
        self._http, self._mqtt, self._data = http, mqtt, data
        self.broker_name = broker if self._broker_url is None else str(self._broker_url)
        self._say = say
        self._real_ms, self._strict, self._limits, self._log = real_ms, strict, limits, log
        self._stack = contextlib.AsyncExitStack()
        self.platform: Platform
        self.broker: Broker
        self.http_address: Address
        self.http: HttpServer
        self.mqtt_address: Address
        self.database: Path | DatabaseUrl

    @property
    def http_url(self) -> str:
        """The base of every HTTP path for a client on this machine, without a slash at its end."""
        host, port = self.http_address
        host = ANY_ADDRESS.get(host, host)
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def delivery(self) -> Delivery | None:
        """What went through a broker that is not ours; None: it is ours, and drops nothing in silence."""
        return self.broker.delivery if isinstance(self.broker, ExternalBroker) else None

    async def __aenter__(self) -> Self:
        """Start listening; when this returns, both ends answer."""
        raise_descriptor_limit()
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, end all connections, commit what is queued, and close the store."""
        await self._stack.aclose()

    async def _start(self) -> None:
        store = self._open_store()
        self.platform = Platform(store, self._real_ms, strict=self._strict, log=self._log)
        self._stack.push_async_callback(self.platform.close)
        limits = STRICT if self._strict else Limits()
        self.broker = self._make_broker(self.platform.uplink, limits)
        self.platform.attach(self.broker)
        await self.broker.start()
        self._stack.push_async_callback(self.broker.stop)
        self.mqtt_address = self.broker.address
        await self._start_http()
        self.platform.webhooks.start()

    def _make_broker(self, uplink: OpenUplink, limits: Limits) -> Broker:
        host, port = self._mqtt
        if self._broker_url is not None:
            stays = self._place is not None and not self._drops_schema
            kept = str(self._place) if stays else self._data
            return ExternalBroker(uplink, self._broker_url, limits, kept=kept, say=self._say)
        if self.broker_name == "embedded":
            return EmbeddedBroker(uplink, host, port, limits, log=self._log)
        from platform_stub.broker.amqtt_broker import AmqttBroker  # noqa: PLC0415 - amqtt is an extra

        return AmqttBroker(uplink, host, port, limits)

    def _open_store(self) -> Store:
        if self._place is not None:
            store = open_store(self._place, drops=self._drops_schema)
            self._stack.callback(store.close)
            self.database = self._place
            return store
        folder = self._data
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="ota-sim-"))
            self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        store = open_store(folder)
        self._stack.callback(store.close)
        self.database = folder / DATABASE_NAME
        return store

    async def _start_http(self) -> None:
        runner = HttpRunner(
            make_app(self.platform),
            DeviceHttp(self.platform),
            self._limits,
            shutdown_timeout=SHUTDOWN_S,
        )
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        host, port = self._http
        try:
            await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
        except OSError as exc:
            raise bind_fault(host, port, exc, "HTTP") from exc
        if not runner.addresses:
            raise EnvironmentFault("HTTP has no socket: too few file descriptors (ulimit -n)")
        assert isinstance(runner.server, HttpServer)
        self.http = runner.server
        bound_host, bound_port = runner.addresses[0][:2]
        self.http_address = (bound_host, bound_port)


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open descriptors to the hard one; answers what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def relax_collector() -> None:
    """Let the garbage collector look less often: a process that is only a stub or a run makes few cycles.

    It saves about a tenth of the CPU. The command line calls it; a library leaves its process as it is.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
