"""HTTP towards webhook receivers: one GET or POST, limited in time and size, redirects not followed.

A receiver is a stranger: whatever it does ends as a `Heard`, never as an exception.
"""

import io
from dataclasses import dataclass
from typing import Final

import aiohttp
from yarl import URL  # aiohttp's own: the only way to send a URL as it was spelled

CHECK_TIMEOUT_S: Final = 5.0
PUSH_TIMEOUT_S: Final = 10.0
PUSH_BYTES_PER_S: Final = 1_000_000  # a large push may take this much longer
ANSWER_MAX_BYTES: Final = 4_096
_SHOWN_CHARS: Final = 80
_SUCCESSES: Final = range(200, 300)
_REDIRECTS: Final = range(300, 400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of a call: `status` and the body's beginning, or `error` when there was no answer."""

    status: int | None = None
    body: bytes = b""
    error: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether it was answered with 2xx."""
        return self.status in _SUCCESSES

    def say(self) -> str:
        """Say what was seen, for a person."""
        if self.error is not None:
            return self.error
        if self.status in _REDIRECTS:
            return f"HTTP {self.status}: redirects are not followed; name the URL that answers itself"
        text = self.body.decode("utf-8", "replace")
        return (
            f"HTTP {self.status} with body {text[:_SHOWN_CHARS]!r}{'...' if len(text) > _SHOWN_CHARS else ''}"
        )


class WebhookClient:
    """Makes the calls; a connection each, since tasks are rare and receivers come and go."""

    def __init__(
        self, *, check_timeout_s: float = CHECK_TIMEOUT_S, push_timeout_s: float = PUSH_TIMEOUT_S
    ) -> None:
        self._check_timeout_s = check_timeout_s
        self._push_timeout_s = push_timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def get(self, url: str) -> Heard:
        """Call for the check."""
        return await self._call("GET", url, None, self._check_timeout_s)

    async def post(self, url: str, body: bytes) -> Heard:
        """Push JSON."""
        return await self._call("POST", url, body, self._push_timeout_s + len(body) / PUSH_BYTES_PER_S)

    async def close(self) -> None:
        """Let go of what is open."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _call(self, method: str, url: str, body: bytes | None, timeout_s: float) -> Heard:
        try:
            async with self._open().request(
                method,
                URL(url, encoded=True),
                data=None if body is None else io.BytesIO(body),
                headers={"Accept-Encoding": "identity"}
                | ({} if body is None else {"Content-Type": "application/json"}),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as response:
                return Heard(status=response.status, body=await _read(response.content))
        except TimeoutError:
            return Heard(error=f"no whole answer within {timeout_s:.3g} s")
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            return Heard(error=_explain(exc))

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._session


async def _read(content: aiohttp.StreamReader) -> bytes:
    """Read the beginning of an answer; the rest is cut off with the connection."""
    parts: list[bytes] = []
    left = ANSWER_MAX_BYTES
    while left and (part := await content.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _explain(exc: Exception) -> str:
    match exc:
        case aiohttp.ClientConnectorCertificateError():
            return (
                f"its certificate is not trusted ({exc.certificate_error}); SSL_CERT_FILE names one that is"
            )
        case aiohttp.ClientConnectorError():
            return f"can't connect to {exc.host}:{exc.port}: {exc.os_error.strerror or exc.os_error}"
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return "the connection was closed before an answer came"
        case aiohttp.ClientResponseError():
            return f"what was answered is not HTTP: {exc.message.splitlines()[0] if exc.message else exc}"
        case _:
            return f"the call failed: {str(exc) or type(exc).__name__}"
