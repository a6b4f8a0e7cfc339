"""Target files: YAML that says which platform is under test, read and checked like scenarios, all mistakes at once.

The adapter is imported to see that it is there and takes its options; it is not made. Secrets are looked for, and not
read. A mistake has its place (file:line:column).
"""

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from platform_stub.protocol.errors import EnvironmentFault
from scenarios.adapters.entry import (
    ENTRY_PATTERN,
    EntryFault,
    check_call,
    filled,
    find_in_time,
)
from scenarios.capabilities import CAPABILITIES
from scenarios.loader.mistakes import Mark, Mistake, ScenarioFault
from scenarios.loader.mistakes import Path as Place
from scenarios.loader.scalars import Reading, read
from scenarios.loader.shape import objections
from scenarios.loader.tree import SIZE_MAX_BYTES, compose
from scenarios.model.base import Written
from scenarios.schema import DIALECT
from scenarios.target import CALL_MS, Address, Target
from scenarios.terms import Line, Span
from scenarios.units import read_span_ms

ADDRESS_PATTERN: Final = r"^([^:\s/]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}$"
PORT_MAX: Final = 65_535


def _text(pattern: str, wanted: str, description: str, *examples: str) -> Meta:
    return Meta(
        description=description,
        examples=list(examples),
        extra_json_schema={"pattern": pattern, "x-wanted": wanted},
    )


_ADDRESS_WANTED: Final = "HOST:PORT, such as 10.1.2.3:8080"
_SCALAR = str | int | bool | None
Entry = Annotated[
    str,
    _text(
        ENTRY_PATTERN,
        "package.module:factory, or ./file.py:factory",
        "Whose code speaks to the platform's operator side: a function or class that is called with the options and "
        "gives an object with the methods of the operator protocol.",
        "./acme.py:make",
        "scenarios.adapters.served:Served",
    ),
]
Name = Annotated[
    str,
    Meta(extra_json_schema={"enum": list(CAPABILITIES)}, description="What a platform can, or can't."),
]
Option = Annotated[
    _SCALAR | list[str | int | bool],
    Meta(extra_json_schema={"x-wanted": "a text, number, true, false or null, or a list of those"}),
]


class TargetFile(Written, frozen=True, kw_only=True):
    """A platform under test, version 1."""

    version: Annotated[Literal[1], Meta(description="The version of this format.")]
    name: Annotated[Line, Meta(description="What reports call it. Default: the file's name.")] | UnsetType = (
        UNSET
    )
    adapter: Entry
    options: (
        Annotated[
            dict[str, Option],
            Meta(
                description="What the adapter is called with; env:NAME is that environment variable's text."
            ),
        ]
        | UnsetType
    ) = UNSET
    http: Annotated[
        str,
        _text(ADDRESS_PATTERN, _ADDRESS_WANTED, "Where devices download and call.", "127.0.0.1:8080"),
    ]
    mqtt: (
        Annotated[
            str,
            _text(
                ADDRESS_PATTERN,
                _ADDRESS_WANTED,
                "Where devices log in. Left out: the platform has no MQTT, and scenarios whose devices speak it are "
                "skipped.",
                "127.0.0.1:1883",
            ),
        ]
        | UnsetType
    ) = UNSET
    can: (
        Annotated[list[Name], Meta(description="All that it can; scenarios that ask for more are skipped.")]
        | UnsetType
    ) = UNSET
    cannot: (
        Annotated[list[Name], Meta(description="What it can't; scenarios that ask for it are skipped.")]
        | UnsetType
    ) = UNSET
    skip: (
        Annotated[
            dict[str, Line],
            Meta(description="Scenarios that are not played here, by their name, each with why."),
        ]
        | UnsetType
    ) = UNSET
    rules: (
        Annotated[
            Literal["predicted", "unknown"],
            Meta(
                description="predicted: what the charging rules say is held against it too. unknown: only what a "
                "scenario expects is. Default: unknown."
            ),
        ]
        | UnsetType
    ) = UNSET
    strict: (
        Annotated[
            bool, Meta(description="Whether it takes the documentation's narrower reading. Default: false.")
        ]
        | UnsetType
    ) = UNSET
    time_limit: Annotated[Span, Meta(description="How long a call may take. Default: 60s.")] | UnsetType = (
        UNSET
    )


@functools.cache
def target_schema() -> dict[str, Any]:
    """Make the JSON Schema of a target file."""
    schema = msgspec.json.schema(TargetFile)
    return {"$schema": DIALECT, "title": "ota-sim target, version 1", **schema}


