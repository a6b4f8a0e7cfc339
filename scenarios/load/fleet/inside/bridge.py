"""Inside Locust, when `ota-sim load fleet` started it: shards begin as the command ordered, and both hear each other.

The command decides what is done and when; here its lines go on to the shards, and theirs go back to it and into
Locust's statistics. When the command is gone its pipe ends, and the shards leave.
"""

# mypy: disallow-untyped-calls=False
# gevent and Locust have few annotations

import os
from pathlib import Path
from typing import Any, Final

import gevent
import msgspec
from gevent.fileobject import FileObject
from locust.stats import CSV_STATS_INTERVAL_SEC

from device_sim.shards.messages import Snapshot, Start, Stop
from scenarios.load.fleet.inside.feed import ShardStatistics
from scenarios.load.fleet.inside.process import ShardProcess
from scenarios.load.fleet.wire import (
    FLEET_FILE,
    FLEET_PIPE,
    FleetOrder,
    Leave,
    ShardBegan,
    ShardGone,
    ShardSaid,
    ShardUnborn,
    Tell,
    Up,
    down_of,
    line_of,
)

QUIT_S: Final = 15.0
CSV_S: Final = CSV_STATS_INTERVAL_SEC + 0.2


class Bridge:
    """Between the command and the shards; one for a Locust process."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        order = msgspec.json.decode(Path(os.environ[FLEET_FILE]).read_bytes(), type=FleetOrder)
        self._waiting = list(enumerate(order.starts))
        self._left = len(order.starts)
        self._up = FileObject(int(os.environ[FLEET_PIPE]), "wb", bufsize=0)
        self._down = FileObject(0, "rb", closefd=False)
        self._processes: dict[int, ShardProcess] = {}
        self._is_leaving = False
        gevent.spawn(self._obey)

    def play(self) -> None:
        """Be the next shard, until its process ends. Nothing is left to do for a user too many."""
        if not self._waiting or self._is_leaving:
            return
        shard, start = self._waiting.pop(0)
        try:
            process = ShardProcess()
        except OSError as exc:
            self._say(ShardUnborn(shard=shard, why=exc.strerror or str(exc)))
            self._gone()
            return
        self._processes[shard] = process
        try:
            self._follow(shard, process, start)
        finally:
            exit_code, words = process.end()
            self._say(ShardGone(shard=shard, pid=process.pid, exit_code=exit_code, words=words))
            del self._processes[shard]
            self._gone()

    def _follow(self, shard: int, process: ShardProcess, start: Start) -> None:
        statistics = ShardStatistics(self._environment)
        self._say(ShardBegan(shard=shard, pid=process.pid))
        process.tell(start)
        for event in process.events():
            self._say(ShardSaid(shard=shard, event=event))
            if isinstance(event, Snapshot):
                statistics.take(event)

    def _gone(self) -> None:
        self._left -= 1
        if not self._left and self._is_leaving:
            self._quit()

    def _obey(self) -> None:
        """Do what the command says, until it says no more."""
        for line in self._down:
            match down_of(line):
                case Tell(shard=shard, order=order):
                    for number, process in list(self._processes.items()):
                        if shard in {None, number}:
                            process.tell(order)
                case Leave():
                    break
        self._leave()

    def _leave(self) -> None:
        self._is_leaving = True
        for process in list(self._processes.values()):
            process.tell(Stop())
            process.leave()
        if not self._processes:
            self._quit()
            return
        gevent.sleep(QUIT_S)
        self._quit()

    def _quit(self) -> None:
        """End Locust, its page too; its CSV is written every second and not at the end, so that is waited for."""
        if self._environment.parsed_options.csv_prefix:
            gevent.sleep(CSV_S)
        self._environment.runner.quit()
        if self._environment.web_ui is not None:
            self._environment.web_ui.stop()

    def _say(self, value: Up) -> None:
        try:
            self._up.write(line_of(value))
        except OSError:  # nobody listens any more: the command is gone, and the input ends with it
            self._is_leaving = True
