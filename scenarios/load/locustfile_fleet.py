"""A locustfile: devices that are connected, told of an update and do it. One user is one process of N devices.

    locust -f locustfile_fleet.py -H http://127.0.0.1:8080 --fleet-devices 1000 -u 2

against a running platform with our operator API (`ota-sim serve`). Each user makes an account, devices and packages of
its own and updates all of them again and again; in the statistics are `connect`, `told` and `job` (kind OTA), one event
for each device that did it, beside the operator's calls. `--master` and `--worker` share the users as ever. `ota-sim
load fleet` uses this file too, and then decides itself what is done.
"""

# mypy: disallow-untyped-calls=False
# gevent and Locust have few annotations

import os
from typing import Any, Final

from gevent.lock import RLock
from locust import FastHttpUser, events, task
from locust.exception import StopUser

from scenarios.load.fleet.inside.bridge import Bridge
from scenarios.load.fleet.inside.own import OwnFleet, add_options
from scenarios.load.fleet.wire import FLEET_FILE

_ORDERED: Final = FLEET_FILE in os.environ
_lock: Final = RLock()
_bridges: Final[list[Bridge]] = []


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]  # Locust's
def _options(parser: Any) -> None:
    add_options(parser)


def _bridge(environment: Any) -> Bridge:
    """Give the one bridge of this process."""
    with _lock:
        if not _bridges:
            _bridges.append(Bridge(environment))
        return _bridges[0]


class FleetShard(FastHttpUser):
    """A process of devices."""

    host = "http://127.0.0.1:8080"

    def on_start(self) -> None:
        """Make its devices and connect them, where no command has done that."""
        self._own: OwnFleet | None = None
        if not _ORDERED:
            self._own = OwnFleet(self)
            self._own.start()

    def on_stop(self) -> None:
        """Let them leave."""
        if self._own is not None:
            self._own.stop()

    @task
    def update(self) -> None:
        """Update all its devices once."""
        if self._own is None:
            _bridge(self.environment).play()
            raise StopUser
        self._own.update()
