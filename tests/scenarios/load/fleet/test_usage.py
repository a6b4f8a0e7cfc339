"""What processes cost, also when they are no more."""

import os
import subprocess
import sys

from scenarios.load.fleet.usage import End, usage_of


def test_this_process_uses_cpu_and_memory():
    used = usage_of(os.getpid())
    assert used.cpu_s > 0
    assert used.resident_bytes > 2**20


def test_a_process_that_ended_keeps_its_cpu_and_has_no_memory():
    end = End()
    code = "sum(range(3_000_000)); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        end.watch(child.pid)
        child.stdout.readline()
        before = end.look()
        child.stdin.close()
    assert usage_of(child.pid) is None
    assert before.cpu_s > 0
    assert end.look().cpu_s == before.cpu_s
    assert end.look().resident_bytes == 0 < before.resident_bytes
