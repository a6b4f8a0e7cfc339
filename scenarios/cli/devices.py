"""`ota-sim devices`: a fleet as a CSV, out of a running stub."""

import asyncio
import csv
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from device_sim import FLOWS, Flow
from platform_stub.protocol.errors import EnvironmentFault, OtaSimError, UsageFault
from platform_stub.protocol.operator import ErrorBody, ProductList
from scenarios.cli.addresses import AddressType, url_of

if TYPE_CHECKING:
    from aiohttp import ClientSession

TIMEOUT_S: Final = 120
_OK: Final = 200


@click.group(short_help="Devices of an account as a CSV.")
def devices() -> None:
    """Devices of an account as a CSV, for `ota-sim fleet` and for registering them elsewhere."""


@devices.command(short_help="Write all living devices of an account.")
@click.option(
    "--http", type=AddressType(), default="127.0.0.1:8080", show_default=True, help="Where the stub listens."
)
@click.option("--account", required=True, type=click.IntRange(min=1), help="The account's id.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="The file to write; without it the CSV goes to stdout.",
)
@click.option(
    "--flow",
    type=click.Choice(FLOWS),
    help="Add the columns flow, with this one, and product_key, which signs for devices of flow south.",
)
def export(*, http: tuple[str, int], account: int, output: Path | None, flow: Flow | None) -> None:
    """Write all living devices of an account, with their keys."""
    content = asyncio.run(_fetch(http, account, flow))
    count = max(content.count(b"\n") - 1, 0)
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(content)
    except OSError as exc:
        raise UsageFault(f"{output}: {exc.strerror or exc}") from exc
    click.echo(f"{count:,} devices written to {output}; it holds their keys", err=True)


async def _fetch(http: tuple[str, int], account: int, flow: Flow | None) -> bytes:
    from aiohttp import ClientError, ClientSession, ClientTimeout  # noqa: PLC0415 - keeps --help fast

    base = url_of(http)
    path = f"/v1/accounts/{account}"
    try:
        async with ClientSession(base, timeout=ClientTimeout(total=TIMEOUT_S)) as session:
            sheet = await _read(session, base, f"{path}/devices?format=csv", "text/csv")
            if flow is None:
                return sheet
            listed = await _read(session, base, f"{path}/products", "application/json")
            return _with_flow(sheet.decode(), msgspec.json.decode(listed, type=ProductList), flow)
    except (ClientError, OSError, TimeoutError) as exc:
        why = str(exc) or type(exc).__name__
        raise EnvironmentFault(f"no answer from {base}: {why}. Is `ota-sim serve` running there?") from exc


async def _read(session: "ClientSession", base: str, path: str, media: str) -> bytes:
    async with session.get(path) as reply:
        content = await reply.read()
        if reply.status != _OK:
            raise _refusal(base, reply.status, content)
        if reply.content_type != media:
            raise EnvironmentFault(f"{base}{path} answers {reply.content_type}, not {media}; is it a stub?")
        return content


def _with_flow(sheet: str, listed: ProductList, flow: Flow) -> bytes:
    """Add to each device what it speaks, and its product's key."""
    keys = {product.product_id: product.access_key for product in listed.products}
    rows = csv.DictReader(io.StringIO(sheet, newline=""))
    written = io.StringIO()
    columns = [*(rows.fieldnames or ()), "flow", "product_key"]
    writer = csv.DictWriter(written, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {"flow": flow, "product_key": keys[row["product_id"]]} for row in rows)
    return written.getvalue().encode()


def _refusal(base: str, status: int, content: bytes) -> OtaSimError:
    try:
        error = msgspec.json.decode(content, type=ErrorBody)
    except msgspec.DecodeError:
        return EnvironmentFault(f"{base} answers HTTP {status}, and not as a stub does")
    return UsageFault(f"{error.message} ({error.code})")
