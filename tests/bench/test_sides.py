"""The programs that are measured, as small as they can be, and what is made of what they say."""

import asyncio

import pytest

from bench.apart import Unmeasured, apart
from bench.brokers import figures as brokers_figures
from bench.carrier import PythonCarrier
from bench.clients import Program
from bench.clients import figures as clients_figures
from bench.creators import command
from bench.creators import figures as creators_figures
from bench.load import Lap


def lap(**changed):
    return Lap(**{"jobs": 10.0, "took_s": 2.0, "cpu_s": 0.001, "finished": True, "faults": 0} | changed)


def test_the_first_lap_of_a_broker_is_a_warm_up():
    found = brokers_figures("mosquitto", 10, [lap(took_s=100.0), lap(), lap(took_s=3.0)], 20_480)
    assert (found["jobs_s"], found["cpu_us"], found["kb"], found["note"]) == (4.0, 100.0, 2.0, "")


def test_what_a_peer_lost_is_said_and_what_ours_lost_gives_no_figure():
    laps = [lap(), lap(finished=False, faults=2)]
    assert "what arrived counts" in brokers_figures("amqtt", 10, laps, 0)["note"]
    assert "damaged" in brokers_figures("amqtt", 10, laps, 0)["note"]
    with pytest.raises(Unmeasured, match="the embedded broker lost"):
        brokers_figures("ours", 10, laps, 0)


def test_a_client_is_counted_by_whose_reports_arrived():
    connected = {"connected": 20, "why": ""}
    found = clients_figures(20, connected, 1.0, 40_960, [(20, 100, 1.0, 0), (15, 75, 1.0, 0)], 0.0035)
    assert (found["devices"], found["jobs_s"], found["cpu_us"], found["kb"]) == (15, 17.5, 100.0, 2.0)
    assert found["note"] == "15 of 20 devices did their jobs"
    assert found["connect_s"] is None
    with pytest.raises(Unmeasured, match="no report of them arrived"):
        clients_figures(20, connected, 1.0, 0, [(0, 0, 1.0, 0)], 1.0)


def test_the_embedded_broker_is_measured():
    found = apart("bench.brokers:measure", "ours", 20, 2, limit_s=60)
    assert found["jobs_s"] > 0
    assert found["note"] == ""


async def test_devices_over_our_own_link_do_their_jobs():
    carrier = PythonCarrier("embedded")
    with carrier:
        program = Program("ours", carrier.address, 10)
        try:
            await asyncio.to_thread(program.hear, "imported", 60)
            program.go()
            assert (await asyncio.to_thread(program.hear, "connected", 60))["connected"] == 10
            for number in range(2):
                await carrier.expect(10, number)
                await carrier.go(10, number)
                async with asyncio.timeout(60):
                    while (await carrier.figures())["arrived"] < 50:
                        await asyncio.sleep(0.01)
                assert (await carrier.figures())["odd"] == 0
        finally:
            program.close()


def load_report(**changed):
    seen = {
        "name": "create task",
        "count": 3,
        "errors": 1,
        "rate": 41.5,
        "percentiles": {"p50_us": 5_000, "p95_us": 9_000, "p99_us": None},
    }
    return {"measurements": [{"name": "cancel task"}, seen], "audit": {"audited": True}} | changed


def test_a_load_report_is_read():
    assert creators_figures(load_report()) == {
        "tasks_s": 41.5,
        "p50_ms": 5.0,
        "p95_ms": 9.0,
        "p99_ms": None,
        "note": "1 failed",
        "audited": True,
    }


def test_a_rate_that_is_too_much_is_said_and_a_broken_rule_gives_no_figure():
    assert "more than" in creators_figures(load_report(failures=["20 creators were too few"]))["note"]
    with pytest.raises(Unmeasured, match="I3"):
        creators_figures(load_report(audit={"audited": True, "findings": [{"rule": "I3"}]}))
    with pytest.raises(Unmeasured, match="Locust died"):
        creators_figures(load_report(trouble=["Locust died"]))


def test_the_load_command_is_the_one_that_users_have():
    words = command(20, 1_000, 30, 40, "/reports")
    assert words[3:5] == ["load", "create-task"]
    assert words[-2:] == ["--rate", "40/s"]
    assert "--rate" not in command(20, 1_000, 30, 0, "/reports")


def test_a_whole_run_over_two_processes_is_measured():
    found = apart("bench.fleets:measure", 20, limit_s=60)
    assert set(found) == {
        "connect_s",
        "jobs_s",
        "told_ms",
        "stub_us",
        "fleet_us",
        "both_us",
        "stub_kb",
        "fleet_kb",
    }
    assert min(found["jobs_s"], found["stub_us"], found["told_ms"]) > 0
