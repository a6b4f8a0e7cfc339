"""The locustfile by itself, as users of Locust run it."""

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession

from platform_stub.server import Stub
from scenarios.auditor import audit_database
from scenarios.load.locust_process import meeting_words
from tests.scenarios.load.tasks.loads import ROOT, started

LOCUST = (
    "-m",
    "locust",
    "-f",
    str(ROOT / "scenarios" / "load" / "locustfile_tasks.py"),
    "--task-devices",
    "10",
)


@pytest.mark.parametrize("words", [(), ("--processes", "2")], ids=["one process", "master and workers"])
async def test_it_makes_its_ground_itself_and_prints_exact_percentiles(tmp_path, words):
    async with Stub(data=tmp_path / "data") as stub:
        async with started(
            *LOCUST, "-H", stub.http_url, "--headless", "-u", "4", "-r", "4", "--only-summary", "--task-count", "20",
            "--task-rate", "40/s", "--task-again", "50%", "--csv", str(tmp_path / "load"), *words, *meeting_words(words),
        ) as process:  # fmt: skip
            code, out, err = await process.end()
        assert code == 0, out + err
        assert audit_database(tmp_path / "data").ok
    exact = out[out.index("exact, from intended starts") :]
    row = next(line for line in exact.splitlines() if line.startswith("  create task  "))
    assert row.split()[2:4] == ["20", "0"]
    stats = (tmp_path / "load_stats.csv").read_text()
    assert "POST,create task,20,0," in stats


async def test_its_web_page_starts_and_shows_it():
    words = (
        "-u",
        "2",
        "-r",
        "2",
        "--autostart",
        "--web-port",
        "0",
        "--web-host",
        "127.0.0.1",
        "--task-reads",
        "1",
    )
    async with Stub() as stub, started(*LOCUST, "-H", stub.http_url, *words) as process:
        await process.until("All users spawned")
        exact = await _exact(f"http://127.0.0.1:{await _listening(process.process.pid)}/ota-sim")
        process.process.terminate()
        code, out, _ = await process.end()
    assert code == 0
    assert {"create task", "cancel task", "read task"} <= set(exact)
    assert "exact, from intended starts" in out


async def test_without_a_platform_it_says_so_and_ends():
    async with started(*LOCUST, "-H", "http://127.0.0.1:9", "--headless", "-u", "2") as process:
        code, _, err = await process.end()
    assert code == 3
    assert "http://127.0.0.1:9: could not open an account: nobody answers" in err
    assert "Traceback" not in err


async def test_what_can_not_be_read_is_named():
    async with started(*LOCUST, "-H", "http://127.0.0.1:9", "--headless", "--task-rate", "quick") as process:
        code, _, err = await process.end()
    assert code == 3
    assert "--task-rate: a rate is wanted" in err


async def _listening(pid):
    """Find the port that a process listens at: Locust does not say which it got."""
    async with asyncio.timeout(60):
        while True:
            for port in _ports(pid):
                return port
            await asyncio.sleep(0.05)


def _ports(pid):
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    listening = {row[9]: int(row[1].partition(":")[2], 16) for row in rows if row[3] == "0A"}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue
        inode = target.removeprefix("socket:[").removesuffix("]")
        if inode in listening:
            yield listening[inode]


async def _exact(url):
    """Ask until something was counted of each."""
    async with asyncio.timeout(60), ClientSession() as session:
        while True:
            try:
                async with session.get(url) as answer:
                    measured = {each["name"]: each["count"] for each in json.loads(await answer.read())}
            except ClientError:
                measured = {}
            if {"create task", "cancel task", "read task"} <= set(measured):
                return measured
            await asyncio.sleep(0.05)
