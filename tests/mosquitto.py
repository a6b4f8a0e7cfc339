"""mosquitto as a process of its own on a free port, for tests; whoever needs it is skipped where it is not installed."""

import contextlib
import os
import shutil
import socket
import subprocess
import threading

import pytest

OPEN = """\
allow_anonymous true
max_inflight_messages 0
max_queued_messages 0
set_tcp_nodelay true
"""
TRIES = 5
needs_mosquitto = pytest.mark.skipif(shutil.which("mosquitto") is None, reason="mosquitto is not installed")


class Mosquitto:
    """One broker, by its configuration without the listener; it can be killed and started again where it was."""

    def __init__(self, folder, config=OPEN, port=0, head=""):
        self.folder = folder
        self.config = config
        self.port = port
        self.head = head  # what has to stand before the listener
        self.lines = []
        self.popen = None

    @property
    def address(self):
        return "127.0.0.1", self.port

    @property
    def url(self):
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self):
        wanted = self.port
        for _ in range(TRIES):
            self.port = wanted or free_port()
            if self._runs():
                return
        raise AssertionError("\n".join(self.lines))

    def _runs(self):
        path = self.folder / "mosquitto.conf"
        logging = "log_dest stderr\nlog_type notice\nlog_type information\nlog_type warning\nlog_type error\n"
        stays = "user root\n" if os.geteuid() == 0 else ""  # else it becomes a user who may not read here
        path.write_text(f"{self.head}listener {self.port} 127.0.0.1\n{self.config}{logging}{stays}")
        self.popen = subprocess.Popen(["mosquitto", "-c", str(path)], stderr=subprocess.PIPE, text=True)
        for line in self.popen.stderr:
            self.lines.append(line.rstrip())
            if line.rstrip().endswith("running"):
                self.reader = threading.Thread(target=self._listen, args=(self.popen.stderr,), daemon=True)
                self.reader.start()
                return True
        self._reap()
        return False

    def _listen(self, pipe):
        """Keep the pipe from filling."""
        self.lines.extend(line.rstrip() for line in pipe)

    def kill(self):
        self.popen.kill()
        self.reader.join()
        self._reap()

    def _reap(self):
        self.popen.wait()
        self.popen.stderr.close()
        self.popen = None


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@contextlib.contextmanager
def mosquitto(folder, config=OPEN):
    """Run one, until the end."""
    broker = Mosquitto(folder, config)
    broker.start()
    try:
        yield broker
    finally:
        if broker.popen is not None:
            broker.kill()
