"""From a file to values: what is read as what, what is merged, and what defaults are."""

from pathlib import Path

import msgspec
import pytest

from platform_stub.protocol.operator import InjectFault, Policy, RegisterDevice, Retry
from scenarios import play as p
from scenarios.loader import ScenarioFault, load_file, load_files
from scenarios.loader.files import load_bytes
from scenarios.selection import Selection

HEAD = "version: 1\nname: x\nfleets: {meters: {count: 3}}\n"


def plays_of(text):
    return load_bytes(text.encode(), "x.yaml", Path())


def steps_of(steps):
    (play,) = plays_of(HEAD + "steps:\n" + steps)
    return play.steps


def test_a_small_scenario_and_its_defaults():
    (play,) = plays_of(HEAD + "steps: [{id: E1, buy: 3}]\n")
    assert play == p.Play(
        scenario="x",
        variant="",
        title="",
        variant_title="",
        file="x.yaml",
        covers=(),
        needs=(),
        seed=1,
        clock_ms=None,
        policy=Policy(),
        account=p.AccountStart(),
        products=(p.ProductStart(name="main", product_id=None, title="main"),),
        fleets=(
            p.FleetStart(
                name="meters",
                product="main",
                connect=True,
                count=3,
                rows=(),
                f_version="1.0",
                s_version="1.0",
            ),
        ),
        groups={},
        steps=(p.PlayStep(id="E1", title="", action=p.Buy(count=3), wait_ms=60_000, expected=p.Expected()),),
    )
    assert (play.name, play.device_count, play.connected_count) == ("x", 3, 3)
    assert [device.name for device in p.devices_of(play.fleets[0])] == ["meters-1", "meters-2", "meters-3"]


def test_variants_lay_over_the_scenario():
    plays = plays_of(
        HEAD
        + """\
policy: {free_devices: 5, price_fen: 200, charging_date: 1970-01-01T08:00:01+08:00}
account: {top_up: 20, buy: 3}
variants:
  A: {}
  B: {title: other, policy: {free_devices: 0, charging_date: null}, account: {top_up: 6.5}}
steps:
  - {id: s, check: {}, expect: {left: {A: 8, B: 3}, balance: {A: 14, B: 50 fen}, fee: 6, jobs: {}}}
"""
    )
    a, b = plays
    assert (a.name, b.name, b.variant_title) == ("x A", "x B", "other")
    assert a.policy == Policy(free_devices=5, price_fen=200, charging_date_ms=1_000)
    assert b.policy == Policy(free_devices=0, price_fen=200, charging_date_ms=None)
    assert a.account == p.AccountStart(top_up_fen=2_000, buy=3)
    assert b.account == p.AccountStart(top_up_fen=650, buy=3)
    assert a.steps[0].expected == p.Expected(counts={"left": 8}, amounts={"balance": 1_400, "fee": 600})
    assert b.steps[0].expected == p.Expected(counts={"left": 3}, amounts={"balance": 50, "fee": 600})


def facts(kind, target, size_bytes=4_096, product=None, **more):
    return p.PackageFacts(product=product, kind=kind, target=target, size_bytes=size_bytes, **more)


