"""The code's tables hold the facts' numbers and texts, and a constant changed on purpose fails: shown for every entry."""

from collections.abc import Mapping
from enum import Enum, IntEnum

import pytest

from platform_stub.broker.limits import Limits
from platform_stub.protocol import calls, codes, messages, ranges, token, topics
from platform_stub.rules import jobs
from tests.facts import golden, signing

TABLES = {
    "FuseCode": (codes, golden.FUSE_CODE),
    "OtaErrno": (codes, golden.OTA_ERRNO),
    "UpdateKind": (codes, golden.UPDATE_KIND),
    "JobState": (codes, golden.JOB_STATE),
    "DOWNLOAD_FAILURES": (codes, golden.DOWNLOAD_FAILURES),
    "UPDATE_FAILURES": (codes, golden.UPDATE_FAILURES),
    "SOUTH": (calls, golden.SOUTH),
    "STUDIO": (calls, golden.STUDIO),
    "FUSE": (calls, golden.FUSE),
    "OTA_ERRNO": (calls, golden.DOWNLOAD_ERRNO),
    "DOWNLOAD_BODY": (calls, golden.DOWNLOAD_BODY),
    "TRANSITIONS": (jobs, golden.TRANSITIONS),
    "STRICT": (jobs, golden.STRICT_TRANSITIONS),
}
SCALARS = {
    "topics": (topics, golden.TOPICS),
    "token": (token, golden.TOKEN),
}


def spelled(value):
    """A key or value by name, so that it compares with what was typed in from the facts."""
    if isinstance(value, codes.OtaErrno | codes.FuseCode):
        return value.value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, tuple):
        return tuple(spelled(part) for part in value)
    return value


def entries(table):
    if isinstance(table, type):
        return {member.name: member.value for member in table}
    return {spelled(key): spelled(value) for key, value in table.items()}


def check_table(name):
    """The table as it stands in its module equals the facts', entry for entry."""
    module, wanted = TABLES[name]
    got = entries(getattr(module, name))
    assert set(got) == set(wanted)
    for key, value in wanted.items():
        match value:
            case None:
                continue
            case (number, None):
                assert got[key][0] == number, key
            case _:
                assert got[key] == value, key


def check_scalars(name):
    module, wanted = SCALARS[name]
    for key, value in wanted.items():
        got = getattr(module, key)
        assert (dict(got) if isinstance(got, Mapping) else got) == value, key


def check_ranges():
    for header, (first, last), is_whole in golden.RANGES:
        assert ranges.parse_range(header, 1_000) == (first, last + 1, is_whole), header
        assert ranges.content_range(first, last + 1, 1_000) == f"bytes {first}-{last}/1000"


def check_vectors():
    for key, et, method, res, version, sign in golden.VECTORS:
        assert token.signature(key, et_s=et, method=method, res=res, version=version) == sign
        parsed = token.parse_token(signing.token(key, res, et, method, version, raw=True))
        assert parsed.sign == sign
        assert token.verify(parsed, key)


def changed(value):
    """The same thing, but for one slip of the pen."""
    match value:
        case codes.JobState():
            return (
                codes.JobState.CANCELLED if value is not codes.JobState.CANCELLED else codes.JobState.FAILED
            )
        case calls.Said(code, text):
            return calls.Said(code + 1, text)
        case bool() | float() | None:
            raise TypeError(value)
        case int():
            return value + 1
        case str():
            return value + "x"
        case bytes():
            return value + b"x"
        case tuple():
            return value[:-1]
        case _:
            return dict.fromkeys(value, 0)


def mutations(table):
    """The table with one entry changed, one time for each entry; and without it."""
    if isinstance(table, type):
        members = {member.name: member.value for member in table}
        for name, value in members.items():
            beside = max(members.values()) + 1
            yield IntEnum(table.__name__, members | {name: beside}), (name, value)
    else:
        for key, value in table.items():
            yield {**table, key: changed(value)}, key
            yield {one: other for one, other in table.items() if one != key}, key


