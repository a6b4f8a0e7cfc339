"""Work in a process of its own, with a limit: what an earlier round left behind does not colour the next, and what hangs ends.

`apart("bench.brokers:embedded", 2000, limit_s=60)` answers what that function answers, which must be JSON. The process
leads a group, and whatever it started ends with it.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys

WORDS_MAX = 200
LEAVE_S = 5


class Unmeasured(Exception):
    """There is no figure; the text says why, in words that stand in the table."""


def apart(where, *args, limit_s):
    """Call a function, named `module:function`, in a process of its own. Unmeasured: it failed, or took too long."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.apart", where, json.dumps(args)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True,
    )  # fmt: skip
    try:
        out, words = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise Unmeasured(f"not done within {limit_s:g} s") from None
    finally:
        _end(process)
    if process.returncode:
        raise Unmeasured(_last_words(words) or f"ended with {process.returncode}")
    answer = json.loads(out.rpartition("\n")[2])
    if "unmeasured" in answer:
        raise Unmeasured(answer["unmeasured"])
    return answer["answer"]


def _end(process):
    """Let it stop what it has started, then end what is left of its group."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LEAVE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        pipe.close()


def _last_words(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:WORDS_MAX] if lines else ""


def main(where, args):
    module, _, name = where.partition(":")
    try:
        answer = {"answer": getattr(importlib.import_module(module), name)(*json.loads(args))}
    except Unmeasured as exc:
        answer = {"unmeasured": str(exc)}
    sys.stdout.write("\n" + json.dumps(answer))
    sys.stdout.flush()


if __name__ == "__main__":
    from bench.apart import (
        main as called_as_a_module,
    )  # one Unmeasured, also for those who import this module

    called_as_a_module(*sys.argv[1:])