ALL_METERS = (Selection(text="meters", base="meters"),)
ACTIONS = [
    ("create_task: {kind: SOTA, target: 2.0, devices: meters}",
     p.CreateTask(package=facts("SOTA", "2.0"), devices=ALL_METERS, verification="skip")),
    ("create_task: {kind: FOTA, target: 1, devices: [meters, meters], package: 560, verification: open}",
     p.CreateTask(package=facts("FOTA", "1", size_bytes=560), devices=ALL_METERS * 2, verification="open")),
    (("create_task: {kind: FOTA, target: 2, scope: all, start_versions: [1.0, never], from: 1.0, start_in: 2h, "
      "expires: 1h, retry: {count: 3, interval: 90s}, signal: 0, battery: 100, notification: webhook, "
      "manufacturer: ACME, model: M-1, package: 1 KiB}"),
     p.CreateTask(
         package=facts("FOTA", "2", size_bytes=1_024, product="main", start_version="1.0", manufacturer="ACME",
                       model="M-1"),
         devices=(), verification="skip", scope="all", start_versions=("1.0", None), start_in_ms=7_200_000,
         expires_ms=3_600_000, retry=Retry(count=3, interval_s=90), signal=0, battery=100, notification="webhook",
     )),
    ("create_task: {kind: FOTA, target: 2, devices: meters, start_versions: 1.0, start_at: 2030-01-01T00:00Z}",
     p.CreateTask(package=facts("FOTA", "2"), devices=ALL_METERS, verification="skip", start_versions=("1.0",),
                  start_at_ms=1_893_456_000_000)),
    ("auto_add: {kind: SOTA, target: 3}",
     p.AutoAdd(package_of=None, package=facts("SOTA", "3", product="main"), start_versions=None, off=False)),
    ("auto_add: {kind: SOTA, target: 3, from: 1, package: 9, product: main, start_versions: [1, never]}",
     p.AutoAdd(package_of=None,
               package=facts("SOTA", "3", size_bytes=9, product="main", start_version="1"),
               start_versions=("1", None), off=False)),
    ("set_webhook: {}", p.SetWebhook(passes=True, failing=0, off=False)),
    ("set_webhook: {passes: false}", p.SetWebhook(passes=False, failing=0, off=False)),
    ("set_webhook: {failing: 2}", p.SetWebhook(passes=True, failing=2, off=False)),
    ("set_webhook: {off: true}", p.SetWebhook(passes=True, failing=0, off=True)),
    ("inject: {wrong_md5: true, call: inform, flow: mqtt, devices: meters, share: 12.5%, times: 2}",
     p.Inject(devices=ALL_METERS, share=12_500, rule=InjectFault(call="inform", generation="mqtt", times=2,
                                                                 wrong_md5=True))),
    ("inject: {delay: 1.5s, status: 503}", p.Inject(devices=(), rule=InjectFault(delay_ms=1_500, status=503))),
    ("inject: {call: download, cut_at: 2 KiB}",
     p.Inject(devices=(), rule=InjectFault(call="download", cut_at_bytes=2_048))),
    ("inject: {call: download, cut_at: 0}",
     p.Inject(devices=(), rule=InjectFault(call="download", cut_at_bytes=0))),
    ("inject: {silent: true, call: inform}", p.Inject(devices=(), rule=InjectFault(call="inform", silent=True))),
    ("clear_injected: {}", p.ClearInjected(by=None)),
    ("reconnect: {devices: meters}", p.Reconnect(devices=ALL_METERS)),
    ("fail: {devices: meters}", p.Fail(devices=ALL_METERS, step=206, times=1)),
    ("fail: {devices: meters, step: 103, times: 2}", p.Fail(devices=ALL_METERS, step=103, times=2)),
    ("wait_jobs: {}", p.WaitJobs(of=None)),
    ("replace_cards: {devices: meters}", p.ReplaceCards(devices=ALL_METERS)),
    ("terminate: {devices: meters}", p.Terminate(devices=ALL_METERS)),
    ("create_again: {devices: meters, group: anew}", p.CreateAgain(devices=ALL_METERS, group="anew")),
    ("move: {devices: meters, to: main}", p.Move(devices=ALL_METERS, to="main")),
    ("buy: 7", p.Buy(count=7)),
    ("grant: {count: 2, contract: 0017}", p.Grant(count=2, contract="0017")),
    ("cancel_licences: 1", p.CancelLicences(count=1)),
    ("top_up: 0.01", p.TopUp(amount_fen=1)),
    ("post: {amount: -12.3, reason: on}", p.Posting(amount_fen=-1_230, reason="on")),
    ("subscribe: true", p.Subscribe()),
    ("charging_date: null", p.SetChargingDate(at_ms=None)),
    ("charging_date: 1970-01-01T00:00Z", p.SetChargingDate(at_ms=0)),
    ("advance: 1d 2 h", p.Advance(span_ms=26 * 3_600_000)),
    ("advance_to: 1970-01-02 00:00:00.5 +00:00", p.AdvanceTo(at_ms=86_400_500)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "action"), ACTIONS)
def test_each_action(text, action):
    (step,) = steps_of(f"  - id: s\n    {text}\n")
    assert step.action == action


def test_actions_about_a_step():
    steps = steps_of("""\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: meters}, wait: none}
  - {id: b, retry_task: {of: a}, wait: 90s}
  - {id: c, cancel_task: {of: b}}
  - {id: d, check: {of: a}, expect: {reason: arrears}}
  - {id: e, pause_task: {of: a}}
  - {id: f, resume_task: {of: a}}
  - {id: g, cancel_jobs: {of: a, devices: "meters"}}
  - {id: h, auto_add: {of: a, start_versions: never}}
  - {id: i, auto_add: {of: a, off: true}}
  - {id: j, inject: {silent: true}}
  - {id: k, clear_injected: {by: j}}
""")
    assert [step.action for step in steps[1:]] == [
        p.RetryTask(of="a"),
        p.CancelTask(of="b"),
        p.Check(of="a"),
        p.PauseTask(of="a"),
        p.ResumeTask(of="a"),
        p.CancelJobs(of="a", devices=ALL_METERS),
        p.AutoAdd(package_of="a", package=None, start_versions=(None,), off=False),
        p.AutoAdd(package_of="a", package=None, start_versions=None, off=True),
        p.Inject(devices=(), rule=InjectFault(silent=True)),
        p.ClearInjected(by="j"),
    ]
    assert [step.wait_ms for step in steps[:4]] == [None, 90_000, 60_000, 60_000]
    assert steps[3].expected == p.Expected(reason="arrears")


