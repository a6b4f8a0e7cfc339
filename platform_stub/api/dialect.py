"""How a generation says things: its envelope, its numbers, its failed download. What is said comes from the service.

Numbers and texts are the tables of `protocol.calls`. Source: onenet-protocol, sections 1, 4 and 6.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Final

import msgspec

from platform_stub.api.reply import BINARY_LINE, SUCCESS, Envelope, Reply, json_reply
from platform_stub.protocol.calls import DOWNLOAD_BODY, OTA_ERRNO, CallRefusal, Generation, Said
from platform_stub.protocol.codes import OtaErrno
from platform_stub.protocol.ranges import content_range, parse_range
from platform_stub.service.device_calls import PackageFile, Refused

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._\-]", re.ASCII)
_FILE_NAME_MAX: Final = 64
_NOTHING: Final = b"Content-Length: 0\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A generation's way to say yes and no. A failed download has a one-byte body, an `Ota-Errno`, or both."""

    generation: Generation
    table: Mapping[CallRefusal, Said]
    envelope: Envelope
    wants_both_versions: bool = False
    fails_in_one_byte: bool = False
    names_errno: bool = False

    def accept(self, now_ms: int | None, data: msgspec.Struct | None = None) -> Reply:
        """Say yes."""
        spelled = None if data is None else msgspec.json.encode(data)
        return json_reply(self.envelope(0, SUCCESS, spelled), now_ms=now_ms)

    def refuse(self, refused: Refused, now_ms: int | None) -> Reply:
        """Say no: HTTP 200, as on business errors, but for a store that could not commit (503)."""
        code, text = self.table[refused.why]
        reply = json_reply(
            self.envelope(code, refused.text or text, None), status=status_of(refused), now_ms=now_ms
        )
        reply.note = refused.note
        return reply

    def text_of(self, code: int, now_ms: int) -> str | None:
        """Find the text that goes with a number: the table's first; None when the generation has no such number."""
        if code == 0:
            return SUCCESS
        for said in self.table.values():
            if said.code == code:
                return said.text.format(expire=now_ms // 1000, now=now_ms // 1000)
        return None

    def give(self, file: PackageFile, asked_range: str | None, now_ms: int) -> Reply:
        """Answer a download with the bytes that were asked for."""
        size = len(file.content)
        part = parse_range(asked_range, size)
        lines = b'%bContent-Length: %d\r\nContent-Disposition: attachment; filename="%b"\r\n' % (
            BINARY_LINE,
            part.stop - part.start,
            _file_name(file.file_name),
        )
        if self.names_errno:
            lines += b"Ota-Errno: 0\r\n"
        body = file.content
        if part.is_whole:
            return Reply(lines=lines, body=body, now_ms=now_ms)
        lines += f"Content-Range: {content_range(part.start, part.stop, size)}\r\n".encode()
        return Reply(status=206, lines=lines, body=body[part.start : part.stop], now_ms=now_ms)

    def refuse_download(self, refused: Refused, now_ms: int | None) -> Reply:
        """Answer a download that is refused."""
        errno = OTA_ERRNO.get(refused.why, OtaErrno.FILE)
        body = DOWNLOAD_BODY.get(refused.why, b"5")
        reply = self.fail_download(int(errno), body, status_of(refused), now_ms)
        reply.note = refused.note or refused.why.name.lower().replace("_", " ")
        return reply

    def fail_download(self, errno: int, body: bytes, status: int, now_ms: int | None) -> Reply:
        """Spell a failed download."""
        lines = b"Ota-Errno: %d\r\n" % errno if self.names_errno else b""
        if self.fails_in_one_byte:
            return Reply(status=status, lines=BINARY_LINE + lines, chunk=body, now_ms=now_ms)
        return Reply(status=status, lines=_NOTHING + lines, now_ms=now_ms)


def status_of(refused: Refused) -> int:
    """Find the HTTP status of a refusal."""
    is_down = refused.why is CallRefusal.UNAVAILABLE
    return HTTPStatus.SERVICE_UNAVAILABLE if is_down else HTTPStatus.OK


@lru_cache(maxsize=256)
def _file_name(name: str) -> bytes:
    """Keep a file name to what any parser of a quoted string reads."""
    return _UNSAFE.sub("_", name)[-_FILE_NAME_MAX:].encode()
