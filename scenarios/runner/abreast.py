"""Steps that are done at once: which order of them explains what came back (P14).

The platform decides one after the other, in an order that nobody knows. Creations that were accepted have the order of
their tasks' numbers; a refusal changes nothing, so it may have come at any moment, and the first at which the book
says the same explains it. Whatever else was accepted came before, after or between; that is tried. When no order
explains all of it, the differences are those of the one that explains most.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from scenarios import play as p
from scenarios.runner.compare import compare_prediction
from scenarios.runner.paper import Paper
from scenarios.runner.turn import Turn

_CREATIONS: Final = (p.CreateTask, p.RetryTask)

Predict = Callable[[Turn, Paper, bool], None]
"""Fills in what the book says of a turn, and changes the book by it; the flag says whether jobs have ended by then."""


def explain(turns: Sequence[Turn], paper: Paper, ranks: Mapping[str, int], predict: Predict) -> None:
    """Predict steps in the order that explains them best, on this paper; `ranks` has creations by their step."""
    best: tuple[int, Paper, list[Turn]] | None = None
    for order in _orders(turns, ranks):
        trial, tried = _copy(paper), [copy.copy(turn) for turn in order]
        wrong = _go_through(tried, trial, predict)
        if wrong:
            trial = _copy(paper)
            wrong = _go_back_and_forth(tried, trial, predict)
        if best is None or wrong < best[0]:
            best = (wrong, trial, tried)
        if not wrong:
            break
    if best is None:
        return
    paper.take_over(best[1])
    said = {turn.step.id: turn.predicted for turn in best[2]}
    for turn in turns:
        turn.predicted = said.get(turn.step.id)


def _copy(paper: Paper) -> Paper:
    """Copy what is written on a paper, but not the play that it is about."""
    return copy.deepcopy(paper, {id(paper.play): paper.play})


def _orders(turns: Sequence[Turn], ranks: Mapping[str, int]) -> Iterator[list[Turn]]:
    """Give orders, the likeliest first."""
    done = [turn for turn in turns if turn.is_done]
    accepted = [turn for turn in done if not _is_refused(turn)]
    made = sorted(
        (turn for turn in accepted if isinstance(turn.step.action, _CREATIONS)),
        key=lambda turn: ranks.get(turn.step.id, 0),
    )
    others = [turn for turn in accepted if not isinstance(turn.step.action, _CREATIONS)]
    refused = [turn for turn in done if _is_refused(turn)]
    if not done:
        return
    yield [*others, *made, *refused]
    for at in range(1, len(made) + 1) if others else ():
        yield [*made[:at], *others, *made[at:], *refused]


def _go_through(turns: Sequence[Turn], paper: Paper, predict: Predict) -> int:
    """Predict in this order, refusals last; answers how many are not explained."""
    for turn in turns:
        predict(turn, paper, False)
    return sum(not _is_explained(turn) for turn in turns)


def _go_back_and_forth(turns: Sequence[Turn], paper: Paper, predict: Predict) -> int:
    """Do the same, with each refusal at the moment that explains it; a refusal changes nothing, so it may be any."""
    waiting = [turn for turn in turns if _is_refused(turn)]
    for turn in turns:
        if not _is_refused(turn):
            waiting = [refused for refused in waiting if not _is_the_moment(refused, paper, predict, False)]
            predict(turn, paper, False)
    for has_ended in (False, True):
        waiting = [refused for refused in waiting if not _is_the_moment(refused, paper, predict, has_ended)]
    for turn in waiting:
        predict(turn, paper, True)
    return sum(not _is_explained(turn) for turn in turns)


def _is_the_moment(turn: Turn, paper: Paper, predict: Predict, has_ended: bool) -> bool:  # noqa: FBT001 - inner
    predict(turn, _copy(paper), has_ended)
    return _is_explained(turn)


def _is_refused(turn: Turn) -> bool:
    return turn.seen.outcome == "refused"


def _is_explained(turn: Turn) -> bool:
    """Whether the book says what was seen, as far as it is the step's own answer."""
    return turn.predicted is None or not any(compare_prediction(turn.predicted, turn.seen))
