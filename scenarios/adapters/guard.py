"""An adapter as an `Operator`: each call has a time limit, and its answer is checked before anyone builds on it.

What the adapter does wrong is an `OperatorFault` whose text names the adapter, the call and what happened; what it
does not have, a `NotSupported` that says what the platform can't. No secret is in a text.
"""

import asyncio
import inspect
import time
import traceback
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import UnionType
from typing import Any, Final, NoReturn, Protocol, get_args, get_type_hints

import msgspec
from msgspec import Struct

from scenarios.adapters.host import Blocked, Host, Late, Outcome, Raised
from scenarios.operator import Operator, OperatorFault, Refusal

PACE_S: Final = 0.25
"""How soon a task with open jobs is looked at again where an adapter does not wait itself."""
_UNPRINTABLE: Final = "\N{REPLACEMENT CHARACTER}"
"""For what a terminal would act on, or a report could not hold."""
TEXT_MAX: Final = 300
_OPEN: Final = ("pending", "downloading", "upgrading")
SHOWN_MAX: Final = 80


class NotSupported(OperatorFault):
    """The platform, or its adapter, does not have this call."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the protocol: what it does in words, what it answers."""

    name: str
    words: str
    answers: str  # the type as it is written
    may_refuse: bool
    may_be_none: bool
    decode: Callable[[bytes], Any]
    signature: inspect.Signature


_REFUSALS: Final = msgspec.msgpack.Decoder(Refusal)


@cache
def calls() -> Mapping[str, Call]:
    """Give all calls of `Operator`, from its own definitions."""
    return {name: _call(name, method) for name, method in vars(Operator).items() if _is_call(name, method)}


def _is_call(name: str, method: object) -> bool:
    return inspect.iscoroutinefunction(method) and not name.startswith("_")


def _call(name: str, method: Callable[..., Any]) -> Call:
    wanted = get_type_hints(method)["return"]
    kinds = get_args(wanted) if isinstance(wanted, UnionType) else (wanted,)
    (kind,) = [each for each in kinds if each not in {Refusal, type(None)}] or [None]
    words = (inspect.getdoc(method) or name.replace("_", " ")).partition("\n")[0]
    for end in (" (", ", at ", ", all ", ";", "."):
        words = words.partition(end)[0]
    return Call(
        name=name,
        words=words[:1].lower() + words[1:],
        answers=_spell(kind),
        may_refuse=Refusal in kinds,
        may_be_none=type(None) in kinds or kind is None,
        decode=msgspec.msgpack.Decoder(kind).decode,
        signature=inspect.signature(method),
    )


def _spell(kind: Any) -> str:
    inner = get_args(kind)
    if inner:
        return f"list of {inner[0].__name__}"
    return "None" if kind is None else str(kind.__name__)


class Adapter(Protocol):
    """Any object; what of `Operator` it has is looked up by name."""


