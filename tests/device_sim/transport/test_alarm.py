"""The alarm wakes sleepers in time, in the loop's own clock."""

import asyncio

from device_sim.core.wheel import NEVER
from device_sim.transport.alarm import Alarm


class Sleeper:
    def __init__(self, alarm, due_ms):
        self.alarm, self.due_ms, self.tick = alarm, due_ms, 0
        self.woken_ms = []
        self.done = asyncio.Event()
        self.again_ms = 0

    def woken(self, now_ms):
        self.woken_ms.append(now_ms)
        self.due_ms = NEVER
        if self.again_ms:
            self.due_ms, self.again_ms = now_ms + self.again_ms, 0
            self.alarm.place(self)
        else:
            self.done.set()


async def test_sleepers_are_woken_in_order_and_never_early():
    alarm = Alarm(asyncio.get_running_loop())
    start = alarm.now_ms()
    sleepers = [Sleeper(alarm, start + wait) for wait in (90, 30, 60)]
    for sleeper in sleepers:
        alarm.place(sleeper)
    async with asyncio.timeout(60):
        for sleeper in sleepers:
            await sleeper.done.wait()
    for sleeper, wait in zip(sleepers, (90, 30, 60), strict=True):
        (woken,) = sleeper.woken_ms
        assert woken >= start + wait
    assert sorted(sleepers, key=lambda each: each.woken_ms) == [sleepers[1], sleepers[2], sleepers[0]]
    alarm.stop()


async def test_a_sleeper_places_itself_again():
    alarm = Alarm(asyncio.get_running_loop())
    sleeper = Sleeper(alarm, alarm.now_ms() + 20)
    sleeper.again_ms = 40
    alarm.place(sleeper)
    async with asyncio.timeout(60):
        await sleeper.done.wait()
    assert sleeper.woken_ms[1] >= sleeper.woken_ms[0] + 40
    alarm.stop()


async def test_a_stopped_alarm_wakes_nobody():
    alarm = Alarm(asyncio.get_running_loop())
    sleeper = Sleeper(alarm, alarm.now_ms() + 10)
    alarm.place(sleeper)
    alarm.stop()
    alarm.place(sleeper)
    other = Alarm(asyncio.get_running_loop())
    later = Sleeper(other, other.now_ms() + 40)
    other.place(later)
    async with asyncio.timeout(60):
        await later.done.wait()  # its time has come, so the first one's had too
    assert sleeper.woken_ms == []
    other.stop()