def test_text_stays_text_and_nothing_becomes_a_float():
    (step,) = steps_of("  - {id: 007, title: yes, top_up: 10.10, expect: {outcome: done}}\n")
    assert (step.id, step.title, step.action) == ("007", "yes", p.TopUp(amount_fen=1_010))


def test_a_play_travels_as_messagepack():
    (play,) = plays_of(
        HEAD + "steps:\n" + "".join(f"  - {{id: s{n}, {text}}}\n" for n, (text, _) in enumerate(ACTIONS[2:6]))
    )
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(play), type=p.Play) == play


def test_what_a_fleet_speaks():
    (play,) = plays_of("""\
version: 1
name: x
fleets:
  a: {count: 1, flow: south}
  b: {count: 1}
  c: {count: 1, flow: south}
  d: {count: 1, flow: fuse, connect: false}
steps: [{id: s, buy: 1}]
""")
    assert [fleet.flow for fleet in play.fleets] == ["south", "mqtt", "south", "fuse"]
    assert play.flows == ("south", "mqtt")


def test_whose_devices_are():
    (play,) = plays_of("""\
version: 1
name: x
fleets: {a: {count: 1, flow: south, manufacturer: "102", model: M-1}, b: {count: 1, flow: south}}
steps: [{id: s, buy: 1}]
""")
    assert [(fleet.manufacturer, fleet.model) for fleet in play.fleets] == [("102", "M-1"), ("", "")]


def test_what_is_expected_of_the_flow():
    (step,) = steps_of("""\
  - id: hook
    inject: {silent: true}
    expect:
      struck: {hook: 0}
      auto_added: {success: 2}
      distribution: [{f_versions: {"1.0": 3, never: 1}}, {product: main, s_versions: {"1.0": 3}}]
""")
    assert step.expected == p.Expected(
        counts={"auto_added.success": 2, "struck.hook": 0},
        distribution=(
            p.ExpectedDistribution(product="main", f_versions={"1.0": 3, "never": 1}, s_versions=None),
            p.ExpectedDistribution(product="main", f_versions=None, s_versions={"1.0": 3}),
        ),
    )
    steps = steps_of("""\
  - {id: hook, set_webhook: {}, expect: {pushes: 0, deliveries: {delivered: 0}}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: meters}, expect: {task_state: finished}}
""")
    assert steps[0].expected == p.Expected(counts={"pushes": 0, "deliveries.delivered": 0})
    assert steps[1].expected == p.Expected(task_state="finished")


CSV = "name,iccid,key,f_version\nm1,0012345,a2V5MQ==,\nm2,,,2.0\n"


def test_a_fleet_from_a_file(tmp_path):
    (tmp_path / "m.csv").write_text(CSV)
    scenario = tmp_path / "x.yaml"
    scenario.write_text(
        'version: 1\nname: x\nfleets: {m: {file: m.csv, s_version: "5"}}\nsteps: [{id: s, buy: 1}]\n'
    )
    (play,) = load_file(scenario)
    assert list(p.devices_of(play.fleets[0])) == [
        RegisterDevice(name="m1", iccid="0012345", key="a2V5MQ==", f_version="1.0", s_version="5"),
        RegisterDevice(name="m2", f_version="2.0", s_version="5"),
    ]
    assert play.device_count == 2


def test_a_fleets_file_mixes_flows(tmp_path):
    (tmp_path / "m.csv").write_text(
        "device_id,product_id,name,flow,product_key,manufacturer\n"
        "7,abc,m1,fuse,,\n8,abc,m2,south,a2V5MQ==,ACME\n9,abc,m3,,,\n"
    )
    scenario = tmp_path / "x.yaml"
    scenario.write_text(
        "version: 1\nname: x\nfleets: {m: {file: m.csv, flow: south, model: M-1}}\nsteps: [{id: s, buy: 1}]\n"
    )
    (play,) = load_file(scenario)
    (fleet,) = play.fleets
    assert [fleet.habits_of(f"m{n}") for n in (1, 2, 3)] == [
        p.Habits(flow="fuse", model="M-1"),
        p.Habits(flow="south", manufacturer="ACME", model="M-1", has_product_key=True),
        p.Habits(flow="south", model="M-1"),
    ]
    assert play.flows == ("fuse", "south")
    assert play.products[0].access_key == "a2V5MQ=="


