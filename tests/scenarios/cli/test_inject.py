"""`--inject`: its little grammar, read and spelled, and what it says to mistakes."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_stub.protocol.injected import EFFECTS, EMPTY_INFORM, find_mistake
from platform_stub.protocol.operator import InjectFault
from scenarios.cli.inject import _FLAGS, _READERS, read_fault, spell_fault

READ = {
    "call=download,share=2%,cut=10000": InjectFault(call="download", share=0.02, cut_at_bytes=10_000),
    "call=download,cut=64 KiB": InjectFault(call="download", cut_at_bytes=65_536),
    "call=download,cut=0": InjectFault(call="download", cut_at_bytes=0),
    "silent": InjectFault(silent=True),
    " silent , delay = 1m 30s ": InjectFault(silent=True, delay_ms=90_000),
    "delay=250ms": InjectFault(delay_ms=250),
    "wrong-md5,product=Y6O759jbtX": InjectFault(wrong_md5=True, product_id="Y6O759jbtX"),
    "generation=mqtt,call=status,code=12016,times=2": InjectFault(
        generation="mqtt", call="status", code=12_016, times=2
    ),
    "status=503,devices=1+5-7,seed=9,share=33.5%": InjectFault(
        status=503, device_ids=[1, 5, 6, 7], seed=9, share=0.335
    ),
    "call=any,generation=any,status=500,share=100%": InjectFault(status=500),
}


@pytest.mark.parametrize(("text", "rule"), READ.items())
def test_a_fault_is_read(text, rule):
    assert read_fault(text) == rule
    assert read_fault(spell_fault(rule)) == rule


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'' is no part of a fault; there are call, generation, product"),
        ("silent,", "'' is no part of a fault"),
        ("cal=check", "'cal' is no part of a fault; did you mean call?"),
        ("call=checks,silent", "call: 'checks' is none of any, version, check"),
        ("generation=c,silent", "generation: 'c' is none of any, south, studio, fuse, mqtt"),
        ("status", "status wants a value, such as status=503"),
        ("status=,silent", "status wants a value, such as status=503"),
        ("silent=yes", "silent takes no value"),
        ("status=200", "status: a number of at least 400 is wanted"),
        ("status=600", "status: a number of at most 599 is wanted"),
        ("status=-1", "status: a whole number is wanted, not '-1'"),
        ("status=٥٠٣", "status: a whole number is wanted"),
        ("code=1e3", "code: a whole number is wanted"),
        ("times=0,silent", "times: a number of at least 1 is wanted"),
        ("share=2,silent", "share: a share above 0% and up to 100% is wanted, not '2'"),
        ("share=0%,silent", "share: a share above 0%"),
        ("share=101%,silent", "share: a share above 0%"),
        ("delay=3", "delay: a span of time is wanted"),
        ("delay=11min", "delay: a number of at most 600000 is wanted"),
        ("cut=ten,call=download", "cut: a size is wanted"),
        ("devices=7-3,silent", "devices: 1 to 100,000 devices"),
        ("devices=1-100001,silent", "devices: 1 to 100,000 devices"),
        ("devices=1-99999999999,silent", "devices: 1 to 100,000 devices"),
        ("devices=1;2,silent", "devices: device IDs are wanted"),
        ("product=a b,silent", "product: a product's id is letters and digits"),
        ("seed=1,seed=1,silent", "seed is there twice"),
        ("silent,silent", "silent is there twice"),
        (
            "call=check",
            "nothing would go wrong: at least one of delay, status, code, cut, wrong-md5, silent is wanted",
        ),
        ("silent,status=503", "silent means no answer"),
        ("silent,wrong-md5", "so wrong-md5 can't be in one"),
        ("call=check,cut=5", "cut can't happen to call check of any generation"),
    ],
)
def test_a_mistake_is_named(text, words):
    with pytest.raises(ValueError) as said:
        read_fault(text)
    assert words in str(said.value)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("flow=fuse,call=status,code=12", "generation=fuse,call=status,code=12"),
        ("cut_at_bytes=1000,call=download", "cut=1000,call=download"),
        ("wrong_md5,product_id=Y6O759jbtX,device_ids=1+5-9", "wrong-md5,product=Y6O759jbtX,devices=1+5-9"),
        ("delay_ms=250", "delay=250ms"),
    ],
)
def test_the_spellings_of_api_and_scenarios_are_read_too(text, same):
    assert read_fault(text) == read_fault(same)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("delay_ms=soon", "delay: a span of time is wanted"),
        ("wrong_md5=true", "wrong-md5 takes no value"),
        ("cut=5,cut_at_bytes=5", "cut is there twice"),
        ("flow=http,silent", "generation: 'http' is none of any, south, studio, fuse, mqtt"),
    ],
)
def test_a_mistake_in_another_spelling_is_named_in_ours(text, words):
    with pytest.raises(ValueError) as said:
        read_fault(text)
    assert words in str(said.value)


WHO = st.fixed_dictionaries(
    {
        "share": st.integers(1, 10**6).map(lambda millionths: millionths / 10**6),
        "seed": st.integers(0, 2**53),
    },
    optional={
        "product_id": st.from_regex(r"[A-Za-z0-9]{1,32}", fullmatch=True),
        "device_ids": st.lists(st.integers(0, 10**17), min_size=1, max_size=9),
        "times": st.integers(1, 10**6),
    },
)
VALUES = {
    "delay_ms": st.integers(1, 600_000),
    "status": st.integers(400, 599),
    "code": st.integers(0, 99_999),
    "cut_at_bytes": st.integers(0, 2**31),
    "wrong_md5": st.just(True),
}
FOR_ONE_CALL = [place for place in EFFECTS if place[0] != EMPTY_INFORM]


@st.composite
def rules(draw):
    """Faults that can strike: some of what can go wrong at one call, or silence."""
    call, generation = draw(st.sampled_from(FOR_ONE_CALL))
    effects = draw(
        st.just(["silent"])
        | st.lists(st.sampled_from(sorted(EFFECTS[call, generation] - {"silent"})), min_size=1, unique=True)
    )
    named = draw(
        st.sampled_from(
            [{}, {"call": call}, {"generation": generation}, {"call": call, "generation": generation}]
        )
    )
    return InjectFault(
        **named, **draw(WHO), **{name: draw(VALUES.get(name, st.just(True))) for name in effects}
    )


@given(rules())
def test_what_is_spelled_is_read_back(rule):
    assert find_mistake(rule) is None
    assert read_fault(spell_fault(rule)) == rule


@given(st.text(max_size=60))
def test_any_text_is_a_fault_or_a_mistake(text):
    try:
        rule = read_fault(text)
    except ValueError:
        return
    assert find_mistake(rule) is None


def test_the_faults_that_the_guide_shows_are_faults():
    guide = (Path(__file__).resolve().parents[3] / "docs" / "serve.md").read_text(encoding="utf-8")
    shown = re.findall(r"--inject '([^']+)'", guide)
    assert len(shown) == 3
    assert all(find_mistake(read_fault(text)) is None for text in shown)
    parts = re.findall(r"^\| `([a-z0-9-]+=?)", guide, re.MULTILINE)
    assert {part.removesuffix("=") for part in parts} >= {*_READERS, *_FLAGS} - {"seed"}
