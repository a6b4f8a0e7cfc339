"""`ota-sim serve`: the stub by itself, until it is told to stop."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import click
import msgspec
from click.core import ParameterSource

from platform_stub.access_log import AsideFile, LineLog
from platform_stub.database_url import DatabaseUrl
from platform_stub.protocol import operator as api
from platform_stub.protocol.delivery import Delivery
from platform_stub.protocol.errors import UsageFault
from platform_stub.protocol.token import TEN_YEARS_S, device_resource, make_token
from platform_stub.protocol.topics import VERSION, topic_of
from platform_stub.server import ANY_ADDRESS, Stub, relax_collector
from scenarios.brokers import facts_of, is_external
from scenarios.cli.addresses import AddressType, outward_host, spell
from scenarios.cli.broker import BROKER_HELP, BrokerType
from scenarios.cli.database import DatabaseType, check_place
from scenarios.cli.inject import FaultType, spell_fault
from scenarios.operator import HttpOperator, Refusal
from scenarios.show.wording import platform_text

T = TypeVar("T")

INTERRUPTED: Final = 130
DEMO_TOKEN_S: Final = TEN_YEARS_S - 86_400
DAY_MS: Final = 86_400_000


@click.command()
@click.option(
    "--http", type=AddressType(), default="127.0.0.1:8080", show_default=True, help="Where HTTP listens."
)
@click.option(
    "--mqtt", type=AddressType(), default="127.0.0.1:1883", show_default=True, help="Where MQTT listens."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder to keep database and packages in. Without it everything is gone at the end.",
)
@click.option(
    "--broker",
    type=BrokerType(),
    default="embedded",
    show_default=True,
    help=BROKER_HELP,
)
@click.option(
    "--database",
    metavar="URL",
    type=DatabaseType(),
    help="Keep it in PostgreSQL instead, such as postgresql://user@host/db; the password is best in PGPASSWORD or "
    "~/.pgpass. Tables go to the schema of the search path, which ?options=-csearch_path%3DNAME names.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Take the documentation's narrower reading: who signs with which key, steps in their order, QoS 0, rates.",
)
@click.option(
    "--inject",
    "faults",
    type=FaultType(),
    multiple=True,
    help="Let the stub go wrong, such as 'call=download,share=2%,cut=1000' or 'generation=mqtt,call=status,delay=3s'. "
    "Parts: call, generation, product, devices, share, seed, times; delay, status, code, cut, wrong-md5, silent. "
    "Can be given several times; the first that strikes a call decides it.",
)
@click.option(
    "--log",
    "log_to",
    metavar="[FILE]",
    is_flag=False,
    flag_value="-",
    help="Write a line for each call of a device and each event on its MQTT connection, with why it was refused: to "
    "FILE, behind what is there, or without one to standard error.",
)
@click.option(
    "--demo", is_flag=True, help="Make an account with licences and three devices, and show how to use them."
)
def serve(
    *,
    http: tuple[str, int],
    mqtt: tuple[str, int],
    data: Path | None,
    database: DatabaseUrl | None,
    broker: str,
    strict: bool,
    faults: tuple[api.InjectFault, ...],
    log_to: str | None,
    demo: bool,
) -> None:
    """Run the platform stub until Ctrl-C.

    It says where it listens once both ends answer. Port 0 takes any free port.
    """
    check_place(data, database)
    if is_external(broker) and _was_given("mqtt"):
        raise UsageFault("give --mqtt or a broker's address, not both: devices log in at that broker")
    with _open_log(log_to) as log:
        stub = Stub(
            http=http,
            mqtt=mqtt,
            data=data,
            database=database,
            broker=broker,
            strict=strict,
            log=log,
            say=partial(_say, log),
        )
        relax_collector()
        exit_code = asyncio.run(
            _serve(stub, faults=faults, strict=strict, demo=demo, kept=data or database, log=log)
        )
    sys.exit(exit_code)


def _was_given(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def _say(log: LineLog | None, what: str) -> None:
    """Say aloud what the operator has to know at once, and write it down."""
    click.echo(what, err=True)
    if log is not None:
        log.write("mqtt", "broker", what)


# A pipe that nobody reads is refused, not waited for.
_TO_ITS_END: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK


@contextlib.contextmanager
def _open_log(path: str | None) -> Iterator[LineLog | None]:
    """Open what `--log` names; "-" is standard error."""
    if path is None:
        yield None
        return
    try:
        descriptor = sys.stderr.fileno() if path == "-" else os.open(path, _TO_ITS_END, 0o644)
    except (OSError, ValueError) as exc:
        raise UsageFault(f"--log {path}: {getattr(exc, 'strerror', None) or exc}") from exc
    if path != "-":
        os.set_blocking(descriptor, True)
    out = AsideFile(descriptor)
    try:
        yield LineLog(out)
    finally:
        if out.close() and path != "-":
            os.close(descriptor)


async def _serve(
    stub: Stub,
    *,
    faults: Sequence[api.InjectFault],
    strict: bool,
    demo: bool,
    kept: Path | DatabaseUrl | None,
    log: LineLog | None,
) -> int:
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[int] = loop.create_future()
    for number, exit_code in ((signal.SIGINT, INTERRUPTED), (signal.SIGTERM, 0)):
        loop.add_signal_handler(number, _stop, stop, exit_code)
    async with stub:
        for fault in faults:
            stub.platform.injection.add(fault)
        click.echo(f"ota-sim platform stub ({platform_text(stub.broker_name, '')})")
        click.echo(f"  HTTP  {stub.http_url}  (operator API: {stub.http_url}/openapi.json)")
        _show_reach(stub.http_address, "http://", "; the operator on this machine only")
        click.echo(f"  MQTT  {spell(_local(stub.mqtt_address))}")
        _show_reach(stub.mqtt_address)
        click.echo(
            f"  data  {kept if kept is not None else 'temporary; name a folder with --data to keep it'}"
        )
        _show_mode(stub, strict=strict, faults=faults)
        if log is not None:
            click.echo("  log    a line for each call of a device and each MQTT event")
        if demo:
            await _show_demo(stub)
        click.echo("ready; Ctrl-C stops it")
        exit_code = await stop
        click.echo()
        for line in _sum_up(stub):
            click.echo(line)
            if log is not None:
                log.write("stub", "-", line)
    click.echo("stopped" if kept is None else f"stopped; everything is in {kept}")
    return exit_code


def _local(address: tuple[str, int]) -> tuple[str, int]:
    """Say where a client on this machine connects to."""
    host, port = address
    return ANY_ADDRESS.get(host, host), port


def _show_reach(address: tuple[str, int], scheme: str = "", more: str = "") -> None:
    """Say where devices on other machines connect to, when it is listened to everywhere."""
    host, port = address
    if host not in ANY_ADDRESS:
        return
    outward = outward_host(host)
    named = "" if outward is None else f"{scheme}{spell((outward, port))}, or port {port} at "
    click.echo(f"        devices reach it at {named or f'port {port} of '}any address of this machine{more}")


def _sum_up(stub: Stub) -> list[str]:
    """Say what there was, and what is held in memory."""
    counts = stub.platform.counts()
    failed = f", {counts.failed_commits} failed" if counts.failed_commits else ""
    informs = f"{counts.informs_sent} informs sent, {counts.informs_delivered} acknowledged"
    happened = f"{counts.expired} jobs expired, {counts.faults_struck} injected faults struck"
    held = f"packages in memory {counts.package_bytes_held:,} of at most {counts.package_bytes_max:,} bytes"
    lines = [
        f"stopping: {counts.connected} devices connected, {counts.commits} commits{failed}",
        f"  {informs}; {happened}; {held}",
    ]
    if (delivery := stub.delivery) is not None:
        lines.append(f"  {_delivered(delivery)}")
    return lines


def _delivered(delivery: Delivery) -> str:
    """Sum up what went through a broker that is not ours."""
    up, down = sum(delivery.received.values()), sum(delivery.published.values())
    facts = {
        "sent again by it": delivery.repeated,
        "not taken by it yet": delivery.waiting,
        "of unknown devices": delivery.foreign,
        "too large or retained": delivery.refused,
        "dropped for want of room": delivery.overflowed,
        "times its connection was lost": delivery.losses,
    }
    more = "".join(f", {count:,} {what}" for what, count in facts.items() if count)
    return f"through the broker: {up:,} messages up, {down:,} down{more}"


def _show_mode(stub: Stub, *, strict: bool, faults: Sequence[api.InjectFault]) -> None:
    """Say what makes this stub unlike the one that runs without options."""
    if strict:
        who = "this" if is_external(stub.broker_name) else f"the {stub.broker_name}"
        rates = "" if stub.broker_name == "embedded" else f"; {who} broker does not hold the rates"
        click.echo(f"  strict the documentation's narrower reading is held{rates}")
    for fault in faults:
        click.echo(f"  fault  {spell_fault(fault)}")
    for part in facts_of(stub.broker_name).cannot_check:
        click.echo(f"  note   {part}")


def _stop(stop: asyncio.Future[int], exit_code: int) -> None:
    if not stop.done():
        stop.set_result(exit_code)


async def _show_demo(stub: Stub) -> None:
    account, product, devices, package = await make_demo(stub)
    click.echo()
    click.echo(
        f"demo account {account.account_id}: {account.licences.left} licences left, charged from now on"
    )
    click.echo(f"demo product {product.product_id}, key {product.access_key}")
    for device in devices:
        click.echo(f"  device {device.device_id}  name {device.name}  key {device.key}")
    device = devices[0]
    et_s = int(time.time()) + DEMO_TOKEN_S
    token = make_token(device.key, device_resource(device.product_id, device.name), et_s)
    host, port = _local(stub.mqtt_address)
    http, mqtt = spell(_local(stub.http_address)), spell((host, port))
    topic = topic_of(device.product_id, device.name, VERSION)
    click.echo()
    click.echo("show the account:")
    click.echo(f"  curl -s {stub.http_url}/v1/accounts/{account.account_id}")
    click.echo(f"report a version as {device.name}:")
    click.echo(
        f"  mosquitto_pub -V 311 -h {host} -p {port} -i {device.name} -u {device.product_id} -P '{token}' "
        f'-k 60 -q 1 -t \'{topic}\' -m \'{{"id":"1","version":"1.0","params":{{"f_version":"1.1"}}}}\''
    )
    click.echo(f"ask for a job as {device.name}, as a device of the current platform does:")
    check = f"{stub.http_url}/fuse-ota/{device.product_id}/{device.name}/check?type=1&version=1.0"
    click.echo(f"  curl -s -H 'Authorization: {token}' '{check}'")
    click.echo("let all three be devices, in another terminal:")
    click.echo(f"  ota-sim devices export --http {http} --account {account.account_id} -o demo.csv")
    click.echo(f"  ota-sim fleet --devices demo.csv --http {http} --mqtt {mqtt}")
    click.echo("and update them:")
    order = {
        "package_id": package.package_id,
        "device_ids": [device.device_id for device in devices],
        "expires_after_ms": DAY_MS,
    }
    text = msgspec.json.encode(order).decode()
    click.echo(f"  ota-sim api --http {http} POST /v1/accounts/{account.account_id}/tasks '{text}'")
    click.echo()


async def make_demo(stub: Stub) -> tuple[api.Account, api.Product, list[api.Device], api.Package]:
    """Make the demo over the operator API, as a user would; in a kept folder it is one account more."""
    async with HttpOperator(stub.http_url) as operator:
        policy = api.Policy(charging_date_ms=int(time.time() * 1000))
        account_id = (await operator.open_account("demo", policy, None)).account_id
        _done(await operator.subscribe(account_id))
        _done(await operator.top_up(account_id, 1_000))
        account = _done(await operator.buy(account_id, 10))
        product = _done(await operator.create_product(account_id, "demo", None))
        names = [api.RegisterDevice(name=f"demo-{at}", f_version="1.0", s_version="1.0") for at in (1, 2, 3)]
        devices = _done(await operator.register(product.product_id, names))
        content = bytes(range(256)) * 64
        package = _done(await operator.add_package(product.product_id, "FOTA", "demo-2.0", "2.0", content))
        return account, product, devices, _done(await operator.skip_verification(package.package_id))


def _done(answer: T | Refusal) -> T:
    if isinstance(answer, Refusal):
        raise UsageFault(f"--demo: {answer.message}")
    return answer
