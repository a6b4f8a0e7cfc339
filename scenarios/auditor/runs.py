"""The journal as a stream: bindings of one creation, row by row alike, become one run; every other row stays one.

So a journal of a million bindings is replayed as a few runs, and still every row was read. Rows must be well formed
(`checks.WELL_FORMED`) and come by ascending `seq`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple


class Row(NamedTuple):
    """A line of the journal; `available` is what its task says there was before, for `bound`."""

    seq: int
    account_id: int
    at_ms: int
    kind: str
    task_id: int | None
    device_id: int | None
    source: str | None
    quantity: int | None
    amount_fen: int | None
    note: str | None
    available: int | None


@dataclass(slots=True, kw_only=True)
class Run:
    """`count` bindings in a row: one account, task, source and moment.

    `opens_task` says that no run of the same creation came directly before; `unordered_at` is the first row whose
    device ID is not above the one before it, in this creation.
    """

    seq: int
    account_id: int
    at_ms: int
    task_id: int
    source: str
    available: int | None
    opens_task: bool
    count: int = 1
    unordered_at: int | None = None


def read_runs(rows: Iterable[tuple[Any, ...]]) -> Iterator[Row | Run]:
    """Fold bindings into runs."""
    run: Run | None = None
    last_device = 0
    for row in rows:
        # Unpacked whole, and compared one by one: this loop sees every line.
        seq, account_id, at_ms, kind, task_id, device_id, source, _, _, _, available = row
        if kind != "bound":
            if run is not None:
                yield run
                run = None
            yield Row(*row)
            continue
        same = (
            run is not None and run.task_id == task_id and run.account_id == account_id and run.at_ms == at_ms
        )
        if run is not None and same and run.source == source:
            run.count += 1
        else:
            if run is not None:
                yield run
            run = Run(
                seq=seq,
                account_id=account_id,
                at_ms=at_ms,
                task_id=task_id,
                source=source,
                available=available,
                opens_task=not same,
            )
        if same and device_id <= last_device and run.unordered_at is None:
            run.unordered_at = seq
        last_device = device_id
    if run is not None:
        yield run
