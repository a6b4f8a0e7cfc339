"""Each mistake of an author: where it is told to be, and in which words."""

import textwrap
from pathlib import Path

import pytest

from scenarios.loader import ScenarioFault
from scenarios.loader.files import load_bytes

GOOD = """\
version: 1
name: good
clock: 2021-06-01T00:00:00+08:00
variants:
  F: {}
  P: {}
account:
  top_up: 10
  buy: 5
fleets:
  meters:
    count: 10
groups:
  some: meters[1-4]
steps:
  - id: E1
    create_task:
      kind: FOTA
      target: "1.1"
      devices: some
    expect:
      needed: {F: 4, P: 4}
  - id: E2
    check:
      of: E1
    expect:
      left: 1
"""


def mistakes_of(text, folder=Path()):
    data = text if isinstance(text, bytes) else text.encode()
    try:
        load_bytes(data, "s.yaml", folder)
    except ScenarioFault as fault:
        return [str(mistake) for mistake in fault.mistakes]
    return []


def test_the_good_one_has_none():
    assert mistakes_of(GOOD) == []


# What is replaced in the good one, by what, and all that is answered.
CHANGED = [
    # names that are not there, and the nearest that is
    ("name: good", "nam: good", [
        "s.yaml:1:1: name is missing",
        "s.yaml:2:1: nam: no field is named 'nam' here; did you mean name?",
    ]),
    ("    expect:\n      left: 1", "    expect:\n      lef: 1", [
        "s.yaml:27:7: steps.E2.expect.lef: no field is named 'lef' here; did you mean left?",
    ]),
    ("    count: 10", "    count: 10\n    colour: red", [
        ("s.yaml:13:5: fleets.meters.colour: no field is named 'colour' here; "
        "there are count, file, product, f_version, s_version, connect, flow, manufacturer, model, device, faults"),
    ]),
    ("create_task:", "create_tusk:", [
        "s.yaml:17:5: steps.E1.create_tusk: no field is named 'create_tusk' here; did you mean create_task?",
    ]),
    ("      devices: some", "      devices: somme", [
        "s.yaml:20:16: steps.E1.create_task.devices: no fleet or group is named somme; did you mean some?",
    ]),
    ("      of: E1", "      of: E3", [
        "s.yaml:25:11: steps.E2.check.of: no step is named E3; tasks are created by E1",
    ]),
    ("{F: 4, P: 4}", "{F: 4, Q: 4}", [
        "s.yaml:22:15: steps.E1.expect.needed: variant P has no value here; give one for each",
        "s.yaml:22:22: steps.E1.expect.needed.Q: no variant is named Q; there are F, P",
    ]),
    ("    count: 10", "    count: 10\n    product: mian", [
        "s.yaml:13:14: fleets.meters.product: no product is named mian; did you mean main?",
    ]),
    ("{F: 4, P: 4}", "{}", [
        "s.yaml:22:15: steps.E1.expect.needed: variants F, P have no value here; give one for each",
    ]),
    ("kind: FOTA", "kind: fota", [
        "s.yaml:18:13: steps.E1.create_task.kind: expected one of FOTA, SOTA, found 'fota'; did you mean FOTA?",
    ]),
    ("      devices: some", "      devices: licenced of meters", [
        ("s.yaml:20:16: steps.E1.create_task.devices: 'licenced' is no word of a selection; "
        "did you mean licensed?"),
    ]),
    ("    check:\n      of: E1", "    fail: {devices: meters, step: 201}", [
        ("s.yaml:24:35: steps.E2.fail.step: expected one of 102, 103, 104, 105, 106, 107, 202, 203, 204, 205, 206, 207, "
        "found 201"),
    ]),
    # values
    ("      left: 1", "      left: 99999999999999999999", [
        "s.yaml:27:13: steps.E2.expect.left: '99999999999999999999' is too large",
    ]),
    ("    count: 10", "    count: 99999999999999999999", [
        "s.yaml:12:12: fleets.meters.count: '99999999999999999999' is too large",
    ]),
    ("    check:\n      of: E1", "    advance: 99999999999 d", ["s.yaml:24:14: steps.E2.advance: '99999999999 d' is too large"]),
    ("    check:\n      of: E1", "    advance: 1d\n    wait: 99999999999 d", ["s.yaml:25:11: steps.E2.wait: '99999999999 d' is too large"]),
    ("name: good", "name: good\nwait: 99999999w 99999999w", ["s.yaml:3:7: wait: a wait is at most 100 years"]),
    ("  top_up: 10", "  top_up: 999999999999999 yuan", ["s.yaml:8:11: account.top_up: '999999999999999 yuan' is too large"]),
    ("  top_up: 10", "  top_up: yes", [
        ("s.yaml:8:11: account.top_up: expected an amount: yuan such as 1000 or 10.50, or fen such as 1050 fen, "
        "found 'yes'"),
    ]),
    ("version: 1", "version: 2", ["s.yaml:1:10: version: expected 1, found 2"]),
    ("version: 1", "version: '1'", ["s.yaml:1:10: version: expected 1, found '1'"]),
    ("kind: FOTA", "kind: FOTTA", [
        "s.yaml:18:13: steps.E1.create_task.kind: expected one of FOTA, SOTA, found 'FOTTA'; did you mean FOTA?",
    ]),
    ("    count: 10", "    count: 0", ["s.yaml:12:12: fleets.meters.count: expected 1 or more, found 0"]),
    ("    count: 10", "    count: 010", [
        "s.yaml:12:12: fleets.meters.count: expected a whole number from 1 on, found '010'",
    ]),
    ("    count: 10", "    count: ten", [
        "s.yaml:12:12: fleets.meters.count: expected a whole number from 1 on, found 'ten'",
    ]),
    ("    count: 10", "    count: 1.5", [
        "s.yaml:12:12: fleets.meters.count: expected a whole number from 1 on, found '1.5'",
    ]),
    ("    count: 10", "    count:", [
        "s.yaml:12:11: fleets.meters.count: expected a whole number from 1 on, found nothing",
    ]),
    ("  top_up: 10", "  top_up: 10.555", [
        ("s.yaml:8:11: account.top_up: expected an amount: yuan such as 1000 or 10.50, or fen such as 1050 fen, "
        "found '10.555'"),
    ]),
    ("      left: 1", "      left: on", [
        ('s.yaml:27:13: steps.E2.expect.left: expected a count such as 5, or in quotes ">= 3", "<= 2" or "2-5", '
        "found 'on'"),
    ]),
    ("      left: 1", "      left: -1", ["s.yaml:27:13: steps.E2.expect.left: expected 0 or more, found -1"]),
    ("      left: 1", "      left: [1]", [
        ('s.yaml:27:13: steps.E2.expect.left: expected a count such as 5, or in quotes ">= 3", "<= 2" or "2-5", '
        "or a mapping with one for each variant, found a list"),
    ]),
    ("      left: 1", "      outcome: refuesd", [
        ("s.yaml:27:16: steps.E2.expect.outcome: expected one of any, created, done, refused, or a mapping with one for "
        "each variant, found 'refuesd'; did you mean refused?"),
    ]),
    ("clock: 2021-06-01T00:00:00+08:00", "clock: 2021-06-01", [
        ("s.yaml:3:8: clock: expected a date and time with its zone, such as 2021-04-02T00:00:00+08:00, "
        "found '2021-06-01'"),
    ]),
    ("clock: 2021-06-01T00:00:00+08:00", "clock: 2021-06-31T00:00:00+08:00", [
        "s.yaml:3:8: clock: there is no moment 2021-06-31T00:00:00+08:00",
    ]),
    ("clock: 2021-06-01T00:00:00+08:00", "covers: [B1, B18, X1]", [
        "s.yaml:3:19: covers[2]: expected the id of a rule or an example, such as B13, P3, I1 or E4, found 'X1'",
    ]),
    ("clock: 2021-06-01T00:00:00+08:00", "covers: [B1, B18]", [
        "s.yaml:3:14: covers[1]: there is no B18; the last one is B17",
    ]),
    ("name: good", "name: a b", [
        "s.yaml:2:7: name: expected a name: letters, digits, - and _, at most 40, found 'a b'",
    ]),
    ('target: "1.1"', 'target: "1 1"', [
        ("s.yaml:19:15: steps.E1.create_task.target: expected a version: 1 to 20 letters, digits, - _ and ., "
        "found '1 1'"),
    ]),
    ("steps:", "steps: []\nstops:", [
        "s.yaml:15:8: steps: expected at least 1 in the list, found 0",
        "s.yaml:16:1: stops: no field is named 'stops' here; did you mean steps?",
    ]),
    # what can't be
    ("meters[1-4]", "meters[1-11]", [
        "s.yaml:14:9: groups.some: meters has 10 devices, so there is no number 11",
    ]),
    ("meters[1-4]", "meters[4-1]", [
        "s.yaml:14:9: groups.some: [4-1]: devices are counted from 1, and a range goes upwards",
    ]),
    ("meters[1-4]", "first 11 of meters", ["s.yaml:14:9: groups.some: first 11 of only 10 devices"]),
    ("  some: meters[1-4]", "  some: other\n  other: [some]", [
        "s.yaml:14:9: groups.some: group some is made from itself",
        "s.yaml:15:10: groups.other: group other is made from itself",
    ]),
    ("  some: meters[1-4]", "  some: meters[1-4]\n  meters: some", [
        "s.yaml:15:3: groups.meters: a fleet is named meters too; take another name",
    ]),
    ("  some: meters[1-4]", "  some: meters[1-4]\n  licensed: some", [
        "s.yaml:15:3: groups.licensed: 'licensed' is a word of selections; take another name",
    ]),
    ("needed: {F: 4, P: 4}", "needed: 5", [
        "s.yaml:22:15: steps.E1.expect.needed: 5 can't be: the task has 4 devices",
    ]),
    ("needed: {F: 4, P: 4}", "jobs: {success: 3, failed: 2}", [
        "s.yaml:22:13: steps.E1.expect.jobs: 5 jobs can't be: the task has 4 devices",
    ]),
    ("needed: {F: 4, P: 4}", "{reason: licences_insufficient, needed: 4, available: 1, missing: 2}", [
        "s.yaml:22:73: steps.E1.expect.missing: needed 4 of available 1 leaves 3 missing, not 2",
    ]),
    ("needed: {F: 4, P: 4}", "{outcome: created, reason: arrears}", [
        "s.yaml:22:34: steps.E1.expect.reason: a step that is created has no reason; outcome is refused",
    ]),
    ("needed: {F: 4, P: 4}", "{deducted: 4, deducted_purchased: 2, deducted_free: 1}", [
        "s.yaml:22:18: steps.E1.expect.deducted: deducted_purchased 2 and deducted_free 1 don't make 4",
    ]),
    ("needed: {F: 4, P: 4}", "{reason: arrears, deducted: 4}", [
        "s.yaml:22:35: steps.E1.expect.deducted: a refused step deducts nothing (B13)",
    ]),
    ("      left: 1", "      outcome: created", [
        "s.yaml:27:16: steps.E2.expect.outcome: this step creates no task; done or refused is expected of it",
    ]),
    ("      left: 1", "      cards: 1", [
        "s.yaml:27:7: steps.E2.expect.cards: cards are counted at a replace_cards or swap_cards step",
    ]),
    ("    check:\n      of: E1", "    check: {}", []),
    ("    check:\n      of: E1\n    expect:\n      left: 1", "    check: {}", [
        "s.yaml:23:5: steps.E2: the step checks nothing; write under expect what must be true",
    ]),
    ("    check:\n      of: E1\n    expect:\n      left: 1", "    buy: 1\n    expect:\n      needed: 1", [
        "s.yaml:26:7: steps.E2.expect.needed: needed is a task's, and this step has none; look with check: {of: STEP}",
    ]),
    ("      of: E1", "      of: E2", ["s.yaml:25:11: steps.E2.check.of: step E2 creates no task"]),
    ("  - id: E2", "  - id: E1", ["s.yaml:23:9: steps.E1.id: a step is named E1 already, on line 16"]),
    ("    check:\n      of: E1", "    check: {of: E1}\n    buy: 2", [
        "s.yaml:24:5: steps.E2.check: a step has one action, here are buy and check",
    ]),
    ("    check:\n      of: E1\n    expect", "    expect", [
        ("s.yaml:23:5: steps.E2: the step has no action; there are create_task, retry_task, cancel_task, "
        "pause_task, resume_task, cancel_jobs, auto_add, set_webhook, inject, clear_injected, fail, "
        "wait_jobs, reconnect, replace_cards, terminate, create_again, move, buy, grant, cancel_licences, top_up, post, "
        "subscribe, charging_date, advance, advance_to, check, upload, register, fault, clear_faults, set_devices, "
        "power_off, power_on, storm, swap_cards, renew_keys, wait_until, parallel"),
    ]),
    ("  buy: 5", "  buy: 11", ["s.yaml:9:8: account.buy: 11 licences cost 11 yuan, top_up is 10 yuan (P11)"]),
    ("  F: {}", "  F: {account: {top_up: 4}}", [
        "s.yaml:5:16: variants.F.account.buy: 5 licences cost 5 yuan, top_up is 4 yuan (P11)",
    ]),
    ("    count: 10", "    connect: true", ["s.yaml:12:5: fleets.meters: a fleet has either a count or a file"]),
    ("    count: 10", "    file: there-is-none.csv", [
        "s.yaml:12:11: fleets.meters.file: there-is-none.csv has a mistake",
        "there-is-none.csv:1:1: can't be read: No such file or directory",
    ]),
    ("    check:\n      of: E1", "    advance_to: 2021-05-01T00:00:00+08:00", [
        "s.yaml:24:17: steps.E2.advance_to: the clock shows 2021-06-01T00:00:00+08:00 by then, and is never set back",
    ]),
    ("      devices: some", "      devices: some\n      package: 31 MiB", [
        "s.yaml:21:16: steps.E1.create_task.package: a package has at most 30 MiB",
    ]),
    ("      devices: some", "      devices: some\n      verification: first", [
        "s.yaml:20:16: steps.E1.create_task.devices: a verification is of exactly one device (P15), not of 4",
    ]),
    ("    check:\n      of: E1", "    move: {devices: some, to: nowhere}", [
        "s.yaml:24:31: steps.E2.move.to: no product is named nowhere; there are main",
    ]),
    ("    count: 10", "    count: 10\n    connect: false\n  other: {count: 1}", []),
    ("    check:\n      of: E1", "    top_up: 0", ["s.yaml:24:13: steps.E2.top_up: a top-up is positive; post takes money out"]),
    ("    check:\n      of: E1", "    post: {amount: 0}", [
        "s.yaml:24:20: steps.E2.post.amount: a posting moves money; 0 moves none",
    ]),
    # YAML
    ("  - id: E2", "  - id: E2\n    id: E3", ["s.yaml:24:5: 'id' is written twice; the first is on line 23"]),
    ("name: good", "name: &anchor good", ["s.yaml:2:7: &anchor: anchors are not used here; write it out"]),
    ("name: good", "name: !!python/object:os.system x", [
        "s.yaml:2:7: tag:yaml.org,2002:python/object:os.system: tags are not used here; leave it out",
    ]),
    ("name: good", 'name: "go\\nod"', [
        "s.yaml:2:7: a text has a control character ('\\n'); keep it on one line",
    ]),
    ("    check:\n      of: E1", "    check: {of: E1, devices: meters[1]}", [
        ("s.yaml:24:36: not YAML: while parsing a flow mapping, expected ',' or '}', but got '['; "
        "inside { } a selection with [ ] stands in quotes"),
    ]),
    ("    check:", "\tcheck:", [
        ("s.yaml:24:1: not YAML: while scanning for the next token, found character '\\t' that cannot start any token; "
        "indent with spaces, not with tabs"),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), CHANGED, ids=lambda value: str(value)[:40])
def test_one_mistake(old, new, expected):
    assert old in GOOD
    assert mistakes_of(GOOD.replace(old, new, 1)) == expected


# Whole files.
FILES = [
    (b"", ["s.yaml:1:1: the file is empty; a scenario starts with version: 1"]),
    (b"# nothing\n", ["s.yaml:1:1: the file is empty; a scenario starts with version: 1"]),
    (b"just a text", [("s.yaml:1:1: expected a mapping with version, name, title, covers, needs, seed, clock, wait, strict, "
                      "vars, policy, account and 9 more, found 'just a text'")]),
    (b"- a\n", [("s.yaml:1:1: expected a mapping with version, name, title, covers, needs, seed, clock, wait, strict, "
                "vars, policy, account and 9 more, found a list")]),
    (b"a: \xff\xfe", ["s.yaml:1:4: the file is not UTF-8 text here; is it a scenario?"]),
    (b"\x7fELF\x02\x01\x01\x00", ["s.yaml:1:1: the character '\\x7f' has no place in a scenario"]),
    (b"version: 1\x00\n", ["s.yaml:1:11: the character '\\x00' has no place in a scenario"]),
    (b"a: [1\n", ["s.yaml:2:1: not YAML: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'"]),
    (b"[" * 100_000, ["s.yaml:1:21: this is nested more than 20 deep; no scenario needs that"]),
    (b"a: " + b"x" * 1_100_000, ["s.yaml:1:1: the file is larger than 1,048,576 bytes; no scenario needs that"]),
    (b"{[a]: 1, {b: 2}: 3}", None),
    (b"a: *b\n", None),
    (b"---\nversion: 1\n---\nversion: 1\n", None),
    (b"version: " + b"9" * 5_000, None),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), FILES, ids=lambda value: str(value)[:30])
