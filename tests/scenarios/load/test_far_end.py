import asyncio
import os
import signal
from pathlib import Path

import pytest

from platform_stub.protocol.errors import UsageFault
from platform_stub.server import Stub
from scenarios.load.child import Child, LoadFault, python
from scenarios.load.far_end import address_of, at_url, own_stub
from scenarios.load.fleet.usage import usage_of
from scenarios.operator import HttpOperator


async def test_the_stub_of_a_load_answers_is_named_when_it_dies_and_leaves_its_folder(tmp_path):
    async with own_stub(tmp_path) as far:
        async with HttpOperator(far.http_url) as operator:
            assert await operator.injected() == []
        assert far.database == tmp_path
        assert usage_of(far.pid).resident_bytes > 0
        os.kill(far.pid, signal.SIGKILL)
        assert await far.gone() == "the stub died (signal SIGKILL)"
    assert (tmp_path / "ota-sim.db").exists()


async def test_a_stub_that_can_not_start_says_why(tmp_path):
    async with Stub(data=tmp_path):
        with pytest.raises(LoadFault, match="in use"):
            async with own_stub(tmp_path):
                pass


async def test_a_stub_elsewhere_is_asked_first():
    async with Stub() as stub, at_url(stub.http_url + "/") as far:
        assert (far.http_url, far.http, far.pid) == (stub.http_url, stub.http_address, None)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:80", "https://x", "http://", "http://x:99999", "http://x/path", "http://[x", ""]
)
def test_what_is_no_url_is_named(url):
    with pytest.raises(UsageFault, match="http://HOST:PORT is wanted"):
        address_of(url)


async def test_a_childs_lines_are_heard_and_its_last_words_kept(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\nprint('one'); print('two')\n"
        "sys.stderr.write('[2026-01-01 00:00:00,000] vm/INFO/locust.main: all is well\\n')\n"
        "sys.stderr.write('[2026-01-01 00:00:00,000] vm/ERROR/locust.main: it is not\\n')\n"
        "sys.exit(5)\n"
    )
    lines = []
    child = Child("the child", ["python3", str(program)], lines.append)
    await child.start()
    code = await child.ended()
    assert lines == [b"one\n", b"two\n"]
    assert child.epitaph(code) == "the child died (exit code 5): it is not"


async def test_a_child_that_does_not_listen_is_ended_all_the_same(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(600)\n"
    )
    up = asyncio.Event()
    child = Child("the child", ["python3", str(program)], lambda _: up.set())
    await child.start()
    await up.wait()
    assert await child.stop(0.2, signal.SIGTERM) == -signal.SIGKILL


async def test_what_a_child_started_does_not_outlive_it(tmp_path):
    """Its own child holds its standard error open, which must not be waited for either."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, time\nif pid := os.fork():\n    print(pid, flush=True)\n    os._exit(3)\ntime.sleep(600)\n"
    )
    lines = []
    child = Child("the child", ["python3", str(program)], lines.append)
    await child.start()
    async with asyncio.timeout(30):
        assert await child.ended() == 3
        while _runs(int(lines[0])):
            await asyncio.sleep(0.01)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_what_can_not_be_started_is_named():
    child = Child("the child", ["/no/such/program"], print)
    with pytest.raises(LoadFault, match="the child can't be started: No such file"):
        await child.start()
    assert await child.stop(1.0) == 0


def test_our_modules_are_found_wherever_the_caller_stands():
    assert python("scenarios.load.gateway", "x")[-2:] == ["scenarios.load.gateway", "x"]
