"""Operations on injected faults: the stub is told, while it runs, to go wrong towards some devices."""

from typing import Final

from platform_stub.api.call import Call
from platform_stub.api.operation import CREATED, Operation, Outcome, operation
from platform_stub.protocol import operator as api

_FAULTS: Final = "/v1/injected-faults"


async def _add(call: Call) -> Outcome:
    return call.platform.injection.add(call.read(api.InjectFault))


async def _list(call: Call) -> Outcome:
    return call.platform.injection.list()


async def _remove(call: Call) -> Outcome:
    return call.platform.injection.remove(call.id("fault"))


async def _clear(call: Call) -> Outcome:
    return call.platform.injection.clear()


OPERATIONS: Final[tuple[Operation, ...]] = (
    operation("POST", _FAULTS, "Let the stub go wrong towards some devices, from now on", api.InjectedFault, _add,
        body=api.InjectFault, status=CREATED),
    operation("GET", _FAULTS, "List the injected faults in force, and how often each has struck", api.InjectedFaults,
        _list),
    operation("DELETE", f"{_FAULTS}/{{fault}}", "Take an injected fault out of force", api.InjectedFault, _remove),
    operation("DELETE", _FAULTS, "Take all injected faults out of force", api.InjectedFaults, _clear),
)  # fmt: skip
