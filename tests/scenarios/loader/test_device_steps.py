"""Hardware, faults, and steps about devices: what is read as what, and what can't be."""

from pathlib import Path

import pytest
from msgspec import structs

from device_sim.core.faults import ALWAYS, MEANINGS, Fault
from device_sim.core.state import Link, Stage
from device_sim.core.world import Level, Span, World
from platform_stub.protocol.operator import RegisterDevice
from scenarios import model
from scenarios import play as p
from scenarios.loader import ScenarioFault
from scenarios.loader.files import load_bytes
from scenarios.schema import scenario_schema
from scenarios.selection import parse_selection

HEAD = """\
version: 1
name: x
fleets:
  meters: {count: 4}
  loggers: {count: 2, flow: fuse}
  sleepers: {count: 2, connect: false}
steps:
"""


def plays_of(text):
    return load_bytes(text.encode(), "x.yaml", Path())


def step_of(text):
    (play,) = plays_of(f"{HEAD}  - id: s\n    {text}\n")
    return play.steps[0]


def mistakes_of(text):
    with pytest.raises(ScenarioFault) as caught:
        plays_of(text)
    return [str(mistake).removeprefix("x.yaml:") for mistake in caught.value.mistakes]


def devices(*texts, where=""):
    return tuple(structs.replace(parse_selection(text), where=where) for text in texts)


METERS = devices("meters")
FAULTS = [
    ("what: silent, times: always", Fault(what="silent", times=ALWAYS)),
    ("what: refuse_inform, times: 2", Fault(what="refuse_inform", times=2)),
    ("what: cut, at: 1 KiB, times: 3, attempts: 2, after: 1, update: SOTA",
     Fault(what="cut", at_byte=1_024, times=3, attempts=2, after=1, update="SOTA")),
    ("what: cut, at_byte: 0", Fault(what="cut", at_byte=0)),
    ("what: slow, rate: 2 KiB", Fault(what="slow", rate=2_048)),
    ("what: fails, step: 205, attempts: always", Fault(what="fails", step=205, attempts=ALWAYS)),
    ("what: wrong_version, version: 1.0", Fault(what="wrong_version", version="1.0")),
    ("what: hang, at: install, for: 10s", Fault(what="hang", at="install", for_ms=10_000)),
    ("what: hang, at: 100", Fault(what="hang", at="download", at_byte=100)),
    ("what: power_loss, at: download, at_byte: 1 KiB, for: 2 min",
     Fault(what="power_loss", at="download", at_byte=1_024, for_ms=120_000)),
    ("what: boot_fails, boots: 2", Fault(what="boot_fails", boots=2)),
    ("what: lose_reports, step: 101", Fault(what="lose_reports", step=101)),
    ("what: double_reports", Fault(what="double_reports")),
    ("what: late_reports, for: 500 ms", Fault(what="late_reports", for_ms=500)),
    ("what: reorder_reports", Fault(what="reorder_reports")),
    ("what: clock_skew, by: -2d", Fault(what="clock_skew", skew_ms=-172_800_000)),
    ("what: expired_token", Fault(what="expired_token")),
    ("what: reconnects, for: 1s", Fault(what="reconnects", for_ms=1_000)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "fault"), FAULTS, ids=lambda value: str(value)[:24])
def test_each_fault(text, fault):
    assert step_of(f"fault: {{devices: meters, {text}}}").action == p.SetFaults(devices=METERS, fault=fault)
    (play,) = plays_of(HEAD.replace("count: 4", f"count: 4, faults: [{{{text}}}]") + "  - {id: s, buy: 1}\n")
    assert play.fleets[0].faults == (fault,)


def test_every_kind_of_fault_is_read_here():
    assert {fault.what for _, fault in FAULTS} | {"check_fails"} == set(MEANINGS)


