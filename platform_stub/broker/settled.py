"""Acknowledging in the order of arrival [MQTT-4.6.0-2], though commits end in any order. Pure: no I/O, no clock."""

from collections import deque
from collections.abc import Callable


class Arrival:
    """A message that came in, and whether its effect is committed."""

    __slots__ = ("is_settled", "packet_id")

    def __init__(self, packet_id: int) -> None:
        self.packet_id = packet_id
        self.is_settled = False


class Arrivals:
    """The messages of one connection that are not acknowledged yet, oldest first."""

    def __init__(self, acknowledge: Callable[[int], None]) -> None:
        self._acknowledge = acknowledge
        self._waiting: deque[Arrival] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, packet_id: int) -> Arrival:
        """Enter a message."""
        arrival = Arrival(packet_id)
        self._waiting.append(arrival)
        return arrival

    def settle(self, arrival: Arrival) -> None:
        """Note that it is committed, and acknowledge whatever is at the head and committed."""
        arrival.is_settled = True
        waiting = self._waiting
        while waiting and waiting[0].is_settled:
            self._acknowledge(waiting.popleft().packet_id)

    def forget(self) -> None:
        """Drop all: their connection is over, and the broker sends them again on the next one."""
        self._waiting.clear()