def test_a_whole_file(data, expected):
    found = mistakes_of(data)
    if expected is None:
        assert found
    else:
        assert found == expected


def test_all_mistakes_at_once_in_the_order_of_the_file():
    text = textwrap.dedent("""\
        version: 1
        name: bad name
        fleets:
          meters:
            count: none
            conect: true
        steps:
          - id: E1
            create_task:
              kind: FOTA
              devices: metres
            expect:
              lef: 1
          - id: E1
            buy: 0
        """)
    assert [mistake.partition(": ")[0] for mistake in mistakes_of(text)] == [
        "s.yaml:2:7", "s.yaml:5:12", "s.yaml:6:5", "s.yaml:10:7", "s.yaml:13:7", "s.yaml:14:9", "s.yaml:15:10",
    ]  # fmt: skip


def test_a_group_that_a_later_step_makes():
    text = GOOD + textwrap.dedent("""\
          - id: E3
            create_task: {kind: FOTA, target: "2", devices: anew}
          - id: E4
            terminate: {devices: some}
          - id: E5
            create_again: {devices: some, group: anew}
          - id: E6
            create_task: {kind: FOTA, target: "2", devices: "anew[5]"}
        """).replace("\n", "\n  ").rstrip(" ").join(["  ", ""])
    assert mistakes_of(text) == [
        "s.yaml:29:53: steps.E3.create_task.devices: group anew is made by step E5, which comes later",
        "s.yaml:35:53: steps.E6.create_task.devices: anew has 4 devices, so there is no number 5",
    ]