ACTIONS = [
    ("upload: {kind: SOTA, target: 3, package: 9, from: 1, manufacturer: A, model: M, skip: true}",
     p.Upload(package=p.PackageFacts(product="main", kind="SOTA", target="3", size_bytes=9, start_version="1",
                                     manufacturer="A", model="M"), skip=True)),
    ("upload: {kind: FOTA, target: 3}",
     p.Upload(package=p.PackageFacts(product="main", kind="FOTA", target="3", size_bytes=4_096))),
    ("register: {fleet: late, count: 3, flow: south, manufacturer: A, model: M, device: {boots: 2}}",
     p.Register(fleet=p.FleetStart(name="late", product="main", connect=True, count=3, rows=(), f_version="1.0",
                                   s_version="1.0", flow="south", manufacturer="A", model="M",
                                   world=World(boots_max=2)))),
    ("clear_faults: {}", p.ClearFaults(by=None)),
    ("clear_faults: {devices: meters}", p.ClearFaults(by=None, devices=METERS)),
    ("set_devices: {devices: meters, battery: 12.5%, signal: 0, storage: 1 KiB, mcu_storage: 0}",
     p.SetDevices(devices=METERS, battery=12.5, signal=0.0, storage_bytes=1_024, mcu_storage_bytes=0)),
    ("power_off: {devices: 50% of meters}", p.PowerOff(devices=devices("50% of meters", where="s"))),
    ("power_off: {devices: meters, for: 1h}", p.PowerOff(devices=METERS, for_ms=3_600_000)),
    ("power_on: {devices: meters}", p.PowerOn(devices=METERS)),
    ("storm: {devices: meters but loggers}", p.Storm(devices=devices("meters but loggers"))),
    ("swap_cards: {devices: meters}", p.SwapCards(devices=METERS)),
    ("renew_keys: {devices: 2 of meters}", p.RenewKeys(devices=devices("2 of meters", where="s"))),
    ("renew_keys: {devices: meters, told: false}", p.RenewKeys(devices=METERS, told=False)),
    ('wait_until: {until: {left: ">= 3"}, advance: 2h}',
     p.WaitUntil(of=None, until=p.Expected(counts={"left": p.Bounds(low=3)}), advance_ms=7_200_000)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "action"), ACTIONS)
def test_each_action(text, action):
    assert step_of(text).action == action


def test_what_a_device_is():
    (play,) = plays_of("""\
version: 1
name: x
fleets:
  plain: {count: 1}
  worn:
    count: 1
    device:
      storage: 2 MiB
      mcu_storage: 512 KiB
      battery: {start: 80, per_hour: -1.5, swing: 10, period: 12h}
      signal: 40
      battery_min: 20
      signal_min: 5
      install: 10s-1 min 30s
      reboot: 5s
      boots: 2
      flush: 0
steps: [{id: s, buy: 1}]
""")
    assert [fleet.world for fleet in play.fleets] == [
        World(),
        World(
            storage_bytes=2 * 2**20,
            mcu_storage_bytes=512 * 1_024,
            battery=Level(start=80.0, per_hour=-1.5, swing=10.0, period_ms=12 * 3_600_000),
            signal=Level(start=40.0),
            battery_min=20,
            signal_min=5,
            install=Span(low_ms=10_000, high_ms=90_000),
            reboot=Span(low_ms=5_000, high_ms=5_000),
            boots_max=2,
            flush_bytes=0,
        ),
    ]
    assert play.fleets[0].world == World(flush_bytes=16 * 1_024)