def load_target(path: Path, *, with_adapter: bool = True) -> Target:
    """Read a target file. ScenarioFault has all its mistakes; EnvironmentFault: it can't be read.

    Without the adapter neither that nor its options are looked at: who has devices alone needs neither.
    """
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_MAX_BYTES + 1)
    except OSError as exc:
        raise EnvironmentFault(f"{path}: can't be read: {exc.strerror}") from exc
    if not data.strip():
        raise ScenarioFault(
            [Mistake(str(path), Mark(1, 1), "", "the file is empty; a target starts with version: 1")]
        )
    return _Reader(path, data).target(with_adapter=with_adapter)


class _Reader:
    """One file on its way to a target."""

    def __init__(self, path: Path, data: bytes) -> None:
        root, faults = compose(data)
        self._path = path
        self._mistakes = [Mistake(str(path), mark, "", text) for mark, text in faults]
        if root is None:
            raise ScenarioFault(self._mistakes)
        self._reading: Reading = read(root, target_schema())
        self._mistakes += [Mistake(str(path), mark, "", text) for mark, text in self._reading.faults]

    def target(self, *, with_adapter: bool) -> Target:
        """Check it and make the target."""
        value = self._reading.value
        bad: set[Place] = set()
        for objection in objections(value, target_schema):
            bad.add(objection.path)
            self._blame(objection.path, objection.text, at_key=objection.at_key)
        if isinstance(value, dict):
            self._judge(value, bad)
            for path, text in self._objections_to_adapter(value, bad) if with_adapter else ():
                self._blame(path, text)
        if self._mistakes:
            raise ScenarioFault(self._mistakes)
        return _made(msgspec.convert(value, TargetFile), self._path)

    def _blame(self, path: Place, text: str, *, at_key: bool = False) -> None:
        marks = self._reading.keys if at_key else self._reading.marks
        mark = marks.get(path) or self._reading.marks.get(path) or Mark(1, 1)
        where = ".".join(map(str, path))
        self._mistakes.append(Mistake(str(self._path), mark, where, text))

    def _judge(self, value: dict[str, Any], bad: set[Place]) -> None:
        """Check what the schema can't: ports, and that there is one of `can` and `cannot`."""
        for field in ("http", "mqtt"):
            text = value.get(field)
            if (
                isinstance(text, str)
                and (field,) not in bad
                and int(text.rpartition(":")[2]) not in range(1, PORT_MAX + 1)
            ):
                self._blame(
                    (field,), f"expected a port from 1 to {PORT_MAX:,}, found {text.rpartition(':')[2]}"
                )
        if "can" in value and "cannot" in value:
            self._blame(
                ("cannot",), "give can or cannot, not both: what is not named is the other", at_key=True
            )

    def _objections_to_adapter(self, value: dict[str, Any], bad: set[Place]) -> Iterator[tuple[Place, str]]:
        options = value.get("options", {})
        has_options = isinstance(options, dict) and not any(path[:1] == ("options",) for path in bad)
        if has_options:
            for name, option in options.items():
                try:
                    filled({name: option})
                except EntryFault as fault:
                    yield ("options", name), str(fault).partition(": ")[2]
        entry = value.get("adapter")
        if not isinstance(entry, str) or ("adapter",) in bad:
            return
        try:
            factory = find_in_time(entry, self._path.parent)
        except EntryFault as fault:
            yield ("adapter",), str(fault)
            return
        if has_options and (text := check_call(factory, options)):
            unknown = re.match(r"the adapter has no option (\S+);", text)
            yield ("options", unknown[1]) if unknown else ("adapter",), text


def _made(file: TargetFile, path: Path) -> Target:
    return Target(
        file=str(path),
        folder=str(path.parent),
        name=path.stem if file.name is UNSET else file.name,
        adapter=file.adapter,
        http=_address(file.http),
        mqtt=None if file.mqtt is UNSET else _address(file.mqtt),
        options={} if file.options is UNSET else dict(file.options),
        can=None if file.can is UNSET else tuple(file.can),
        cannot=() if file.cannot is UNSET else tuple(file.cannot),
        skip={} if file.skip is UNSET else file.skip,
        rules="unknown" if file.rules is UNSET else file.rules,
        strict=file.strict is True,
        call_ms=CALL_MS if file.time_limit is UNSET else max(1, read_span_ms(file.time_limit)),
    )


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
