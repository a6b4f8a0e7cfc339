"""`--inject`: a fault of the stub as one line of text, read into an `InjectFault` and spelled back.

    fault  = part { "," part }
    part   = "call=" version | check | state | download | status | inform     (left out: any)
           | "generation=" south | studio | fuse | mqtt                       (left out: any)
           | "product=" ID | "devices=" 1+5-9 | "share=" 2% | "seed=" N       (left out: all devices)
           | "times=" N                                                       (left out: at every call)
           | "delay=" 3s | "status=" 503 | "code=" 12012 | "cut=" 10000 | "wrong-md5" | "silent"

The operator API's spellings (`cut_at_bytes=`, `product_id=`, `device_ids=`, `delay_ms=`, `wrong_md5`) and the
scenarios' `flow=` are read as well. Which fault can strike which call stands in `platform_stub.protocol.injected`.
"""

import re
import typing
from collections.abc import Callable
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final

import click
import msgspec

from platform_stub.protocol.injected import find_mistake
from platform_stub.protocol.operator import InjectFault
from scenarios.units import read_size, read_span_ms

DEVICES_MAX: Final = 100_000
_SHARE: Final = re.compile(r"(?P<per_cent>[0-9]{1,3}(\.[0-9]{1,6})?) ?%")
_PRODUCT: Final = re.compile(r"[A-Za-z0-9]{1,32}")
_RANGE: Final = re.compile(r"(?P<first>[0-9]{1,18})(-(?P<last>[0-9]{1,18}))?")
_FLAGS: Final = {"wrong-md5": "wrong_md5", "silent": "silent"}
# The operator API's names in find_mistake's words, as they are spelled here.
_SPELLED: Final = {"delay_ms": "delay", "cut_at_bytes": "cut", "wrong_md5": "wrong-md5"}
_ALIASES: Final = {
    "flow": "generation",
    "product_id": "product",
    "device_ids": "devices",
    "cut_at_bytes": "cut",
    "wrong_md5": "wrong-md5",
}


def read_fault(text: str) -> InjectFault:
    """Read a fault; ValueError says which part is wrong, and how it should look."""
    fields: dict[str, Any] = {}
    for part in text.split(","):
        key, equals, text_of_value = (piece.strip() for piece in part.partition("="))
        key, text_of_value = _our_spelling(key, text_of_value)
        is_flag = key in _FLAGS and not equals
        field, value = (_FLAGS[key], True) if is_flag else _read_part(key, equals, text_of_value)
        if field in fields:
            raise ValueError(f"{key} is there twice")
        fields[field] = value
    rule = _convert(fields)
    mistake = find_mistake(rule)
    if mistake is not None:
        for name, spelled in _SPELLED.items():
            mistake = mistake.replace(name, spelled)
        raise ValueError(mistake)
    return rule


def spell_fault(rule: InjectFault) -> str:
    """Spell a fault as `read_fault` reads it."""
    parts = [] if rule.call == "any" else [f"call={rule.call}"]
    parts += [] if rule.generation == "any" else [f"generation={rule.generation}"]
    parts += [] if rule.product_id is None else [f"product={rule.product_id}"]
    parts += [] if rule.device_ids is None else [f"devices={_spell_devices(rule.device_ids)}"]
    parts += [] if rule.share == 1 else [f"share={_spell_per_cent(rule.share)}%"]
    parts += [f"seed={rule.seed}"] if rule.seed else []
    parts += [] if rule.times is None else [f"times={rule.times}"]
    parts += [f"delay={rule.delay_ms}ms"] if rule.delay_ms else []
    parts += [
        f"{key}={value}" for key, value in (("status", rule.status), ("code", rule.code)) if value is not None
    ]
    parts += [] if rule.cut_at_bytes is None else [f"cut={rule.cut_at_bytes}"]
    parts += [flag for flag, field in _FLAGS.items() if getattr(rule, field)]
    return ",".join(parts)


class FaultType(click.ParamType[InjectFault]):
    """A fault of the stub."""

    name = "FAULT"

    def convert(
        self, value: str | InjectFault, param: click.Parameter | None, ctx: click.Context | None
    ) -> InjectFault:
        """Read it, or say what is wrong with it."""
        if isinstance(value, InjectFault):
            return value
        try:
            return read_fault(value)
        except ValueError as exc:
            self.fail(f"{value!r}: {exc}", param, ctx)