@pytest.mark.fact("J-7", "S-11", "R-9", "R-11", "S-errno-old", "T-13")
@pytest.mark.parametrize("name", TABLES)
def test_a_table_holds_what_the_facts_say(name):
    check_table(name)


@pytest.mark.parametrize("name", TABLES)
def test_a_changed_entry_fails(name, monkeypatch):
    module, wanted = TABLES[name]
    for table, entry in mutations(getattr(module, name)):
        if not isinstance(table, type) and wanted[spelled(entry)] is None and entry in table:
            continue  # our own wording of a step, which no fact fixes
        with monkeypatch.context() as patch:
            patch.setattr(module, name, table)
            with pytest.raises(AssertionError):
                check_table(name)


def test_every_number_of_the_fuse_generation_is_in_one_of_its_tables():
    said = {entry.code for entry in calls.FUSE.values()} | {code.value for code in codes.FuseCode}
    assert said == golden.FUSE_CODES


@pytest.mark.fact("T-7")
@pytest.mark.parametrize("name", SCALARS)
def test_names_and_bounds_are_the_facts(name):
    check_scalars(name)


@pytest.mark.parametrize(
    ("name", "constant"), [(name, constant) for name, (_, wanted) in SCALARS.items() for constant in wanted]
)
def test_a_changed_name_or_bound_fails(name, constant, monkeypatch):
    module, _ = SCALARS[name]
    monkeypatch.setattr(module, constant, changed(getattr(module, constant)))
    with pytest.raises(AssertionError):
        check_scalars(name)


@pytest.mark.fact("M-4", "M-10", "M-11")
def test_the_access_points_limits_are_the_facts():
    limits = Limits()
    assert {name: getattr(limits, name) for name in golden.LIMITS} == golden.LIMITS


@pytest.mark.parametrize("name", golden.LIMITS)
def test_a_changed_limit_fails(name):
    limits = Limits(**{name: golden.LIMITS[name] + 1})
    assert {one: getattr(limits, one) for one in golden.LIMITS} != golden.LIMITS


@pytest.mark.fact("R-1", "R-2", "R-3", "R-4", "R-5")
def test_ranges_read_as_the_facts_say():
    check_ranges()


@pytest.mark.parametrize(
    "pattern",
    [
        r"bytes=([0-9]*)-([0-9]*)",  # the prefix is a must
        r"([0-9]*)-([0-9]*)",  # or not allowed
        r"(?:bytes=)?([0-9]+)-([0-9]*)",  # no suffix form
        r"(?:bytes=)?([0-9]*)-([0-9]+)",  # no open end
        r"(?:bytes=)?([0-9]*)-([0-9]*).*",  # several ranges
        r"(?:[a-z]+=)?([0-9]*)-([0-9]*)",  # other units
    ],
)
def test_a_changed_range_rule_fails(pattern, monkeypatch):
    monkeypatch.setattr(ranges, "_RANGE", ranges.re.compile(pattern))
    with pytest.raises(AssertionError):
        check_ranges()


@pytest.mark.fact("T-2", "T-3", "T-15")
def test_the_vectors_come_out():
    check_vectors()
    for key, et, method, res, version, sign in golden.VECTORS:
        assert signing.sign_of(key, et, method, res, version) == sign


@pytest.mark.parametrize(
    "order", ["{method}\n{et_s}\n{res}\n{version}", "{et_s}\n{method}\n{res}\n{version}\n"]
)
def test_another_string_to_sign_fails(order, monkeypatch):
    monkeypatch.setattr(token, "string_to_sign", order.format)
    with pytest.raises(AssertionError):
        check_vectors()


@pytest.mark.fact("M-20")
def test_yes_is_200_over_mqtt():
    assert messages.ACCEPTED == 200
    assert messages.encode(messages.Reply(id="123")) == b'{"id":"123","code":200,"msg":"success"}'
