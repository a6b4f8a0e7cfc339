"""A PostgreSQL cluster of the tests' own: made in a temporary folder, reached over a socket in it, gone at the end.

The package's own cluster is neither needed nor touched. A server won't run as root, so under root all of it belongs
to the user nobody. It ends with the process that asked for it, even when that one is killed: a shell waits for the
end of its input.
"""

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from platform_stub.database_url import DatabaseUrl

PATIENCE_S = 60
# A crash of the machine loses nothing that a test wants to see again.
QUICK = (
    "-F",
    "-c",
    "full_page_writes=off",
    "-c",
    "shared_buffers=16MB",
    "-c",
    "max_connections=60",
    "-c",
    "autovacuum=off",
)
UNTIL_INPUT_ENDS = 'trap "" INT; "$@" & read -r _; kill -INT $!; wait $!'


def find_programs():
    """Find the folder of initdb and postgres; None when it is not installed."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True
    )
    return next((place for place in places if (place / "postgres").exists()), None)


class Cluster:
    """A server, and URLs of schemas in it that nobody has used."""

    def __init__(self, programs: Path, folder: Path, *, port=5432):
        self.programs, self.folder = programs, folder
        self._numbers = itertools.count(1)
        nobody = pwd.getpwnam("nobody")
        self._as = (
            {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        )
        if self._as:
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        self._server = None
        self._run("initdb", "-D", "data", "-U", "ota", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")

    def _run(self, program, *args):
        done = subprocess.run(
            [self.programs / program, *args], cwd=self.folder, capture_output=True, text=True, check=False, timeout=PATIENCE_S, **self._as
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def start(self, *settings):
        """Start it: as quick as it gets, or with some settings instead, such as "-c", "wal_level=minimal"."""
        command = [
            self.programs / "postgres",
            "-D",
            "data",
            "-k",
            self.folder,
            "-h",
            "",
            *(settings or QUICK),
        ]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                ["sh", "-c", UNTIL_INPUT_ENDS, "sh", *command], cwd=self.folder, stdin=subprocess.PIPE, stdout=log, stderr=log, **self._as
            )  # fmt: skip
        deadline = time.monotonic() + PATIENCE_S
        while not self.answers():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            assert self._server.poll() is None, (self.folder / "log").read_text()

    def answers(self):
        ready = [self.programs / "pg_isready", "-q", "-t", "1", "-h", self.folder]
        return subprocess.run(ready, check=False).returncode == 0

    def stop(self):
        """Stop it at once; who is connected is cut off."""
        if self._server is not None:
            self._server.stdin.close()
            self._server.wait(PATIENCE_S)
            self._server = None

    def url(self, schema=None):
        """Give the URL of a schema that is not there yet."""
        whole = DatabaseUrl.parse(f"postgresql://ota@/postgres?host={self.folder}")
        return whole.in_schema(schema or f"test_{next(self._numbers)}")

    def ask(self, query):
        """Ask by psql, as someone who knows none of our code; answers its lines."""
        command = [
            self.programs / "psql",
            "-X",
            "-q",
            "-A",
            "-t",
            "-h",
            self.folder,
            "-U",
            "ota",
            "-d",
            "postgres",
            "-c",
            query,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


@pytest.fixture(scope="session")
def cluster():
    """A running server for all tests of this process; skips where PostgreSQL is not installed."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (pip install 'ota-sim[postgres]')")
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="ota-sim-pg-"))
    server = Cluster(programs, folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