class Guarded:
    """An adapter's calls, guarded. `cleanse` takes secrets out of texts, `call_s` is each call's time limit."""

    def __init__(
        self, host: Host, adapter: Adapter, label: str, *, call_s: float, cleanse: Callable[[str], str]
    ) -> None:
        self._host = host
        self._adapter = adapter
        self._label = label
        self._call_s = call_s
        self._cleanse = cleanse
        self._file = _file_of(adapter)

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        """Give a call of the protocol."""
        known = calls().get(name)
        if known is None:
            raise AttributeError(f"{name} is no call of the operator protocol")
        guarded = partial(self._do, known)
        self.__dict__[name] = guarded
        return guarded

    async def _do(self, call: Call, *args: Any, **named: Any) -> Any:
        given = call.signature.bind(self, *args, **named).arguments
        waits_ms = given.get(_WAIT, 0)
        began = time.monotonic()
        limit_s = self._call_s + waits_ms / 1_000
        outcome = await self._host.call(call.name, partial(self._begin, call, given), limit_s)
        answer = self._checked(call, self._returned(call, outcome))
        self._hold_order(call, given, answer)
        if waits_ms and _is_open(answer):
            await asyncio.sleep(max(0.0, PACE_S - (time.monotonic() - began)))
        return answer

    def _hold_order(self, call: Call, given: Mapping[str, Any], answer: Any) -> None:
        """Hold that devices come back as they were given: a step's `meters[1]` is the first of them."""
        if call.name != "register" or isinstance(answer, Refusal):
            return
        wanted, found = [each.name for each in given["devices"]], [each.name for each in answer]
        if len(found) != len(wanted):
            self._fail(
                call, f"returned {len(found):,} devices for {len(wanted):,}; all or none are registered"
            )
        at = next((at for at, name in enumerate(wanted) if found[at] != name), None)
        if at is not None:
            self._fail(call, f"returned {found[at]} where {wanted[at]} was given; devices keep their order")

    def _begin(self, call: Call, given: Mapping[str, Any]) -> Any:
        """Call the adapter, by position with what each call has, by name with what only some have."""
        method = _method(self._adapter, call.name)
        if method is None:
            return _MISSING
        known = list(call.signature.parameters.values())[1:]
        always = [given[each.name] for each in known if each.default is each.empty]
        some = {
            each.name: given[each.name]
            for each in known
            if each.default is not each.empty and given.get(each.name, each.default) != each.default
        }
        taken = _taken_by(method)
        if _WAIT in some and taken is not None and _WAIT not in taken:
            del some[_WAIT]  # it answers at once, and is asked again
        if unknown := [name for name in some if taken is not None and name not in taken]:
            return Lacking(unknown[0])
        return method(*always, **some)

    def _returned(self, call: Call, outcome: Outcome) -> Any:
        match outcome:
            case Lacking(name):
                text = f"this platform can't {call.words} with {name}: the adapter {self._label} takes no {name} there"
                raise NotSupported(text)
            case Late(limit_s):
                self._fail(call, f"did not answer in {limit_s:g} s")
            case Blocked(name, seconds):
                self._fail(call, f"was not begun: {name} has not come back for {seconds:.1f} s")
            case Raised(NotImplementedError()):
                raise NotSupported(
                    f"this platform can't {call.words}: the adapter {self._label} does not implement {call.name}"
                )
            case Raised(OperatorFault() as exc):
                self._fail(call, f"failed: {one_line(exc)}", exc)
            case Raised(exc):
                self._fail(call, f"raised {raised(exc, self._file)}", exc)
        if outcome is _MISSING:
            raise NotSupported(
                f"this platform can't {call.words}: the adapter {self._label} has no {call.name}"
            )
        return outcome

    def _checked(self, call: Call, answer: Any) -> Any:
        """Give the answer as the values that the protocol is made of."""
        if answer is None and call.may_be_none:
            return None
        if answer is None:
            self._fail(call, f"returned None where {call.answers} is wanted")
        is_refusal = isinstance(answer, Refusal)
        try:
            body = msgspec.msgpack.encode(answer)
            decoded = _REFUSALS.decode(body) if is_refusal else call.decode(body)
        except (
            TypeError,
            ValueError,
            OverflowError,
            RecursionError,
            AttributeError,
            msgspec.MsgspecError,
        ) as exc:
            wanted = "Refusal" if is_refusal else call.answers
            self._fail(call, f"returned what is no {wanted} ({one_line(exc)}): {_shown(answer)}", exc)
        if is_refusal and not call.may_refuse:
            self._fail(
                call, f"was refused, which this call can't be: {decoded.code.value}: {decoded.message}"
            )
        return decoded

    def _fail(self, call: Call, what: str, cause: BaseException | None = None) -> NoReturn:
        text = " ".join(self._cleanse(f"adapter {self._label}: {call.name} {what}").split())
        raise OperatorFault(text) from cause


_MISSING: Final = object()
_WAIT: Final = "wait_ms"


class Lacking(Struct, frozen=True):
    """An adapter's call does not take an argument that only some calls have."""

    name: str


def _taken_by(method: Callable[..., Any]) -> frozenset[str] | None:
    """Give the names that a method takes; None when it takes any, or does not tell."""
    try:
        known = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(each.kind is each.VAR_KEYWORD for each in known):
        return None
    return frozenset(
        each.name for each in known if each.kind in {each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY}
    )


def _method(adapter: Adapter, name: str) -> Callable[..., Any] | None:
    """Find a method; one that is only inherited from the protocol is none."""
    found = getattr(adapter, name, None)
    if not callable(found) or getattr(found, "__func__", found) is getattr(Operator, name):
        return None
    return found  # type: ignore[no-any-return]  # an adapter is any object


def _file_of(adapter: Adapter) -> str:
    try:
        return inspect.getfile(type(adapter))
    except (TypeError, OSError):
        return ""


def _is_open(answer: Any) -> bool:
    jobs = getattr(answer, "jobs", None)
    return jobs is not None and any(getattr(jobs, name) for name in _OPEN)


def raised(exc: BaseException, file: str = "") -> str:
    """Say what was raised, and where: the innermost line of `file`, or else of any."""
    frames = traceback.extract_tb(exc.__traceback__)
    own = [frame for frame in frames if frame.filename == file] or frames
    where = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    text = one_line(exc)
    return f"{type(exc).__name__}{f': {text}' if text else ''}{where}"


def _shown(answer: object) -> str:
    """Spell an answer, cut short, whatever it does when it is asked for its text."""
    try:
        text = repr(answer)
    except Exception:  # noqa: BLE001 - foreign code
        text = f"a {type(answer).__name__}"
    text = "".join(each if each.isprintable() else _UNPRINTABLE for each in text)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}..."


def one_line(exc: BaseException) -> str:
    """Spell an error on one line, whatever it does when it is asked for its text."""
    try:
        text = str(exc)
    except Exception:  # noqa: BLE001 - foreign code
        return "its text can't be told"
    text = "".join(each if each.isprintable() else _UNPRINTABLE for each in " ".join(text.split()))
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}..."
