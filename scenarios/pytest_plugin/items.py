"""Scenario files as pytest sees them: a file, its plays, and their steps.

An item is a play, done when it is its turn; or a step of a `SteppedPlay`, which is up as long as its steps are done.
"""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from platform_stub.protocol.errors import OtaSimError
from scenarios.ground import lacking
from scenarios.play import Play
from scenarios.pytest_plugin.settings import BRIDGE, SECTION, VARIABLES, Settings, slug
from scenarios.pytest_plugin.stepped_play import SteppedPlay
from scenarios.pytest_plugin.wording import PlayFailed, facts_of, play_text, table_text
from scenarios.results import PlayResult
from scenarios.runner.options import RunOptions
from scenarios.runner.run import run_play
from scenarios.session.errors import audit_text, step_text

AUDIT = "audit"


class ScenarioFile(pytest.File):
    """A scenario file."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Give its plays, one for each variant."""
        settings = Settings(self.config)
        try:
            plays, options = settings.plays(self.path), settings.options(self.path)
        except OtaSimError as exc:
            raise self.CollectError(str(exc)) from None
        kind = PlaySteps if settings.by_step else PlayItem
        for play in plays:
            self.config.stash[VARIABLES].update(play.variables)
            node = kind.from_parent(self, name=play.name.replace(" ", "-"), play=play, options=options)
            if why := lacking(play, options):
                node.add_marker(pytest.mark.skip(reason=why))
            yield node


class _Scenic(pytest.Item):
    """What items of both kinds have in common: a failure is told in words, without a traceback."""

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Tell what is wrong as a scenario's author sees it."""
        if isinstance(excinfo.value, OtaSimError) and not self.config.getoption("fulltrace"):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def tell(self, result: PlayResult) -> None:
        """Show the table with what pytest shows of an item, and note its facts for JUnit."""
        self.add_report_section("call", SECTION, table_text(result))
        self.user_properties += [(name, value) for name, value in facts_of(result).items() if value != ""]


class PlayItem(_Scenic):
    """A variant of a scenario as one item."""

    def __init__(self, *, play: Play, options: RunOptions, **rest: Any) -> None:
        super().__init__(**rest)
        self._play = play
        self._options = options

    def runtest(self) -> None:
        """Play it."""
        result = asyncio.run(run_play(self._play, self._options, lambda _: None))
        if result.verdict == "stopped":
            raise KeyboardInterrupt
        self.tell(result)
        if result.verdict not in {"passed", "skipped"}:
            raise PlayFailed(play_text(result))
        if known := [step for step in result.steps if step.verdict == "xfailed"]:
            pytest.xfail("; ".join(f"step {step.id}: {step.xfail}" for step in known))

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Say where it is written."""
        return self.path, 0, f"scenario {self._play.name}"


class PlaySteps(pytest.Collector):
    """A variant of a scenario whose steps are items. By `--dist loadgroup` or `loadscope` they stay on a worker."""

    def __init__(self, *, play: Play, options: RunOptions, **rest: Any) -> None:
        super().__init__(**rest)
        self.play = play
        self._options = options
        self._stepped: SteppedPlay | None = None
        self.add_marker(pytest.mark.xdist_group(self.nodeid))

    def collect(self) -> Iterator[pytest.Item]:
        """Give its steps, and the audit."""
        group = self._group()
        for at, step in enumerate(self.play.steps):
            yield StepItem.from_parent(self, name=f"{step.id}{group}", at=at)
        is_taken = any(step.id == AUDIT for step in self.play.steps)
        yield AuditItem.from_parent(self, name=f"{AUDIT}{'-of-the-books' if is_taken else ''}{group}")

    def _group(self) -> str:
        """Say what xdist's `loadgroup` adds to a name, where xdist itself can't: since pytest 9.2 (xdist 3.8)."""
        by_group = self.config.getoption("loadgroup", default=False)
        return f"@{slug(self.nodeid)}" if by_group and not hasattr(self, "_nodeid") else ""

    def stepped_play(self) -> SteppedPlay:
        """Give the play, set up when the first step needs it."""
        if self._stepped is None:
            self._stepped = SteppedPlay(self.config.stash[BRIDGE], self.play, self._options)
        return self._stepped

    def teardown(self) -> None:
        """End the play when no step of it comes any more; books that don't hold are told with the last one."""
        stepped, self._stepped = self._stepped, None
        if stepped is not None and (told := stepped.leave()) is not None:
            raise PlayFailed(told)


class _OfPlay(_Scenic):
    """An item of a play whose steps are items."""

    @property
    def steps(self) -> PlaySteps:
        """The play that it is of."""
        assert isinstance(self.parent, PlaySteps), "it is made by one"
        return self.parent


class StepItem(_OfPlay):
    """A step as an item. The steps before it are done first, whether or not they are items of this run."""

    def __init__(self, *, at: int, **rest: Any) -> None:
        super().__init__(**rest)
        self._at = at

    def runtest(self) -> None:
        """Do it, and what comes before it."""
        stepped = self.steps.stepped_play()
        result = stepped.play_to(self._at)
        if isinstance(result, str):
            pytest.skip(result)
        stepped.told.add(result.id)
        self.user_properties += [("ota.scenario", self.steps.play.name), ("ota.seed", self.steps.play.seed)]
        if result.verdict == "xfailed":
            pytest.xfail(result.xfail)
        if result.verdict == "failed":
            raise PlayFailed(step_text(result, stepped.unwell(result), stepped.evidence))

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Say where it is written."""
        step = self.steps.play.steps[self._at]
        return self.path, 0, f"{self.steps.play.name}: step {step.id} {step.title}".rstrip()


class AuditItem(_OfPlay):
    """What comes after the last step as an item: what is done at the end, and the audit of the books."""

    def runtest(self) -> None:
        """Do the steps that are left, end the play, and hold its books."""
        stepped = self.steps.stepped_play()
        stepped.play_to(len(self.steps.play.steps) - 1)
        result = stepped.end()
        self.tell(result)
        if result.verdict in {"broken", "stopped"}:
            raise PlayFailed(f"{result.name} {result.verdict}: {result.reason}")
        failed = [step_text(step) for step in result.teardown if step.verdict == "failed"]
        if result.audit is not None and not result.audit.ok:
            failed.append(audit_text(result.audit, result.evidence))
        if failed:
            raise PlayFailed("\n".join(failed))

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Say where it is written."""
        return self.path, 0, f"{self.steps.play.name}: audit"