MISTAKES = [
    ("fault: {devices: meters, what: cut}", ["9:12: steps.s.fault: cut wants at, as in at: 10 KiB"]),
    ("fault: {devices: meters, what: cut, at: install}",
     ["9:45: steps.s.fault.at: a download is cut once so much is there, as in at: 10 KiB"]),
    ("fault: {devices: meters, what: silent, rate: 1}",
     ["9:44: steps.s.fault.rate: silent takes no rate; it takes times"]),
    ("fault: {devices: meters, what: silent, attempts: 2}",
     ["9:44: steps.s.fault.attempts: silent is about no job in particular, so it takes no attempts"]),
    ("fault: {devices: meters, what: slow, rate: 1, step: 206, at: install}",
     ["9:51: steps.s.fault.step: slow takes no step; it takes rate, attempts, after, update, times",
      "9:62: steps.s.fault.at: slow takes no at; it takes rate, attempts, after, update, times"]),
    ("fault: {devices: meters, what: slow, rate: 0}",
     ["9:48: steps.s.fault.rate: at no bytes a second nothing comes at all; hang does that"]),
    ("fault: {devices: meters, what: fails, step: 201}",
     [("9:49: steps.s.fault.step: a device fails with one of 102, 103, 104, 105, 106, 107, 202, 203, 204, 205, "
       "206, 207")]),
    ("fault: {devices: meters, what: hang, at: install, at_byte: 3}",
     ["9:64: steps.s.fault.at_byte: so much of the package goes with at: download, not with install"]),
    ("fault: {devices: meters, what: hang, at: 5, at_byte: 3}",
     ["9:49: steps.s.fault.at_byte: at says already after how much of the package"]),
    ("fault: {devices: meters, what: hang, at: instal}",
     [("9:46: steps.s.fault.at: expected a place in the job (told, download, downloaded, install, reboot, updated), or "
       "a size such as 10 KiB: once so much of the package is there, found 'instal'")]),
    ("fault: {devices: meters, what: hang, at: install, for: 0s}",
     ["9:60: steps.s.fault.for: a span is longer than nothing, and 100 years at most"]),
    ("fault: {devices: meters, what: cutt, at: 1}",
     [("9:36: steps.s.fault.what: expected one of boot_fails, check_fails, clock_skew, cut, double_reports, "
       "expired_token, fails, hang, late_reports, lose_reports, power_loss, reconnects, refuse_inform, "
       "reorder_reports, silent, slow, wrong_version, found 'cutt'; did you mean cut?")]),
    ("fault: {devices: loggers, what: refuse_inform}",
     ["9:37: steps.s.fault.what: these devices speak fuse, and refuse_inform is known to mqtt only"]),
    ("fault: {devices: meters, what: check_fails}",
     ["9:36: steps.s.fault.what: these devices speak mqtt, and check_fails is known to fuse, studio, south only"]),
    ("fault: {devices: sleepers, what: silent}",
     [("9:22: steps.s.fault.devices: these devices are not connected (connect: false), so nothing goes wrong with "
       "them")]),
    ("fault: {devices: 5 of meters, what: silent}", ["9:22: steps.s.fault.devices: 5 of only 4 devices"]),
    ("fault: {devices: 101% of meters, what: silent}",
     ["9:22: steps.s.fault.devices: '101%' is neither a number of devices nor a share up to 100%"]),
    ("fault: {devices: meters but pumps, what: silent}",
     ["9:22: steps.s.fault.devices: no fleet or group is named pumps; there are meters, loggers, sleepers"]),
    ("clear_faults: {by: s}", ["9:24: steps.s.clear_faults.by: step s sets no fault of devices"]),
    ("clear_faults: {by: t}",
     ["9:24: steps.s.clear_faults.by: no step is named t, and none sets a fault of devices"]),
    ("set_devices: {devices: meters}",
     ["9:18: steps.s.set_devices: nothing is changed; there are battery, signal, storage, mcu_storage"]),
    ("set_devices: {devices: meters, battery: 101}",
     ["9:45: steps.s.set_devices.battery: expected 100 or less, found 101"]),
    ("power_off: {devices: meters, for: 0s}",
     ["9:39: steps.s.power_off.for: a time without power is longer than nothing, and 100 years at most"]),
    ("power_on: {devices: sleepers}",
     ["9:25: steps.s.power_on.devices: these devices are not connected (connect: false), so they get none"]),
    ("storm: {devices: loggers}",
     [("9:22: steps.s.storm.devices: these devices speak fuse, and only over mqtt is there a connection to cut")]),
    ('swap_cards: {devices: "meters[1-3]"}',
     ["9:27: steps.s.swap_cards.devices: cards are swapped by two and two, and these are 3"]),
    ("register: {fleet: meters, count: 1}",
     ["9:23: steps.s.register.fleet: meters is a fleet or group already; take another name"]),
    ("register: {fleet: first, count: 1}",
     ["9:23: steps.s.register.fleet: 'first' is a word of selections; take another name"]),
    ("register: {fleet: late}", ["9:15: steps.s.register: a fleet has either a count or a file"]),
    ("register: {fleet: late, count: 1, product: other}",
     ["9:48: steps.s.register.product: no product is named other; there are main"]),
    ("register: {fleet: late, count: 1, faults: [{what: check_fails}]}",
     [("9:55: steps.s.register.faults[0].what: these devices speak mqtt, and check_fails is known to fuse, studio, "
       "south only")]),
    ("register: {fleet: late, count: 1, device: {install: 9s-3s}}",
     ["9:57: steps.s.register.device.install: '9s-3s' goes downwards; write the shorter span first, as in 10s-60s"]),
    ("wait_until: {until: {}}",
     [("9:25: steps.s.wait_until.until: nothing is written under until; there are left, purchased_left, free_left, "
       "balance, fee, jobs, versions, entitlements, notices, task_state, auto_added, distribution, deliveries, pushes, "
       "struck, running, messages, pushed, journal")]),
    ("wait_until: {until: {task_state: finished}}",
     ["9:26: steps.s.wait_until.until.task_state: task_state is a task's; name the step that created it with of: STEP"]),
    ("wait_until: {until: {outcome: done}}",
     [("9:26: steps.s.wait_until.until.outcome: no field is named 'outcome' here; there are left, purchased_left, "
       "free_left, balance, fee, jobs, versions, entitlements, notices, task_state, auto_added, distribution and 7 more")]),
    ("wait_until: {until: {left: 1}}\n    wait: none",
     ["10:11: steps.s.wait: wait_until waits; give it a time, such as 30s"]),
    ("upload: {kind: FOTA, target: 2, from: 2, package: 31 MiB, product: other, model: M}",
     ["9:43: steps.s.upload.from: a differential package leads from another version than 2",
      "9:55: steps.s.upload.package: a package has at most 30 MiB",
      "9:72: steps.s.upload.product: no product is named other; there are main",
      "9:79: steps.s.upload.model: a package is for a manufacturer and a model; name both"]),
    ("buy: 1\n    xfail: ''", ["10:12: steps.s.xfail: expected a line of text, at most 200 characters, found ''"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), MISTAKES, ids=lambda value: str(value)[:40])
def test_mistakes(text, expected):
    assert mistakes_of(f"{HEAD}  - id: s\n    {text}\n") == expected


FLEETS = [
    ("faults: [{what: cut}]", ["4:31: fleets.meters.faults[0]: cut wants at, as in at: 10 KiB"]),
    ("flow: fuse, faults: [{what: reconnects, for: 1s}]",
     ["4:50: fleets.meters.faults[0].what: these devices speak fuse, and reconnects is known to mqtt only"]),
    ("connect: false, faults: [{what: refuse_inform}]",
     ["4:54: fleets.meters.faults[0].what: these devices are not connected, and refuse_inform is known to mqtt only"]),
    ("device: {battery: {start: 101}}",
     ["4:48: fleets.meters.device.battery.start: expected 100 or less, found 101"]),
    ("device: {battery: {period: 0s}}",
     ["4:49: fleets.meters.device.battery.period: a period is longer than nothing"]),
    ("device: {install: 10x}",
     ["4:40: fleets.meters.device.install: a span of time is wanted, such as 90s, 10 min or 30d, not '10x'"]),
    ("device: {instal: 10s}",
     [("4:31: fleets.meters.device.instal: no field is named 'instal' here; did you mean install?")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), FLEETS, ids=lambda value: str(value)[:40])
def test_mistakes_in_a_fleet(text, expected):
    text = f"version: 1\nname: x\nfleets:\n  meters: {{count: 1, {text}}}\nsteps: [{{id: s, buy: 1}}]\n"
    assert mistakes_of(text) == expected


def test_a_fleet_that_is_registered_is_known_from_then_on():
    text = (
        HEAD
        + """\
  - {id: early, create_task: {kind: FOTA, target: "2", devices: late}}
  - {id: reg, register: {fleet: late, count: 2}}
  - {id: good, create_task: {kind: FOTA, target: "2", devices: "late[1-2]"}}
  - {id: many, create_task: {kind: FOTA, target: "3", devices: first 3 of late}}
  - {id: twice, register: {fleet: late, count: 2}}
  - {id: again, create_again: {devices: meters, group: late}}
"""
    )
    assert mistakes_of(text) == [
        "8:65: steps.early.create_task.devices: group late is made by step reg, which comes later",
        "11:64: steps.many.create_task.devices: first 3 of only 2 devices",
        "12:35: steps.twice.register.fleet: late is made by step reg already; take another name",
        "13:56: steps.again.create_again.group: late is made by step reg already; take another name",
    ]


def test_an_injected_fault_may_be_for_devices_that_are_registered():
    text = HEAD + "  - {id: i, inject: {call: check, flow: studio, delay: 1s}}\n"
    assert mistakes_of(text) == [
        "8:41: steps.i.inject.flow: the scenario's devices speak fuse, mqtt, so flow studio strikes none of them"
    ]
    assert plays_of(text + "  - {id: r, register: {fleet: late, count: 1, flow: studio}}\n")


def test_a_registered_fleet_may_have_a_file(tmp_path):
    (tmp_path / "m.csv").write_text("name,flow\nm1,\nm2,fuse\n")
    text = "version: 1\nname: x\nsteps: [{id: s, register: {fleet: late, file: m.csv}}]\n"
    (play,) = load_bytes(text.encode(), "x.yaml", tmp_path)
    action = play.steps[0].action
    assert isinstance(action, p.Register)
    assert list(p.devices_of(action.fleet)) == [
        RegisterDevice(name=name, f_version="1.0", s_version="1.0") for name in ("m1", "m2")
    ]
    assert action.fleet.flows == ("mqtt", "fuse")


def test_stages_and_links_are_the_cores():
    fields = scenario_schema()["$defs"]["ExpectRunning"]["properties"]
    for name, kind in (("stage", Stage), ("link", Link)):
        assert fields[name]["enum"] == [each.name.lower() for each in kind]


def test_every_word_of_a_fault_has_its_place():
    wanted = {name for meaning in MEANINGS.values() for name in (*meaning.wants, *meaning.takes)}
    assert wanted == {"at", "at_byte", "rate", "step", "version", "for_ms", "skew_ms", "boots"}
    assert set(model.Fault.__struct_encode_fields__) == {
        "what", "at", "at_byte", "times", "attempts", "after", "update", "rate", "step", "version", "for", "by", "boots"
    }  # fmt: skip


def test_a_draw_says_where_it_stands():
    (play,) = plays_of(f"""\
{HEAD.replace("steps:", "groups: {some: 2 of meters}")}
steps:
  - id: a
    power_off: {{devices: [meters but 1 of meters, meters]}}
    expect: {{running: [{{devices: some, link: "off"}}, {{devices: 1 of some, link: "off"}}]}}
  - {{id: p, parallel: [{{id: b, storm: {{devices: 1 of meters}}}}, {{id: c, storm: {{devices: meters}}}}]}}
never: [{{running: [{{devices: 1 of meters, link: waiting}}]}}]
""")
    a, both = play.steps
    assert play.groups["some"][0].where == "some"
    assert [each.where for each in a.action.devices] == ["a", ""]
    assert a.action.devices[0].but[0].where == "a"
    assert [each.devices[0].where for each in a.expected.running] == ["", "a"]
    assert [step.action.devices[0].where for step in both.action.steps] == ["b", ""]
    assert play.never[0].expected.running[0].devices[0].where == "never"
