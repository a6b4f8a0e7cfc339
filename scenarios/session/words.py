"""What the actions of the language have in common as methods: the words of a step, and how it is done."""

from typing import Any, TypedDict

from scenarios.session.spelling import Did, Expect, Span


class StepWords(TypedDict, total=False):
    """What every step may say besides its action, all of it by keyword.

    `id` names the step in reports and in `of`; left out, it is the action, with a number from the second one on.
    `title` says what it shows. `expect` is what must come back, in the words of a scenario file. `wait` is how long
    its jobs may take, `none` for not waiting; left out, it is the session's. `xfail` says why it is known to fail:
    then it must fail.
    """

    id: str
    title: str
    expect: Expect
    wait: Span
    xfail: str


class Words:
    """A class whose methods are actions."""

    async def _do(self, action: str, value: Any, words: StepWords) -> Did:
        """Do a step: its one action with its value, and what else it says."""
        raise NotImplementedError

    async def step(self, **words: Any) -> Did:
        """Do a step that is written as in a scenario file, as in `step(id="E1", buy=5, expect={"left": 5})`."""
        raise NotImplementedError
