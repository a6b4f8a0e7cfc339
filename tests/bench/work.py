"""Work for a process of its own."""

import os
import subprocess
import sys
import time
from pathlib import Path

from bench.apart import Unmeasured


def add(one, other):
    print("words on standard output do not disturb")  # noqa: T201 - that is what is tried
    return [os.getpid(), one + other]


def fail():
    raise ValueError("no such broker")


def refuse():
    raise Unmeasured("mosquitto is not installed")


def hang(started):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(started).write_text(str(child.pid))
    while True:
        time.sleep(600)
