"""Operations on injected faults: the stub is told, while it runs, to go wrong towards some devices.

A rule may be for devices and products that come later; what is not there yet is named in the answer.
"""

from typing import Final

from msgspec.structs import replace
from sqlalchemy import Connection

from platform_stub.api.call import Call
from platform_stub.api.operation import CREATED, Operation, Outcome
from platform_stub.protocol import operator as api
from platform_stub.service.answers import Rejection
from platform_stub.store import devices

_FAULTS: Final = "/v1/injected-faults"
_NAMED_MAX: Final = 5


async def _add(call: Call) -> Outcome:
    added = call.platform.injection.add(call.read(api.InjectFault))
    return added if isinstance(added, Rejection) else _show(call, added)


async def _list(call: Call) -> Outcome:
    return api.InjectedFaults(faults=[_show(call, fault) for fault in call.platform.injection.list().faults])


def _show(call: Call, fault: api.InjectedFault) -> api.InjectedFault:
    rule = fault.rule
    if rule.product_id is None and rule.device_ids is None:
        return fault
    return replace(fault, waits_for=call.platform.read(lambda conn: _waits_for(conn, rule)))


def _waits_for(conn: Connection, rule: api.InjectFault) -> str | None:
    """Name what a rule is for and is not there."""
    absent = []
    if rule.product_id is not None and devices.load_product(conn, rule.product_id) is None:
        absent.append(f"product {rule.product_id}")
    wanted = rule.device_ids or []
    known = devices.known_ids(conn, wanted)
    unknown = sorted(set(wanted) - known)
    if unknown:
        named = ", ".join(map(str, unknown[:_NAMED_MAX]))
        more = len(unknown) - _NAMED_MAX
        absent.append(f"device {named}" + (f" and {more} more" if more > 0 else ""))
    return "; ".join(absent) or None


async def _remove(call: Call) -> Outcome:
    return call.platform.injection.remove(call.id("fault"))


async def _clear(call: Call) -> Outcome:
    return call.platform.injection.clear()


OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation("POST", _FAULTS, "Let the stub go wrong towards some devices, from now on", api.InjectedFault, _add,
        body=api.InjectFault, status=CREATED),
    Operation("GET", _FAULTS, "List the injected faults in force, and how often each has struck", api.InjectedFaults,
        _list),
    Operation("DELETE", f"{_FAULTS}/{{fault}}", "Take an injected fault out of force", api.InjectedFault, _remove),
    Operation("DELETE", _FAULTS, "Take all injected faults out of force", api.InjectedFaults, _clear),
)  # fmt: skip
