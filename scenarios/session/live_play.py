"""A play whose steps come one by one: `run_play` in a task of its own, fed by whoever holds the session.

The seam between a session and the runner: what a step does, what it is held against, what is audited and what evidence
is left is all decided there.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from msgspec import structs

from platform_stub.protocol.errors import EnvironmentFault, OtaSimError, UsageFault
from scenarios.ground import Ground
from scenarios.operator import Operator
from scenarios.play import Play, PlayStep
from scenarios.results import DeviceStory, PlayResult, StepResult
from scenarios.runner.crew import Crew
from scenarios.runner.director import Director
from scenarios.runner.events import Event
from scenarios.runner.options import RunOptions
from scenarios.runner.run import run_play
from scenarios.runner.stage import Stage
from scenarios.runner.stories import stories
from scenarios.selection import parse_selection
from scenarios.session.errors import SessionSkipped

_FAULTS: Final = {2: UsageFault, 3: EnvironmentFault}
_WELL: Final = frozenset({"success", "cancelled"})


@dataclass(frozen=True, slots=True)
class Scene:
    """What a play is played on, once it is set up."""

    ground: Ground
    stage: Stage
    crew: Crew
    director: Director


@dataclass(frozen=True, slots=True)
class Order:
    """A step to do, and where its result goes."""

    step: PlayStep
    result: "asyncio.Future[StepResult]"


class LivePlay:
    """A play that is up between `begin` and `end`. It is used from one event loop."""

    def __init__(self, play: Play, options: RunOptions) -> None:
        self.played: PlayResult | None = None
        self._play = play
        self._options = options
        self._orders: asyncio.Queue[Order | str] = asyncio.Queue()
        self._scene: Scene | None = None
        self._is_up = asyncio.Event()
        self._task: asyncio.Task[PlayResult] | None = None

    async def begin(self) -> None:
        """Bring the platform and the devices to where the first step starts from. Raises what stands in the way."""
        name = f"session {self._play.name}"
        self._task = asyncio.create_task(
            run_play(self._play, self._options, _nobody, drive=self._drive), name=name
        )
        up = asyncio.create_task(self._is_up.wait(), name=f"{name} comes up")
        try:
            await asyncio.wait({self._task, up}, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            await self.end("given up")
            raise
        finally:
            up.cancel()
        if self._scene is None:
            raise _fault_of(self._task.result())

    async def end(self, discontent: str = "") -> PlayResult:
        """Let the play end: devices leave, the books are audited, evidence is left when something was wrong.

        `discontent` says what whoever used it found wrong beside its steps.
        """
        assert self._task is not None, "it has begun"
        if self._scene is None:
            self._task.cancel()
        self._orders.put_nowait(discontent)
        self.played = await self._task
        return self.played

    @property
    def scene(self) -> Scene:
        """What is played on. UsageFault before it is up."""
        if self._scene is None:
            raise UsageFault("the session has not begun; use it inside `async with Session(...)`")
        return self._scene

    @property
    def operator(self) -> Operator:
        """The platform's operator side."""
        return self.scene.ground.operator

    async def do(self, step: PlayStep) -> StepResult:
        """Do the next step, and judge it. EnvironmentFault: the devices, or the platform, are not there any more."""
        assert self._task is not None, "it has begun"
        result: asyncio.Future[StepResult] = asyncio.get_running_loop().create_future()
        self._orders.put_nowait(Order(step, result))
        either: set[asyncio.Future[Any]] = {result, self._task}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not result.done():
            raise _fault_of(self._task.result())
        return result.result()

    async def _drive(self, ground: Ground, stage: Stage, crew: Crew, director: Director) -> str:
        """Do what is ordered, one step after the other, until there is no more; then what is done at the end."""
        self._scene = Scene(ground, stage, crew, director)
        self._is_up.set()
        try:
            discontent = await self._follow_orders(director)
        except OtaSimError:
            await self._tear_down(stage, director)
            raise
        await self._tear_down(stage, director)
        return discontent

    async def _follow_orders(self, director: Director) -> str:
        while isinstance(order := await self._orders.get(), Order):
            result = await director.do(order.step)
            if not order.result.done():
                order.result.set_result(result)
        return order

    async def _tear_down(self, stage: Stage, director: Director) -> None:
        stage.play = structs.replace(self._play, steps=())
        await director.play()

    @property
    def results(self) -> list[StepResult]:
        """What the steps so far came to."""
        return [] if self._scene is None else self._scene.director.results

    @property
    def is_stuck(self) -> bool:
        """Whether the last step did not come to its end, so that nothing can be said of what would follow."""
        is_over = self._task is not None and self._task.done()
        return is_over or (self._scene is not None and self._scene.director.is_stuck)

    def unwell(self, step_id: str) -> list[str]:
        """Say of each device of a step's task whose job is over and not well, or open, where it is and why."""
        scene = self.scene
        states = scene.stage.roster.states.get(step_id, {})
        members = scene.stage.roster.members
        return [
            f"{members[device_id].name} (device {device_id}): {state}; {scene.crew.describe(device_id)}"
            for device_id, state in states.items()
            if state not in _WELL
        ]

    def select(self, texts: list[str]) -> list[int]:
        """Give the IDs of the devices of selections, as they stand now. CannotSelect: there are none."""
        return self.scene.stage.roster.select(tuple(map(parse_selection, texts)))

    def stories(self) -> tuple[DeviceStory, ...]:
        """Tell what happened to each device so far."""
        if self.played is not None:
            return self.played.story.devices
        return stories(self.scene.stage.roster, self.scene.crew)


def _nobody(_: Event) -> None:
    """Nobody watches a session; what its steps came to is in `results`."""


def _fault_of(result: PlayResult) -> OtaSimError:
    """Make the error of a play that ended before its steps did."""
    reason = result.reason or "the play ended early"
    if result.verdict == "skipped":
        return SessionSkipped(reason)
    return _FAULTS.get(result.exit_code, OtaSimError)(reason)
