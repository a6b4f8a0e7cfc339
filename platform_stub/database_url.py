"""A database's URL, as libpq takes it, and as it may be shown: never with a password.

The schema that tables are in is libpq's own way of saying it, `?options=-csearch_path%3DNAME`, so that psql takes the
same URL. Pure: no driver is needed to read one.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from platform_stub.protocol.errors import UsageFault

NAME_MAX: Final = 63
"""PostgreSQL cuts longer names."""
_SCHEMES: Final = frozenset({"postgresql", "postgres", "postgresql+psycopg"})
_SECRETS: Final = frozenset({"password", "sslpassword"})
_FORM: Final = "postgresql://user@host:5432/database"
_ESCAPES: Final = "in a user name or password write %40 for @, %2F for /, %3A for :, %3F for ? and %23 for #"
_SEARCH_PATH: Final = re.compile(r'(?:-c\s*|--)search_path=("?)(\w+)\1\S*\s*', re.ASCII)
_PLACE: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:\d*)?")


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """Where a database is. Its text is without the password; `secret` is what a driver connects by."""

    user: str
    password: str
    place: str  # host:port, several with commas between them
    path: str
    query: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URL. UsageFault names what is wrong, and repeats nothing of it that might be a password."""
        try:
            parts = urlsplit(text)
        except ValueError as exc:
            raise UsageFault(f"the database's URL can't be read; wanted is {_FORM}") from exc
        if parts.scheme not in _SCHEMES or not text.startswith(f"{parts.scheme}://"):
            named = f"{parts.scheme}: is no" if "://" in text else "wanted is a"
            raise UsageFault(
                f"{named} database's URL, such as {_FORM}; without one, tables are in an SQLite file "
                "in the data folder"
            )
        login, _, place = parts.netloc.rpartition("@")
        user, _, password = login.partition(":")
        _check(parts, login, place)
        try:
            query = tuple(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        except ValueError as exc:
            raise UsageFault(
                f"the database's URL: behind ? there is name=value, with & between them; {_ESCAPES}"
            ) from exc
        return cls(user, password, place, parts.path, query)

    @property
    def schema(self) -> str | None:
        """The schema that the URL names; None: the connection's own, mostly `public`."""
        found = _SEARCH_PATH.search(dict(self.query).get("options", ""))
        return None if found is None else found[2] if found[1] else found[2].lower()

    def in_schema(self, name: str) -> Self:
        """Give the same database's URL for another schema."""
        options = _SEARCH_PATH.sub("", dict(self.query).get("options", "")).strip()
        others = tuple(item for item in self.query if item[0] != "options")
        ours = f"{options} -csearch_path={name}".strip()
        return type(self)(self.user, self.password, self.place, self.path, (*others, ("options", ours)))

    @property
    def secret(self) -> str:
        """The whole URL, for the driver alone."""
        password = f":{self.password}" if self.password else ""
        return self._spell(password, self.query)

    def __str__(self) -> str:
        return self._spell("", tuple(item for item in self.query if item[0] not in _SECRETS))

    def __repr__(self) -> str:
        return f"DatabaseUrl({str(self)!r})"

    def _spell(self, password: str, query: tuple[tuple[str, str], ...]) -> str:
        login = f"{self.user}{password}@" if self.user or password else ""
        items = "&".join(f"{name}={quote(value, safe='/-')}" for name, value in query)
        return f"postgresql://{login}{self.place}{self.path}{'?' if items else ''}{items}"


def _check(parts: SplitResult, login: str, place: str) -> None:
    """Refuse a URL that was cut in a wrong place, which a password with its own : @ / ? # does."""
    is_cut = "@" in login or login.count(":") > 1 or "@" in parts.path or bool(parts.fragment)
    if is_cut or not all(_PLACE.fullmatch(one) for one in place.split(",")):
        raise UsageFault(f"the database's URL can't be read, wanted is {_FORM}; {_ESCAPES}")


def schema_name(prefix: str, name: str) -> str:
    """Make a schema's name of any name: lower case, letters, digits and _; what is lost by that is told by a digest."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    whole = f"{prefix}_{plain}"
    if len(whole) <= NAME_MAX and name.isascii():
        return whole
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{whole[: NAME_MAX - 9]}_{digest}"
