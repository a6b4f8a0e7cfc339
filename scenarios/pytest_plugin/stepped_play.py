"""A play whose steps are done in order, each once, when somebody asks for one; it lives in the bridge's loop."""

from platform_stub.protocol.errors import OtaSimError
from scenarios.play import Play
from scenarios.pytest_plugin.bridge import Bridge
from scenarios.results import PlayResult, StepResult
from scenarios.runner.options import RunOptions
from scenarios.session.errors import audit_text
from scenarios.session.live_play import LivePlay


class SteppedPlay:
    """A play that is set up when its first step is asked for. `told` are the steps whose result was reported."""

    def __init__(self, bridge: Bridge, play: Play, options: RunOptions) -> None:
        self._bridge = bridge
        self._play = play
        self._options = options
        self._live: LivePlay | None = None
        self._result: PlayResult | None = None
        self._fault: OtaSimError | None = None
        self.told: set[str] = set()

    @property
    def evidence(self) -> str:
        """The folder in which evidence is left once the play is over."""
        return "" if self._options.evidence is None else self._options.evidence

    def play_to(self, at: int) -> StepResult | str:
        """Give what step number `at` came to, done now with all before it, or done before.

        A text says why it is not played, where that was told with an earlier item already. OtaSimError: it can't be.
        """
        if self._fault is not None:
            return f"not played: {self._fault}"
        try:
            live = self._up()
            while len(live.results) <= at and not live.is_stuck:
                self._bridge.wait(live.do(self._play.steps[len(live.results)]))
        except OtaSimError as exc:
            self._fault = exc
            raise
        if at < len(live.results):
            return live.results[at]
        last = live.results[-1]
        text = f"not played: step {last.id} did not come to its end"
        if last.id in self.told:
            return text
        raise OtaSimError(f"{text}: {last.note}")

    def unwell(self, result: StepResult) -> list[str]:
        """Say of each device of a step's task that did not end well, where it is and why."""
        return self._bridge.call(lambda: self._up().unwell(result.id))

    def end(self) -> PlayResult:
        """End the play: what is done at its end, audit, evidence. OtaSimError: it never began."""
        if self._live is None and self._fault is not None:
            raise self._fault
        if self._result is None:
            self._result = self._bridge.wait(self._up().end())
        return self._result

    def leave(self) -> str | None:
        """End the play if nobody has; answers what is wrong with its books."""
        if self._live is None or self._result is not None:
            return None
        result = self.end()
        return None if result.audit is None or result.audit.ok else audit_text(result.audit, result.evidence)

    def _up(self) -> LivePlay:
        if self._live is None:
            live = LivePlay(self._play, self._options)
            self._bridge.wait(live.begin())
            self._live = live
        return self._live
