"""HTTP as bytes: requests spelled by hand, replies kept as they came. No HTTP library, and none of the project's code."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass

WAIT_S = 60.0
HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Reply:
    """`head` is the status line and the headers as sent; `raw_body` has its chunk frames, `body` has not."""

    head: bytes
    raw_body: bytes
    body: bytes

    @property
    def status(self):
        return int(self.head.split(b" ", 2)[1])

    @property
    def lines(self):
        return self.head.removesuffix(HEAD_END).split(b"\r\n")[1:]

    @property
    def headers(self):
        return [tuple(part.decode() for part in line.split(b":", 1)) for line in self.lines]

    @property
    def names(self):
        return [name for name, _ in self.headers]

    def __getitem__(self, name):
        """The value of a header in exactly this spelling, without the space after its colon."""
        values = [value[1:] for key, value in self.headers if key == name]
        assert len(values) == 1, (name, self.head)
        return values[0]

    @property
    def json(self):
        return json.loads(self.body)


class Connection:
    """One TCP connection to the stub."""

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer

    def send(self, data):
        self._writer.write(data)

    def end_of_sending(self):
        self._writer.write_eof()

    async def reply(self):
        """The next reply, framed by Content-Length, by chunks, or by the connection's end."""
        async with asyncio.timeout(WAIT_S):
            head = await self._reader.readuntil(HEAD_END)
            named = {
                line.split(b":", 1)[0].lower(): line.split(b":", 1)[1].strip()
                for line in head.split(b"\r\n")[1:-2]
            }
            if b"content-length" in named:
                body = await self._reader.readexactly(int(named[b"content-length"]))
                return Reply(head, body, body)
            if named.get(b"transfer-encoding") == b"chunked":
                raw, body = await self._chunks()
                return Reply(head, raw, body)
            body = await self._reader.read()
            return Reply(head, body, body)

    async def _chunks(self):
        raw = body = b""
        while True:
            line = await self._reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            chunk = await self._reader.readexactly(size + 2)
            raw, body = raw + line + chunk, body + chunk[:-2]
            if size == 0:
                return raw, body

    async def ended(self):
        """Wait for the peer to close; True when it does so without another byte."""
        async with asyncio.timeout(WAIT_S):
            try:
                return await self._reader.read(1) == b""
            except ConnectionError:
                return True


@asynccontextmanager
async def connection(address):
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()


async def exchange(address, request):
    """One request on a connection of its own."""
    async with connection(address) as conn:
        conn.send(request)
        return await conn.reply()


def request(method, target, *, auth=None, body=None, headers=(), host="ota.heclouds.com"):
    """Spell a request as a plain client does; `headers` are lines."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    if auth is not None:
        lines.append(f"Authorization: {auth}")
    if isinstance(body, dict | list):
        body = json.dumps(body, separators=(",", ":"))
        lines.append("Content-Type: application/json")
    if body is not None:
        body = body.encode() if isinstance(body, str) else body
        lines.append(f"Content-Length: {len(body)}")
    lines += headers
    return "\r\n".join(lines).encode() + HEAD_END + (body or b"")