def _our_spelling(key: str, value: str) -> tuple[str, str]:
    """Take a part's other spellings for ours."""
    if key == "delay_ms":
        return "delay", f"{value}ms" if value.isdecimal() else value
    return _ALIASES.get(key, key), value


def _read_part(key: str, equals: str, value: str) -> tuple[str, Any]:
    if key in _FLAGS:
        raise ValueError(f"{key} takes no value: write {key} alone")
    if key not in _READERS:
        known = [*_READERS, *_FLAGS]
        close = get_close_matches(key, known, 1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
        raise ValueError(f"{key[:40]!r} is no part of a fault; {hint}")
    field, read, example = _READERS[key]
    if not equals or not value:
        raise ValueError(f"{key} wants a value, such as {key}={example}")
    try:
        return field, read(value)
    except ValueError as exc:
        raise ValueError(f"{key}: {exc}") from exc


def _convert(fields: dict[str, Any]) -> InjectFault:
    try:
        return msgspec.convert(fields, InjectFault)
    except msgspec.ValidationError as exc:
        said, _, path = str(exc).partition(" - at `$.")
        key = next((key for key, (field, _, _) in _READERS.items() if path.startswith(field)), path)
        example = f", such as {key}={_READERS[key][2]}" if key in _READERS else ""
        raise ValueError(f"{key}: {_reword(said)}{example}") from exc


def _reword(said: str) -> str:
    match = re.fullmatch(r"Expected `int` (>=|<=) ([0-9]+)", said)
    if match is not None:
        return f"a number of at {'least' if match[1] == '>=' else 'most'} {match[2]} is wanted"
    return f"{said[0].lower()}{said[1:]}"


def _one_of(field: str) -> Callable[[str], str]:
    words: tuple[str, ...] = typing.get_args(typing.get_type_hints(InjectFault)[field])

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text[:40]!r} is none of {', '.join(words)}")
        return text

    return read


def _read_product(text: str) -> str:
    if not _PRODUCT.fullmatch(text):
        raise ValueError(f"a product's id is letters and digits, at most 32, not {text[:40]!r}")
    return text


def _read_number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:  # noqa: PLR2004 - fits 64 bits
        raise ValueError(f"a whole number is wanted, not {text[:40]!r}")
    return int(text)


def _read_size(text: str) -> int:
    return 0 if text == "0" else read_size(text)


def _read_share(text: str) -> float:
    match = _SHARE.fullmatch(text)
    share = float(Decimal(match["per_cent"]) / 100) if match else 0
    if not 0 < share <= 1:
        raise ValueError(f"a share above 0% and up to 100% is wanted, not {text[:40]!r}")
    return share


def _read_devices(text: str) -> list[int]:
    devices: list[int] = []
    for piece in text.split("+"):
        match = _RANGE.fullmatch(piece.strip())
        if match is None:
            raise ValueError(
                f"device IDs are wanted, joined by + and with ranges, such as 1+5-9, not {text[:40]!r}"
            )
        first = int(match["first"])
        last = int(match["last"] or first)
        if last < first or len(devices) + last - first >= DEVICES_MAX:
            raise ValueError(
                f"1 to {DEVICES_MAX:,} devices can be named, ranges from low to high, not {piece!r}"
            )
        devices += range(first, last + 1)
    return devices


def _spell_per_cent(share: float) -> str:
    text = f"{Decimal(repr(share)) * 100:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _spell_devices(devices: list[int]) -> str:
    spans: list[tuple[int, int]] = []
    for device in devices:
        if spans and device == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], device)
        else:
            spans.append((device, device))
    return "+".join(f"{first}" if first == last else f"{first}-{last}" for first, last in spans)


# By key: the field, its reader, and an example for who forgot the value.
_READERS: Final[dict[str, tuple[str, Callable[[str], Any], str]]] = {
    "call": ("call", _one_of("call"), "download"),
    "generation": ("generation", _one_of("generation"), "fuse"),
    "product": ("product_id", _read_product, "Y6O759jbtX"),
    "devices": ("device_ids", _read_devices, "1+5-9"),
    "share": ("share", _read_share, "2%"),
    "seed": ("seed", _read_number, "7"),
    "times": ("times", _read_number, "1"),
    "delay": ("delay_ms", read_span_ms, "3s"),
    "status": ("status", _read_number, "503"),
    "code": ("code", _read_number, "12012"),
    "cut": ("cut_at_bytes", _read_size, "10000"),
}
