"""What `ota-sim load fleet` is asked for, as a value. Times are seconds, sizes bytes."""

import re
from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from platform_stub.protocol.errors import UsageFault
from platform_stub.protocol.operator import Kind
from scenarios.load.thresholds import Threshold, Verdict

Storm = Literal["none", "start", "half", "broker-restart"]
_STORMS: Final[Mapping[str | None, Storm]] = {
    None: "none",
    "start": "start",
    "half": "half",
    "broker-restart": "broker-restart",
}
HALF: Final = 0.5
_MISSING: Final = re.compile(r"(?P<number>[0-9]{1,9}(\.[0-9]{1,4})?) ?(?P<share>%?)")
_WHOLE: Final = 100.0


class Missing(Struct, frozen=True, kw_only=True):
    """How many devices may be missing in the end: not updated exactly once, for whatever reason."""

    option: str
    bound: float
    is_share: bool

    @classmethod
    def parse(cls, text: str) -> "Missing":
        """Read `0`, `12` or `0.5%`; UsageFault: it is neither a count nor a share."""
        match = _MISSING.fullmatch(text.strip())
        is_share = match is not None and match["share"] == "%"
        bound = -1.0 if match is None else float(match["number"])
        if bound < 0 or (is_share and bound > _WHOLE) or (not is_share and bound % 1):
            raise UsageFault(f"--max-missing: a count or a share is wanted, such as 0 or 0.5%, not {text!r}")
        return cls(option=f"--max-missing {text.strip()}", bound=bound, is_share=is_share)

    def judge(self, missing: int, devices: int) -> Verdict:
        """Hold it against how many are missing."""
        if self.is_share:
            share = _WHOLE * missing / devices if devices else 0.0
            return Verdict(
                option=self.option,
                wanted=f"at most {self.bound:g} %",
                seen=f"{missing:,} of {devices:,} ({share:.2f} %)",
                held=share <= self.bound,
            )
        return Verdict(
            option=self.option,
            wanted=f"at most {self.bound:,.0f}",
            seen=f"{missing:,} of {devices:,}",
            held=missing <= self.bound,
        )


class FleetOptions(Struct, frozen=True, kw_only=True):
    """A load of devices. `processes` None: as many as the machine has room and cores for.

    `limit_s` bounds the whole, `stall_s` how long nothing may move. `words` are Locust's own options, `web` is its
    page's port.
    """

    devices: int
    processes: int | None = None
    kind: Kind = "FOTA"
    size_bytes: int = 16_384
    storm: Storm = "none"
    seed: int = 0
    missing: Missing
    thresholds: tuple[Threshold, ...] = ()
    limit_s: float = 900.0
    stall_s: float = 60.0
    words: tuple[str, ...] = ()
    web: int | None = None


def storm_of(name: str | None) -> Storm:
    """Give the storm of a name on the command line; None: none is wanted."""
    return _STORMS[name]
