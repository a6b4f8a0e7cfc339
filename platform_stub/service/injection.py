"""Faults that the stub was told to have towards devices, while it runs; kept in memory, gone with the process.

Here it is decided whom a fault strikes, and how often it did. What then goes wrong is done where the answer is
made: in the device calls over HTTP, and in `sessions` on MQTT. There a strike is taken back when nothing could go
wrong with that answer after all. What can go wrong where is in `protocol.injected`.
"""

from hashlib import blake2b
from typing import Final, NamedTuple

from platform_stub.protocol.injected import find_mistake, places_of
from platform_stub.protocol.operator import InjectedFault, InjectedFaults, InjectFault
from platform_stub.service.answers import Rejection, conflict, malformed, not_found

FAULTS_MAX: Final = 1_000
_DRAWS: Final = 2**64
_COMPLEMENT: Final = str.maketrans("0123456789abcdef", "fedcba9876543210")


class _Fault:
    """A fault in force."""

    __slots__ = ("devices", "fault_id", "left_of", "rule", "struck", "threshold")

    def __init__(self, fault_id: int, rule: InjectFault) -> None:
        self.fault_id = fault_id
        self.rule = rule
        self.struck = 0
        self.devices = None if rule.device_ids is None else frozenset(rule.device_ids)
        self.threshold = int(rule.share * _DRAWS)
        self.left_of: dict[int, int] = {}  # by device, once struck; used only when `times` is set

    def strikes(self, device_id: int, product_id: str) -> bool:
        """Say whether this call of the device is struck, and count it if so."""
        rule = self.rule
        if rule.product_id is not None and rule.product_id != product_id:
            return False
        if self.devices is not None and device_id not in self.devices:
            return False
        if rule.share < 1 and draw(rule.seed, device_id) >= self.threshold:
            return False
        if rule.times is not None:
            left = self.left_of.get(device_id, rule.times)
            if not left:
                return False
            self.left_of[device_id] = left - 1
        self.struck += 1
        return True

    def take_back(self, device_id: int) -> None:
        """Count a strike no longer: nothing went wrong."""
        self.struck -= 1
        if device_id in self.left_of:
            self.left_of[device_id] += 1

    def show(self) -> InjectedFault:
        return InjectedFault(fault_id=self.fault_id, rule=self.rule, struck=self.struck)


class Strike(NamedTuple):
    """A fault that strikes a call of a device, counted as struck from the start."""

    rule: InjectFault
    fault: _Fault
    device_id: int

    def miss(self) -> None:
        """Take it back: the answer had nothing that could go wrong; `times` has one more left again."""
        self.fault.take_back(self.device_id)


class Injection:
    """All injected faults. The oldest one that strikes a call decides it alone."""

    def __init__(self) -> None:
        self._faults: dict[int, _Fault] = {}
        self._by_place: dict[tuple[str, str], list[_Fault]] = {}
        self._last_id = 0
        self._struck_before = 0  # by faults that are out of force
        self.is_empty = True

    @property
    def struck(self) -> int:
        """How often any fault has struck, those that are out of force included."""
        return self._struck_before + sum(fault.struck for fault in self._faults.values())

    def add(self, rule: InjectFault) -> InjectedFault | Rejection:
        """Put a fault in force, behind those that are; refused when it could never strike."""
        mistake = find_mistake(rule)
        if mistake is not None:
            return malformed(f"fault: {mistake}")
        if len(self._faults) >= FAULTS_MAX:
            return conflict(f"{FAULTS_MAX} faults are in force; remove some first")
        self._last_id += 1
        fault = self._faults[self._last_id] = _Fault(self._last_id, rule)
        self._index()
        return fault.show()

    def list(self) -> InjectedFaults:
        """List all faults in force, oldest first."""
        return InjectedFaults(faults=[fault.show() for fault in self._faults.values()])

    def remove(self, fault_id: int) -> InjectedFault | Rejection:
        """Take a fault out of force; returns it as it was at last."""
        fault = self._faults.pop(fault_id, None)
        if fault is None:
            return not_found("injected fault", fault_id)
        self._struck_before += fault.struck
        self._index()
        return fault.show()

    def clear(self) -> InjectedFaults:
        """Take all faults out of force; returns them as they were at last."""
        were = self.list()
        self._struck_before = self.struck
        self._faults.clear()
        self._index()
        return were

    def pick(self, call: str, generation: str, device_id: int, product_id: str) -> Strike | None:
        """Find what goes wrong with a call of a device, and count it as struck; mostly None, and then cheap."""
        if self.is_empty:
            return None
        for fault in self._by_place.get((call, generation), ()):
            if fault.strikes(device_id, product_id):
                return Strike(fault.rule, fault, device_id)
        return None

    def _index(self) -> None:
        by_place: dict[tuple[str, str], list[_Fault]] = {}
        for fault in self._faults.values():
            for place in places_of(fault.rule):
                by_place.setdefault(place, []).append(fault)
        self._by_place = by_place
        self.is_empty = not self._faults


def draw(seed: int, device_id: int) -> int:
    """Draw a number below 2**64 for a device, the same at each call and in each process."""
    return int.from_bytes(blake2b(b"%d:%d" % (seed, device_id), digest_size=8).digest())


def spoil_md5(md5: str) -> str:
    """Return a digest that is well-formed and wrong."""
    return md5.translate(_COMPLEMENT)
