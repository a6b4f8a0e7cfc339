"""When an advance may go on."""

from platform_stub.service import rest
from platform_stub.service.rest import Heard, Rest


class Waiting:
    """Waits for rest on a clock of its own; `looks` is how often it slept."""

    def __init__(self, heard, *, connected=1, ends_after=10**6):
        self.looks = 0
        self._ends_after = ends_after
        self._rest = Rest(
            told=self._told,
            connected=lambda: connected,
            heard=heard,
            is_open=lambda _: self.looks < self._ends_after,
            clock_s=lambda: self.looks * rest.LOOK_S,
            sleep=self._sleep,
        )

    async def _told(self):
        pass

    async def _sleep(self, seconds):
        assert seconds == rest.LOOK_S
        self.looks += 1

    async def looked(self):
        await self._rest.of([1])
        return self.looks


def growing(reports, calls):
    heard = [0, 0]

    def count():
        heard[0] += reports
        heard[1] += calls
        return Heard(*heard)

    return count


async def test_where_no_device_ever_spoke_there_is_nothing_to_wait_for():
    assert await Waiting(lambda: Heard(0, 0), connected=0).looked() == 0


async def test_silence_is_rest():
    assert await Waiting(lambda: Heard(5, 5)).looked() == 1
    assert await Waiting(lambda: Heard(0, 5), connected=0).looked() == 1


async def test_tasks_that_have_ended_are_at_rest():
    assert await Waiting(growing(1, 1), ends_after=3).looked() == 3


async def test_nothing_but_polls_is_rest_after_a_while():
    assert await Waiting(growing(0, 1)).looked() == rest.POLLS_S / rest.LOOK_S


async def test_devices_that_go_on_reporting_are_waited_for_up_to_the_limit():
    assert await Waiting(growing(1, 0)).looked() == rest.LIMIT_S / rest.LOOK_S
