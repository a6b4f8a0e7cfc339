"""Who calls: a token is judged by the rules of the interface it came in by, MQTT or one of the HTTP generations.

Which kinds of `res` each takes, and the key that signs each, stand here in one table; parsing and signatures
are `protocol.token`'s. A token that was proven once is remembered with its key, so that a device's next call
costs no second HMAC; who was let in is remembered until the next use case is committed, since only an operator
moves or ends a device or sets a clock. Times are the account's. Source: onenet-protocol, section 2.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from platform_stub.protocol.calls import FUSE, CallRefusal, Generation, Refused
from platform_stub.protocol.shown import shown
from platform_stub.protocol.token import (
    TEN_YEARS_S,
    VERSION_2018,
    VERSION_2022,
    VERSIONS,
    Judgement,
    Token,
    TokenError,
    device_resource,
    judge_time,
    parse_token,
    product_resource,
    user_resource,
    verify,
)
from platform_stub.store import jobs
from platform_stub.store.engine import Store
from platform_stub.store.schema import AnyRow

PROVEN_MAX: Final = 20_000
"""How many genuine tokens are remembered with the key that made them; a range asks for no second HMAC then."""


class Caller(Struct, frozen=True, kw_only=True, gc=False):
    """A device that was let in. `now_ms` is its account's time at this call."""

    device_id: int
    account_id: int
    product_id: str
    name: str
    generation: Generation
    now_ms: int


class _Kind(Enum):
    """Kinds of `res`."""

    PRODUCT = auto()
    DEVICE = auto()
    USER = auto()


_PRODUCT_OR_DEVICE: Final = frozenset({_Kind.PRODUCT, _Kind.DEVICE})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """What one interface takes."""

    kinds: frozenset[_Kind] = _PRODUCT_OR_DEVICE
    strict_kinds: frozenset[_Kind]
    versions: tuple[str, ...] = (VERSION_2018,)
    ahead_s_max: int | None = None


_RULES: Final[Mapping[Generation | None, _Rules]] = MappingProxyType(
    {
        Generation.SOUTH: _Rules(strict_kinds=frozenset({_Kind.PRODUCT})),
        Generation.STUDIO: _Rules(strict_kinds=frozenset({_Kind.DEVICE})),
        Generation.FUSE: _Rules(
            kinds=frozenset(_Kind), strict_kinds=frozenset(_Kind), versions=VERSIONS, ahead_s_max=TEN_YEARS_S
        ),
        None: _Rules(strict_kinds=frozenset({_Kind.DEVICE})),
    }
)
"""By interface; None is MQTT. The strict kinds are those of the documentation's narrower reading."""


_Address = tuple[Generation, str, str | None, str | None, int | None]
"""How a call names itself: its generation, token, product id, device name, device ID."""