def test_fail_wants_devices_that_are_connected():
    text = (
        GOOD.replace("    count: 10", "    count: 10\n    connect: false")
        + "  - id: E3\n    fail: {devices: some}\n"
    )
    assert mistakes_of(text) == [
        (
            "s.yaml:30:21: steps.E3.fail.devices: these devices are not connected (connect: false), so none of their "
            "jobs runs"
        ),
    ]


def test_a_task_is_for_devices_of_one_product():
    text = GOOD.replace(
        "fleets:", "products: {main: {}, other: {}}\nfleets:\n  pumps: {count: 1, product: other}"
    )
    text = text.replace("devices: some", "devices: [some, pumps]").replace("{F: 4, P: 4}", "4")
    assert mistakes_of(text) == [
        "s.yaml:22:16: steps.E1.create_task.devices: these devices are of several products, and a package is for one",
    ]


def test_the_text_lists_fifty_and_counts_the_rest():
    steps = "".join(f"  - id: s{number}\n    buy: none\n" for number in range(60))
    with pytest.raises(ScenarioFault) as caught:
        load_bytes(f"version: 1\nname: x\nsteps:\n{steps}".encode(), "s.yaml", Path())
    assert len(caught.value.mistakes) == 60
    assert str(caught.value).splitlines()[50] == "... and 10 more"
    assert caught.value.exit_code == 2
