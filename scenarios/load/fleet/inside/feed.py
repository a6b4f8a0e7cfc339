"""A shard's latencies as request events of Locust: one event for each device that connected, was told, or did its job.

Only what arrived is an event; what failed is one with its reason and without a time. Runs inside Locust.
"""

# mypy: disallow-untyped-calls=False
# gevent and Locust have few annotations

from collections.abc import Mapping
from typing import Any, Final

import gevent

from device_sim.shards.messages import Snapshot

KIND: Final = "OTA"
TURN: Final = 500
"""Events after which other users have their turn."""


class ShardStatistics:
    """Feeds what one shard says into Locust's statistics."""

    def __init__(self, environment: Any) -> None:
        self._fire = environment.events.request.fire
        self._jobs_failed: Mapping[int, int] = {}
        self._connects_failed = 0
        self._refused: Mapping[int, int] = {}

    def take(self, snapshot: Snapshot) -> None:
        """Fire an event for all that is new in it."""
        fired = 0
        for name in snapshot.latencies.__struct_fields__:
            counts: Mapping[int, int] = getattr(snapshot.latencies, name)
            for latency_us, count in counts.items():
                for _ in range(count):
                    self._event(name, latency_us / 1_000, None)
                    fired += 1
                    if not fired % TURN:
                        gevent.sleep(0)
        self._take_failures(snapshot)

    def missing(self, name: str, count: int, why: str) -> None:
        """Fire a failure for each device that did not do it in time."""
        for _ in range(count):
            self._event(name, None, why)

    def _take_failures(self, snapshot: Snapshot) -> None:
        counts = snapshot.counts
        for step, count in counts.failed_steps.items():
            self.missing("job", count - self._jobs_failed.get(step, 0), f"failed at step {step}")
        self.missing(
            "connect", counts.connect_failures - self._connects_failed, "an attempt to connect in vain"
        )
        for code, count in counts.refused.items():
            self.missing("connect", count - self._refused.get(code, 0), f"refused with CONNACK {code}")
        self._jobs_failed, self._refused = counts.failed_steps, counts.refused
        self._connects_failed = counts.connect_failures

    def _event(self, name: str, response_ms: float | None, why: str | None) -> None:
        self._fire(
            request_type=KIND,
            name=name,
            response_time=response_ms,
            response_length=0,
            response=None,
            context={},
            exception=None if why is None else RuntimeError(why),
        )
