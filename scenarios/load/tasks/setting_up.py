"""The set-up of a load, made by the command over HTTP; how far it is can be shown meanwhile."""

from typing import Any, Final

from platform_stub.protocol import operator as api
from scenarios.load.child import LoadFault
from scenarios.load.tasks.ground import Ask, Steps, T
from scenarios.operator import HttpOperator, Refusal

SET_UP_S: Final = 300.0
"""A call of the set-up may be large."""


class SettingUp(HttpOperator):
    """Makes the calls of a set-up. `registered` counts the devices."""

    def __init__(self, url: str) -> None:
        super().__init__(url, SET_UP_S)
        self.registered = 0

    async def carry_out(self, steps: Steps[T]) -> T:
        """Make all calls, and give what they come to. OperatorFault: nobody answers; LoadFault: one is refused."""
        try:
            call = next(steps)
            while True:
                call = steps.send(await self._ask(call))
        except StopIteration as done:
            value: T = done.value
            return value

    async def _ask(self, call: Ask) -> Any:
        answer = await self._call(call.method, call.path, call.answer, call.body or None, media=call.media)
        if isinstance(answer, Refusal):
            raise LoadFault(f"setting up: the platform did not {call.what}: {answer.message}")
        if isinstance(answer, api.Registered):
            self.registered += len(answer.devices)
        return answer