def test_two_files_of_a_product_with_two_keys(tmp_path):
    for name, key in (("a", "a2V5MQ=="), ("b", "a2V5Mg==")):
        (tmp_path / f"{name}.csv").write_text(f"name,product_key\n{name}1,{key}\n")
    text = b"version: 1\nname: x\nfleets: {a: {file: a.csv}, b: {file: b.csv}}\nsteps: [{id: s, buy: 1}]\n"
    with pytest.raises(ScenarioFault) as caught:
        load_bytes(text, "x.yaml", tmp_path)
    assert str(caught.value) == (
        "x.yaml:3:38: fleets.b.file: its product_key is another one than that of another fleet of product main"
    )


FLEET_MISTAKES = [
    ("name,flow,product_key,model\nm1,fuze,,\nm2,,a2V5MQ==,\nm3,,a2V5Mg==,\nm4,fuse,,M-1\nm5,,a2V5M,\n", [
        "m.csv:2:1: flow: expected one of fuse, mqtt, south, studio, found 'fuze'; did you mean fuse?",
        "m.csv:4:1: product_key: another one than on line 3, and the devices are of one product",
        "m.csv:5:1: model: only devices of flow south say theirs, and this one's is fuse",
        "m.csv:6:1: product_key: another one than on line 3, and the devices are of one product",
        ("m.csv:6:1: product_key: the access key is not base64 (5 characters; base64 has A-Z a-z 0-9 + /, padded with = to a "
        "multiple of 4)"),
    ]),
    ("name,colour\nm1,red\n", [("m.csv:1:1: no column is named 'colour'; there are name, key, iccid, imsi, f_version, s_version, "
                    "flow, product_key, manufacturer, model")]),
    ("nam\nm1\n", ["m.csv:1:1: no column is named 'nam'; did you mean name?"]),
    ("iccid\n1\n", [("m.csv:1:1: the header row names each column once, and name among them; "
                    "there are name, key, iccid, imsi, f_version, s_version, "
                    "flow, product_key, manufacturer, model")]),
    ("name\n", ["m.csv:1:1: the file names no device"]),
    ("name,iccid\nm1\nm 2,\nm3,\nm3,\n", [
        "m.csv:2:1: 2 columns are wanted, here are 1",
        "m.csv:3:1: name: expected a device name: letters, digits, - and _, at most 64, found 'm 2'",
        "m.csv:5:1: m3 stands on line 4 already",
    ]),
    ('name\n"m1\n', ["m.csv:2:1: not CSV: unexpected end of data"]),
    ("name,f_version\nm1,1 0\n", [
        "m.csv:2:1: f_version: expected a version: 1 to 20 letters, digits, - _ and ., found '1 0'",
    ]),
    ("name,key\nm1,se cret\nm2,secretsecre\nm3,a2V5MQ==\n", [
        "m.csv:2:1: key: expected an access key: base64, 4 to 128 characters",
        ("m.csv:3:1: key: the access key is not base64 (11 characters; base64 has A-Z a-z 0-9 + /, padded with = to a "
        "multiple of 4)"),
    ]),
    ("name,iccid\n,1\n,2\n", [
        "m.csv:2:1: name: it is empty; every device has a name",
        "m.csv:3:1: name: it is empty; every device has a name",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), FLEET_MISTAKES)
def test_mistakes_in_a_fleets_file(tmp_path, text, expected):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ScenarioFault) as caught:
        load_bytes(
            b"version: 1\nname: x\nfleets: {m: {file: m.csv}}\nsteps: [{id: s, buy: 1}]\n", "x.yaml", tmp_path
        )
    told = [str(m).removeprefix(f"{tmp_path}/") for m in caught.value.mistakes]
    many = "a mistake" if len(expected) == 1 else f"{len(expected)} mistakes"
    assert sorted(told) == [*expected, f"x.yaml:3:20: fleets.m.file: m.csv has {many}"]


def test_several_files_are_read_before_anything_is_said(tmp_path):
    for name, text in (("a", "version: 2"), ("b", "name: x"), ("c", "steps: 1")):
        (tmp_path / f"{name}.yaml").write_text(text)
    with pytest.raises(ScenarioFault) as caught:
        load_files(sorted(tmp_path.glob("*.yaml")))
    assert {Path(mistake.file).stem for mistake in caught.value.mistakes} == {"a", "b", "c"}


def test_two_files_of_one_name(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(HEAD + "steps: [{id: s, buy: 1}]\n")
    with pytest.raises(ScenarioFault, match=r"b.yaml:2:7: name: .*a.yaml has the name x too"):
        load_files([tmp_path / "a.yaml", tmp_path / "b.yaml"])
