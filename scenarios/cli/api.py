"""`ota-sim api METHOD PATH [JSON]`: one call of the operator API, its answer readable."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Final

import click

from platform_stub.protocol.errors import EnvironmentFault
from scenarios.cli.addresses import AddressType, url_of

TIMEOUT_S: Final = 90
METHODS: Final = ("GET", "POST", "PUT", "DELETE", "PATCH")


@click.command()
@click.option(
    "--http", type=AddressType(), default="127.0.0.1:8080", show_default=True, help="Where the stub listens."
)
@click.option("--key", help="Idempotency-Key: the same key again has its effect once (P13).")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Send this file as the body: .csv and .ndjson by their kind, others as bytes.",
)
@click.option("--compact", is_flag=True, help="Print the answer as it came, on one line.")
@click.argument("method", type=click.Choice(METHODS, case_sensitive=False), metavar="METHOD")
@click.argument("path")
@click.argument("body", required=False, metavar="[JSON]")
def api(
    *,
    http: tuple[str, int],
    key: str | None,
    file: Path | None,
    compact: bool,
    method: str,
    path: str,
    body: str | None,
) -> None:
    """Call the operator API of a running stub and print its answer.

    \b
    Examples:
      ota-sim api GET /v1/accounts
      ota-sim api POST /v1/accounts/1/tasks '{"package_id":1,"device_ids":[1,2,3]}'
      ota-sim api POST /v1/products/abc/devices '[{"name":"meter-1"},{"name":"meter-2"}]'
      ota-sim api POST /v1/products/abc/devices --file devices.csv

    Exit code 0 for an answer, 1 for a refusal, 3 when the stub can't be reached.
    """
    if body is not None and file is not None:
        raise click.UsageError("give either JSON or --file, not both")
    if not path.startswith("/") or path.startswith("//"):
        raise click.UsageError(f"PATH begins with one slash, such as /v1/accounts, not {path!r}")
    if key is not None and not key.isprintable():
        raise click.UsageError("--key: only printable characters are wanted")
    content, media = _body(body, file)
    status, text, kind = asyncio.run(_call(http, method.upper(), path, content, media, key))
    click.echo(text if compact or kind != "application/json" else _pretty(text))
    if status >= 400:  # noqa: PLR2004 - HTTP's refusals
        click.echo(f"HTTP {status}", err=True)
        sys.exit(1)


def _body(body: str | None, file: Path | None) -> tuple[bytes, str]:
    if file is not None:
        media = {".csv": "text/csv", ".ndjson": "application/x-ndjson", ".json": "application/json"}
        return file.read_bytes(), media.get(file.suffix, "application/octet-stream")
    return (body or "").encode(), "application/json" if body is None else _media_of(body)


def _media_of(body: str) -> str:
    """Tell one JSON value from one a line; a usage error when it is neither."""
    try:
        json.loads(body)
    except ValueError as exc:
        lines = [line for line in body.split("\n") if line.strip()]
        if len(lines) > 1 and all(map(_is_json, lines)):
            return "application/x-ndjson"
        raise click.UsageError(f"JSON: {exc}; one value is wanted, or one a line (NDJSON)") from exc
    return "application/json"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


async def _call(
    http: tuple[str, int], method: str, path: str, content: bytes, media: str, key: str | None
) -> tuple[int, str, str]:
    from aiohttp import ClientError, ClientSession, ClientTimeout  # noqa: PLC0415 - keeps --help fast

    headers = {"Content-Type": media} | ({} if key is None else {"Idempotency-Key": key})
    url = url_of(http)
    try:
        async with (
            ClientSession(url, timeout=ClientTimeout(total=TIMEOUT_S)) as session,
            session.request(method, path, data=content, headers=headers) as reply,
        ):
            return reply.status, (await reply.read()).decode(errors="replace"), reply.content_type
    except (ClientError, OSError, TimeoutError) as exc:
        why = str(exc) or type(exc).__name__
        raise EnvironmentFault(f"no answer from {url}: {why}. Is `ota-sim serve` running there?") from exc


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
