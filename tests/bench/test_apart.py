import os
import time

import pytest

from bench.apart import Unmeasured, apart
from bench.devices.job import Job

HERE = "tests.bench.work"


def test_a_function_answers_from_a_process_of_its_own():
    pid, total = apart(f"{HERE}:add", 2, 3, limit_s=60)
    assert total == 5
    assert pid != os.getpid()


def test_what_fails_says_its_last_words():
    with pytest.raises(Unmeasured, match="ValueError: no such broker"):
        apart(f"{HERE}:fail", limit_s=60)


def test_what_can_not_be_measured_says_why():
    with pytest.raises(Unmeasured, match=r"^mosquitto is not installed$"):
        apart(f"{HERE}:refuse", limit_s=60)


def test_what_hangs_ends_with_all_that_it_started(tmp_path):
    started = tmp_path / "started"
    for limit_s in (1, 4, 16, 64):  # as long as it takes to start here
        with pytest.raises(Unmeasured, match=f"not done within {limit_s} s"):
            apart(f"{HERE}:hang", str(started), limit_s=limit_s)
        if started.exists() and started.read_text():
            break
    end_s = time.monotonic() + 30
    while is_alive(int(started.read_text())):
        assert time.monotonic() < end_s


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - a process that is over raises here
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_job_reports_each_step_after_the_puback_of_the_one_before():
    from bench.load import inform_of, report_of

    job = Job(7)
    sent = [job.told(inform_of(7, 0))]
    while sent[-1] is not None:
        sent.append(job.acknowledged())
    assert sent == [*(report_of(7, 0, nth) for nth in range(5)), None]
    assert job.told(inform_of(7, 0)) is None, "a lap is done once"
    assert job.told(inform_of(8, 1)) is None, "it is another's"
    assert job.told(inform_of(7, 1)) == report_of(7, 1, 0)
