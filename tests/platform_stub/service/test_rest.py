"""When an advance may go on."""

from platform_stub.service import rest
from platform_stub.service.rest import Rest, Traffic

ACCOUNT = 7


class Waiting:
    """Waits for rest on a clock of its own; `looks` is how often it slept."""

    def __init__(self, traffic, *, connected=1, ends_after=10**6):
        self.looks = 0
        self.is_told = False
        self._ends_after = ends_after
        self._rest = Rest(
            told=self._told,
            is_connected=lambda account_id: account_id == ACCOUNT and bool(connected),
            traffic=lambda account_id: traffic() if account_id == ACCOUNT else Traffic(0, 0),
            is_open=lambda _: self.looks < self._ends_after,
            clock_s=lambda: self.looks * rest.LOOK_S,
            sleep=self._sleep,
        )

    async def _told(self):
        self.is_told = True

    async def _sleep(self, seconds):
        assert self.is_told
        assert seconds == rest.LOOK_S
        self.looks += 1

    async def looked(self, account_id=ACCOUNT):
        await self._rest.of(account_id, [1])
        return self.looks


def growing(reports, calls):
    traffic = [0, 0]

    def count():
        traffic[0] += reports
        traffic[1] += calls
        return Traffic(*traffic)

    return count


async def test_where_no_device_ever_spoke_there_is_nothing_to_wait_for():
    assert await Waiting(lambda: Traffic(0, 0), connected=0).looked() == 0


async def test_a_device_that_is_there_may_still_speak():
    assert await Waiting(lambda: Traffic(0, 0)).looked() == 1


async def test_silence_is_rest():
    assert await Waiting(lambda: Traffic(5, 5)).looked() == 1
    assert await Waiting(lambda: Traffic(0, 5), connected=0).looked() == 1


async def test_tasks_that_have_ended_are_at_rest():
    assert await Waiting(growing(1, 1), ends_after=3).looked() == 3


async def test_nothing_but_polls_is_rest_after_a_while():
    assert await Waiting(growing(0, 1)).looked() == rest.POLLS_S / rest.LOOK_S


async def test_devices_that_go_on_reporting_are_waited_for_up_to_the_limit():
    assert await Waiting(growing(1, 0)).looked() == rest.LIMIT_S / rest.LOOK_S


async def test_another_account_s_devices_keep_no_clock_waiting():
    assert await Waiting(growing(1, 1)).looked(ACCOUNT + 1) == 0
