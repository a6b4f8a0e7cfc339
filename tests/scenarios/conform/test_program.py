"""The program: its command, its end, and what it leaves."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from platform_stub.protocol.errors import UsageFault
from scenarios.conform.program import NAMES, Program, fill_in, read_command

TOLD = {name: name.lower() for name in NAMES}


def test_placeholders_are_filled_in_after_the_command_is_split():
    words = read_command("./dev --http {http} --key={OTA_KEY} 'a b' {dir}/x")
    told = {**TOLD, "OTA_HTTP": "h:1", "OTA_KEY": "a b+/=", "OTA_DIR": "/with a space"}
    assert fill_in(words, told) == ["./dev", "--http", "h:1", "--key=a b+/=", "a b", "/with a space/x"]


@pytest.mark.parametrize("command", ["./dev '{\"json\": {}}' {}", "./dev {1} {x-y}"])
def test_other_braces_stay(command):
    assert "".join(fill_in(read_command(command), TOLD)).count("{") == command.count("{")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", "a command is wanted"),
        ("./dev 'x", "No closing quotation"),
        ("./dev {htpp}", "there is no placeholder {htpp}; there are {http} {mqtt}"),
    ],
)
def test_a_command_that_can_not_be(command, said):
    with pytest.raises(UsageFault, match=said.replace("{", r"\{")):
        read_command(command)


def program(tmp_path, code, **told):
    return Program((sys.executable, "-c", code), {**TOLD, **told}, tmp_path / "output.txt")


async def lines_of(running, count):
    """Wait until it has written so many lines."""
    while len(running.tail()) < count:
        assert not running.ended
        await turn()
    return running.tail()


async def turn():
    """Let the other process have its turn, and look again."""
    await asyncio.sleep(0.01)


async def test_it_is_told_by_its_environment(tmp_path):
    running = program(
        tmp_path, "import os; print(os.environ['OTA_KEY'], os.environ['OTA_HTTP'])", OTA_KEY="k"
    )
    await running.start()
    await running._process.wait()
    assert running.tail() == ["k ota_http"]
    assert running.ended == "ended with exit code 0"
    await running.stop()


async def test_the_whole_group_is_ended_even_when_it_will_not(tmp_path):
    code = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = os.fork()\n"
        "print(os.getpid(), flush=True)\n"
        "time.sleep(600)\n"
    )
    running = program(tmp_path, code)
    await running.start()
    pids = [int(line) for line in await lines_of(running, 2)]
    await running.kill()
    while any(alive(pid) for pid in pids):
        await turn()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    return stat.rpartition(")")[2].split()[0] != "Z"  # an orphan may wait for init to take it in


async def test_it_is_asked_to_leave_first(tmp_path):
    code = (
        "import signal, sys, time\n"
        "def leave(*_): print('left', flush=True); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, leave)\n"
        "print('here', flush=True)\n"
        "time.sleep(600)\n"
    )
    running = program(tmp_path, code)
    await running.start()
    await lines_of(running, 1)
    await running.stop()
    assert running.tail() == ["here", "left"]


async def test_a_killed_one_is_named_by_its_signal(tmp_path):
    running = program(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    await running.start()
    await running._process.wait()
    assert running.ended == "was ended by SIGSEGV"
    await running.stop()


async def test_a_program_that_is_not_there(tmp_path):
    running = Program(("/nowhere/at-all",), TOLD, tmp_path / "output.txt")
    with pytest.raises(UsageFault, match="/nowhere/at-all can't be started: No such file"):
        await running.start()
    await running.stop()


def test_the_tail_is_the_last_lines_whatever_they_are(tmp_path):
    running = program(tmp_path, "")
    assert running.tail() == []
    running.output.write_bytes(b"\xff\xfe\n\n" + b"".join(b"%d\r\n" % n for n in range(20_000)))
    assert running.tail(2) == ["19998", "19999"]
    running.output.write_bytes(b"a\tb \x1b[31mred\x07\n")
    assert running.tail() == ["a       b \N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}"]


OWNER = """
import asyncio, sys
from pathlib import Path
from scenarios.conform.program import Program

async def own():
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    running = Program((sys.executable, "-c", code), {}, Path(sys.argv[1]))
    await running.start()
    while not running.tail():
        await asyncio.sleep(0.01)
    print(running.tail()[0], flush=True)
    await asyncio.sleep(600)

asyncio.run(own())
"""


async def test_it_does_not_outlive_an_owner_that_is_killed(tmp_path):
    root = Path(__file__).parents[3]
    owner = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        OWNER,
        str(tmp_path / "output.txt"),
        stdout=subprocess.PIPE,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    watched = os.pidfd_open(int(await owner.stdout.readline()))
    owner.kill()
    await owner.wait()
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(watched, gone.set)
    async with asyncio.timeout(60):
        await gone.wait()
    asyncio.get_running_loop().remove_reader(watched)
    os.close(watched)