class Credentials:
    """Judges tokens against the store; `real_ms` is the wall clock, and an account's time is it plus an offset."""

    def __init__(
        self,
        store: Store,
        real_ms: Callable[[], int],
        *,
        strict: bool = False,
        proven_max: int = PROVEN_MAX,
        epoch: Callable[[], int] | None = None,
    ) -> None:
        self._store = store
        self._real_ms = real_ms
        self._strict = strict
        self._proven_max = proven_max
        self._proven: dict[str, tuple[Token, str]] = {}
        self._epoch = epoch
        self._seen_epoch = -1
        self._known: dict[_Address, tuple[Token, AnyRow]] = {}
        self.admitted: Counter[int] = Counter()  # calls that were let in, by account

    def authenticate(
        self,
        generation: Generation,
        authorization: str,
        *,
        product_id: str | None = None,
        name: str | None = None,
        device_id: int | None = None,
    ) -> Caller | Refused:
        """Let in the device of an address, or of an ID, by a token; StoreUnavailable: nobody can tell."""
        address = (generation, authorization, product_id, name, device_id)
        row = self._recall(address)
        if row is None:
            with self._store.glance() as conn:
                if device_id is not None:
                    row = jobs.find_caller_by_id(conn, device_id)
                else:
                    row = jobs.find_caller(conn, product_id or "", name or "")
            refusal = self.refusal(generation, authorization, row)
            if refusal is not None:
                return refusal
            assert row is not None, "a device that is not there is refused"
            self._keep(address, row)
        return self.admit(generation, row)

    def _recall(self, address: _Address) -> AnyRow | None:
        """Find the row of a call that was let in, as long as no use case was committed since; time is judged anew."""
        if self._epoch is None:
            return None
        epoch = self._epoch()
        if epoch != self._seen_epoch:
            self._seen_epoch = epoch
            self._known.clear()
            return None
        known = self._known.get(address)
        if known is None:
            return None
        token, row = known
        now_s = (self._real_ms() + row.clock_offset_ms) // 1000
        is_good = judge_time(token, now_s, _RULES[address[0]].ahead_s_max) is Judgement.GOOD
        return row if is_good else None

    def _keep(self, address: _Address, row: AnyRow) -> None:
        if self._epoch is not None:
            if len(self._known) >= self._proven_max:
                self._known.clear()
            self._known[address] = self._proven[address[1]][0], row

    def admit(self, generation: Generation, row: AnyRow) -> Caller:
        """Let in the device of a row without a token."""
        self.admitted[row.account_id] += 1
        return Caller(
            device_id=row.device_id,
            account_id=row.account_id,
            product_id=row.product_id,
            name=row.name,
            generation=generation,
            now_ms=self._real_ms() + row.clock_offset_ms,
        )

    def refusal(
        self, generation: Generation | None, authorization: str, row: AnyRow | None
    ) -> Refused | None:
        """Say why a token does not speak for the device of a row (see `store.jobs.find_caller`), or None.

        No token at all comes before an unknown device, the resource before the time, the time before the signature.
        """
        known = self._proven.get(authorization)
        try:
            token = parse_token(authorization) if known is None else known[0]
        except TokenError as exc:
            return Refused(
                CallRefusal.INVALID_AUTHORIZATION, note=shown(str(exc)) if authorization else "no token"
            )
        if row is None:
            return Refused(CallRefusal.NO_SUCH_DEVICE, note="unknown device")
        rules = _RULES[generation]
        kind, key = _signer(token.res, row)
        if kind is None or kind not in (rules.strict_kinds if self._strict else rules.kinds):
            speaks = "does not speak for this device" if kind is None else "is not taken here"
            return Refused(CallRefusal.INVALID_RESOURCE, note=f"res {shown(token.res)} {speaks}")
        fault = _version_fault(kind, token.version, rules)
        if fault is not None:
            return Refused(fault, note=f"version {shown(token.version)} is not taken with this res here")
        now_s = (self._real_ms() + row.clock_offset_ms) // 1000
        judgement = judge_time(token, now_s, rules.ahead_s_max)
        if judgement is Judgement.GOOD:
            if known is not None and known[1] == key:  # the same text under the same key was proven before
                return None
            if verify(token, key):
                self._remember(authorization, token, key)
                return None
            judgement = Judgement.NOT_GENUINE
        return _say(judgement, kind, token, now_s, generation)

    def _remember(self, authorization: str, token: Token, key: str) -> None:
        self._proven.pop(authorization, None)
        if len(self._proven) >= self._proven_max:
            # Some at a time: each look for the first one steps over all that were taken out before it.
            for oldest in list(islice(self._proven, max(1, self._proven_max // 16))):
                del self._proven[oldest]
        self._proven[authorization] = token, key


def _signer(res: str, row: AnyRow) -> tuple[_Kind | None, str]:
    """Name the kind of a `res` that speaks for the row's device, and the key that must have signed it."""
    if res == device_resource(row.product_id, row.name):
        return _Kind.DEVICE, row.key
    if res == product_resource(row.product_id):
        return _Kind.PRODUCT, row.product_key
    if res == user_resource(row.account_id):
        return _Kind.USER, row.account_key
    return None, ""


def _version_fault(kind: _Kind, version: str, rules: _Rules) -> CallRefusal | None:
    if version not in rules.versions:
        return CallRefusal.INVALID_AUTHORIZATION
    return CallRefusal.INVALID_RESOURCE if kind is _Kind.USER and version != VERSION_2022 else None


def _say(
    judgement: Judgement, kind: _Kind, token: Token, now_s: int, generation: Generation | None
) -> Refused:
    """Spell why; a `userid` that its account's key did not sign is an invalid resource."""
    match judgement:
        case Judgement.EXPIRED:
            text = FUSE[CallRefusal.TOKEN_EXPIRED].text.format(expire=token.et, now=now_s)
            note = (
                f"the token expired {now_s - token.et} s ago: et={token.et}, the account's clock is {now_s}"
            )
            return Refused(CallRefusal.TOKEN_EXPIRED, text if generation is Generation.FUSE else None, note)
        case Judgement.TOO_FAR_AHEAD:
            return Refused(
                CallRefusal.TOKEN_TOO_LONG, note=f"et={token.et} is more than ten years from {now_s}"
            )
        case _:
            why = CallRefusal.INVALID_RESOURCE if kind is _Kind.USER else CallRefusal.INVALID_AUTHORIZATION
            return Refused(why, note=f"wrong key: not signed with the {kind.name.lower()}'s key")
