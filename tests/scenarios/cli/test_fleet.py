"""`ota-sim devices export` and `ota-sim fleet` as their users run them, against a stub."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import ClientSession

from platform_stub.server import Stub

COMMAND = (sys.executable, "-c", "from scenarios.cli import main; main()")


async def start(*arguments):
    return await asyncio.create_subprocess_exec(
        *COMMAND, *map(str, arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


async def run(*arguments):
    process = await start(*arguments)
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def test_a_number_of_processes_that_cannot_be():
    """Refused in a line, before anything is read."""
    done = subprocess.run(
        [*COMMAND, "fleet", "--devices", __file__, "--processes", "99"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "'99' is no number of processes: 1 to 64 are wanted, or auto" in done.stderr


def spell(address):
    return f"{address[0]}:{address[1]}"


class Operator:
    def __init__(self, session):
        self.session = session

    async def post(self, path, body=b"{}", media="application/json"):
        async with self.session.post(path, data=body, headers={"Content-Type": media}) as reply:
            assert reply.ok, await reply.text()
            return await reply.json()


@pytest.fixture
async def stub():
    async with Stub() as stub:
        yield stub


@pytest.fixture
async def world(stub):
    async with open_world(stub) as world:
        yield world


@contextlib.asynccontextmanager
async def open_world(stub):
    """An account with three devices and a package."""
    async with ClientSession(stub.http_url) as session:
        operator = Operator(session)
        account = (await operator.post("/v1/accounts"))["account_id"]
        await operator.post(f"/v1/accounts/{account}/subscription")
        product = (await operator.post(f"/v1/accounts/{account}/products"))["product_id"]
        sheet = b"name,f_version,iccid\n" + b"".join(b"d%d,1.0,008%d\n" % (at, at) for at in (1, 2, 3))
        await operator.post(f"/v1/products/{product}/devices", sheet, "text/csv")
        path = f"/v1/products/{product}/packages?kind=FOTA&name=two&target=2.0"
        package = (await operator.post(path, bytes(5_000), "application/octet-stream"))["package_id"]
        await operator.post(f"/v1/packages/{package}/verification-skip")
        operator.account, operator.package = account, package
        yield operator


def order(world):
    body = json.dumps({"package_id": world.package, "device_ids": [1, 2, 3]}).encode()
    return world.post(f"/v1/accounts/{world.account}/tasks", body)


def fleet(stub, file, *more):
    return (
        "fleet",
        "--devices",
        file,
        "--http",
        spell(stub.http_address),
        "--mqtt",
        spell(stub.mqtt_address),
        *more,
    )


async def export(stub, world, file, *more):
    return await run(
        "devices", "export", "--http", spell(stub.http_address), "--account", world.account, "-o", file, *more
    )


async def test_export_then_run_until_idle(stub, world, tmp_path):
    file = tmp_path / "fleet.csv"
    code, out, err = await export(stub, world, file)
    assert (code, out, err) == (0, "", f"3 devices written to {file}; it holds their keys\n")
    assert file.read_text().splitlines()[1].split(",")[4] == "0081"
    await order(world)
    code, out, err = await run(*fleet(stub, file, "--until", "idle", "--quiet", "1s", "--seed", "7"))
    assert (code, out.splitlines()[0][:10]) == (0, "done after"), err
    assert "  devices    3, 3 in at the end, 0 busy" in out
    assert "  jobs       3 begun, 3 succeeded, 0 failed" in out
    assert "  downloads  3 answers, 15,000 bytes" in out
    assert "seed 7" in err
    assert "\x1b" not in out + err  # no terminal, no colours


@pytest.mark.parametrize("flow", ["south", "studio", "fuse", "mqtt"])
async def test_an_exported_flow_works_against_a_strict_stub(tmp_path, flow):
    file = tmp_path / "fleet.csv"
    async with Stub(strict=True) as stub, open_world(stub) as world:
        code, _, err = await export(stub, world, file, "--flow", flow)
        assert (code, err) == (0, f"3 devices written to {file}; it holds their keys\n")
        assert file.read_text().splitlines()[0].endswith(",s_version,flow,product_key")
        await order(world)
        code, out, err = await run(*fleet(stub, file, "--until", "idle", "--quiet", "1s", "--poll", "100ms"))
    assert (code, "  jobs       3 begun, 3 succeeded, 0 failed" in out) == (0, True), out + err
    assert ("MQTT" in err.splitlines()[0]) == (flow == "mqtt")
    assert "hint" not in out


async def test_devices_without_the_product_s_key_are_told_of_it(tmp_path):
    file = tmp_path / "fleet.csv"
    async with Stub(strict=True) as stub, open_world(stub) as world:
        await export(stub, world, file)
        code, out, err = await run(*fleet(stub, file, "--until", "idle", "--flow", "south"))
    assert (code, "(south code 1 (" in err) == (1, True), err
    assert "product_key (ota-sim devices export --flow south writes it)" in out


async def test_the_first_line_names_mqtt_where_it_is_used(stub, world, tmp_path):
    file = tmp_path / "fleet.csv"
    await export(stub, world, file)
    for options, is_named in (
        (("--flow", "fuse"), False),
        (("--flow", "fuse", "--inform"), True),
        ((), True),
    ):
        _, _, err = await run(*fleet(stub, file, "--until", "1ms", *options))
        assert ("MQTT" in err.splitlines()[0], "HTTP" in err.splitlines()[0]) == (is_named, True)


async def test_faults_and_hardware_as_options(stub, world, tmp_path):
    file = tmp_path / "fleet.csv"
    await export(stub, world, file)
    await order(world)
    options = ("--until", "idle", "--quiet", "1s", "--reboot", "10ms-20ms", "--storage", "1 MiB")
    faults = ("--fault", "cut,at=2000", "--fault", "fails,step=205,count=1")
    code, out, err = await run(*fleet(stub, file, *options, *faults))
    assert (code, err.splitlines()[-1]) == (1, "ota-sim: 1 jobs failed"), err
    assert "  jobs       3 begun, 2 succeeded, 1 failed" in out
    assert "  failed at  step 205: 1" in out
    assert "  struck     cut: 3, fails: 1" in out


async def test_a_battery_that_is_too_low(stub, world, tmp_path):
    file = tmp_path / "fleet.csv"
    await export(stub, world, file)
    await order(world)
    low = ("--battery", "20,swing=0", "--battery-min", "30", "--until", "idle", "--quiet", "1s")
    code, out, _ = await run(*fleet(stub, file, *low))
    assert (code, "  failed at  step 105: 3" in out) == (1, True), out
    assert "battery at 20 %" in out


@pytest.mark.parametrize(
    ("option", "value", "wrong"),
    [
        ("--fault", "explode", "Invalid value for '--fault': there is no fault 'explode'; there are silent,"),
        ("--fault", "silent,count=4", "ota-sim: --fault silent,count=4: there are only 3 to choose 4 from"),
        ("--battery", "full", "Invalid value for '--battery': per cent are wanted"),
        ("--storage", "much", "Invalid value for '--storage': a size is wanted"),
        ("--install", "60s-10s", "Invalid value for '--install': '60s-10s' goes downwards"),
    ],
)
async def test_what_can_not_be_is_refused_before_anything_starts(stub, world, tmp_path, option, value, wrong):
    file = tmp_path / "fleet.csv"
    await export(stub, world, file)
    code, out, err = await run(*fleet(stub, file, option, value))
    assert (code, out) == (2, "")
    assert wrong in " ".join(err.split())


async def test_the_help_names_spans_as_such():
    _, out, _ = await run("fleet", "--help")
    assert "--poll SPAN" in out


async def test_export_to_stdout(stub, world):
    code, out, err = await run(
        "devices", "export", "--http", spell(stub.http_address), "--account", world.account
    )
    assert (code, err, out.count("\n")) == (0, "", 4)


async def test_export_of_nothing(stub, world, tmp_path):
    code, _, err = await run("devices", "export", "--http", spell(stub.http_address), "--account", 99)
    assert (code, err) == (2, "ota-sim: there is no account 99 (not_found)\n")
    code, _, err = await export(stub, world, tmp_path / "none" / "x.csv")
    assert (code, "No such file" in err) == (2, True)


async def test_ctrl_c_prints_the_summary(stub, world, tmp_path):
    file = tmp_path / "fleet.csv"
    await export(stub, world, file)
    process = await start(*fleet(stub, file))
    async with asyncio.timeout(30):
        while b"3 of 3 devices in" not in await process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert process.returncode == 130
    assert out.decode().startswith("stopped after")
    assert b"Traceback" not in err


async def test_a_span_and_a_wrong_key(stub, world, tmp_path):
    file = tmp_path / "fleet.csv"
    await export(stub, world, file)
    lines = file.read_text().splitlines()
    cells = lines[2].split(",")
    cells[3] = "AAAA"
    file.write_text("\n".join([*lines[:2], ",".join(cells), lines[3]]) + "\n")
    code, out, err = await run(*fleet(stub, file, "--until", "3s"))
    assert (code, err.splitlines()[-1]) == (1, "ota-sim: 1 of 3 devices are not in")
    assert "CONNACK 5 (not authorised)" in out
    code, _, err = await run(*fleet(stub, file, "--until", "idle"))
    assert (code, "1 of 3 devices are not ready: device 2 is waiting (CONNACK 5" in err) == (1, True)


async def test_a_bad_csv_starts_nothing(tmp_path):
    file = tmp_path / "fleet.csv"
    file.write_text("device_id,product_id,name,key\nx,p1,d1,AAAA\n2,p1,d 2,AAAA\n")
    code, out, err = await run("fleet", "--devices", file)
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        f"{file}:2: device_id: 'x' is no device ID: a whole number from 1 is wanted",
        f"{file}:3: name: 'd 2' is not 1-64 of A-Z a-z 0-9 _ -",
    ]


async def test_nobody_is_there(tmp_path):
    async with Stub() as stub:
        pass
    file = tmp_path / "fleet.csv"
    file.write_text("device_id,product_id,name,key\n1,p1,d1,AAAA\n")
    code, _, err = await run(*fleet(stub, file, "--until", "2s"))
    assert (code, "nobody answers there. Is `ota-sim serve` running?" in err) == (3, True)
    code, _, err = await run(*fleet(stub, file, "--until", "idle", "--give-up", "2s"))
    assert (code, "Connection refused" in err) == (3, True)
    code, _, err = await run("devices", "export", "--http", spell(stub.http_address), "--account", 1)
    assert (code, "Is `ota-sim serve` running there?" in err) == (3, True)


async def test_an_until_that_is_none(tmp_path):
    file = tmp_path / "x.csv"
    file.write_text("")
    code, _, err = await run("fleet", "--devices", file, "--until", "soon")
    assert (code, "or idle" in err) == (2, True)


async def test_devices_that_speak_http(stub, world, tmp_path):
    """A column names the flow of some, an option that of the rest."""
    file = tmp_path / "fleet.csv"
    await export(stub, world, file)
    head, *rows = file.read_text().splitlines()
    flows = ["south", "studio", ""]
    lines = [f"{head},flow", *(f"{row},{flow}" for row, flow in zip(rows, flows, strict=True))]
    file.write_text("\n".join(lines) + "\n")
    await order(world)
    code, out, err = await run(
        *fleet(stub, file, "--until", "idle", "--quiet", "1s", "--flow", "fuse", "--poll", "100ms")
    )
    assert (code, out.splitlines()[0][:10]) == (0, "done after"), err
    for flow in ("fuse", "studio", "south"):
        assert f"  {flow:<11}1 devices, 1 in, 1 jobs begun, 1 succeeded, 0 failed, " in out
    assert "mqtt  " not in out


async def test_a_device_that_http_refuses_is_named(stub, world, tmp_path):
    file = tmp_path / "fleet.csv"
    await export(stub, world, file)
    lines = file.read_text().splitlines()
    cells = lines[2].split(",")
    cells[3] = "AAAA"
    file.write_text("\n".join([*lines[:2], ",".join(cells), lines[3]]) + "\n")
    code, out, err = await run(*fleet(stub, file, "--until", "idle", "--flow", "fuse"))
    assert (code, "1 of 3 devices are not ready: device 2 is waiting (fuse code 10403 (" in err) == (
        1,
        True,
    ), err
    assert "  refused    fuse code 10403: " in out


@pytest.mark.parametrize(("option", "value"), [("--flow", "smoke"), ("--poll", "soon"), ("--poll", "0s")])
async def test_a_flow_or_poll_that_is_none(tmp_path, option, value):
    file = tmp_path / "x.csv"
    file.write_text("device_id,product_id,name,key\n1,p1,d1,AAAA\n")
    code, out, err = await run("fleet", "--devices", file, option, value)
    assert (code, out) == (2, ""), err


async def test_devices_that_are_told_over_mqtt_and_work_over_http(stub, world, tmp_path):
    file = tmp_path / "fleet.csv"
    await export(stub, world, file)
    process = await start(*fleet(stub, file, "--flow", "studio", "--poll", "1h", "--inform"))
    async with asyncio.timeout(30):
        while b"3 of 3 devices in" not in await process.stderr.readline():
            pass
        await order(world)
        while b"3 of 3 devices in; 0 busy; jobs 3 succeeded" not in await process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert process.returncode == 130, err
    assert "  studio     3 devices, 3 in, 3 jobs begun, 3 succeeded, 0 failed, " in out.decode()


async def test_over_two_processes(stub, world, tmp_path):
    path = tmp_path / "fleet.csv"
    code, _, err = await run(
        "devices", "export", "--http", spell(stub.http_address), "--account", world.account, "-o", path
    )
    assert code == 0, err
    await order(world)
    code, out, err = await run(
        "fleet", "--devices", path, "--http", spell(stub.http_address), "--mqtt", spell(stub.mqtt_address),
        "--processes", "2", "--until", "idle", "--quiet", "300ms", "--fault", "fails,step=103,count=1",
    )  # fmt: skip
    assert "3 devices go over 2 fleet processes here" in err
    assert "devices    3, 3 in at the end, 0 busy" in out
    assert "jobs       3 begun, 2 succeeded, 1 failed" in out
    assert code == 1


async def test_a_process_of_the_fleet_that_dies_is_named(stub, world, tmp_path):
    path = tmp_path / "fleet.csv"
    await run("devices", "export", "--http", spell(stub.http_address), "--account", world.account, "-o", path)
    process = await start(
        "fleet", "--devices", path, "--http", spell(stub.http_address), "--mqtt", spell(stub.mqtt_address),
        "--processes", "2",
    )  # fmt: skip
    async with asyncio.timeout(60):
        while b"3 of 3 devices in" not in await process.stderr.readline():
            assert process.returncode is None
        os.kill(children_of(process.pid)[-1], signal.SIGKILL)
        out, err = await process.communicate()
    assert process.returncode == 3
    assert re.search(r"ota-sim: fleet process [12] of 2 \(process \d+\) died: signal SIGKILL\n", err.decode())
    assert "stopped after" in out.decode()


def children_of(pid):
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(folder.name))
    return sorted(found)
