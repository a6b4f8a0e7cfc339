"""Scenarios on a platform in another process, through adapters: the example, and ones that do wrong."""

import os
from pathlib import Path

import msgspec
import pytest

from scenarios.loader.files import LIBRARY, load_bytes, load_files
from scenarios.runner.options import RunOptions
from scenarios.runner.run import run_play
from scenarios.running import run_all
from scenarios.target_file import load_target
from tests.end_to_end.conftest import Process

TEXT = """\
version: 1
name: x
policy: {charging_date: 2021-04-02T00:00:00+08:00, free_devices: 3}
fleets: {meters: {count: 3}}
steps:
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1-2]"}, expect: {deducted: 2, left: 1}}
  - {id: b, top_up: 10, expect: {balance: 10}}
  - {id: c, check: {of: a}, expect: {jobs: {success: 2}}}
"""
BAD_ADAPTER = """\
import asyncio
import threading
import urllib.request

from scenarios.adapters.served import Served


class Bad(Served):
    def __init__(self, url, how, token="none"):
        super().__init__(url)
        self.how, self.token = how, token

    async def top_up(self, account_id, amount_fen):
        match self.how:
            case "raise":
                return {}["id"]
            case "leak":
                raise RuntimeError(f"401 for {self.token}")
            case "hang":
                await asyncio.Event().wait()
            case "block":
                threading.Event().wait(2)
            case "nonsense":
                return "thanks"
            case "nothing":
                return None
            case "lack":
                raise NotImplementedError
        return await super().top_up(account_id, amount_fen)


def none(url):
    return None


def breaks(url):
    raise OSError("no route")
"""


@pytest.fixture(scope="module")
def stub():
    process = Process("--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0")
    yield process
    process.kill()


@pytest.fixture
def target(stub, tmp_path):
    """Write a target file for the stub and read it."""
    http, mqtt = (":".join(map(str, each)) for each in (stub.http_address, stub.mqtt_address))

    def make(adapter="scenarios.adapters.served:Served", options="", more="rules: predicted"):
        (tmp_path / "bad.py").write_text(BAD_ADAPTER)
        text = f"version: 1\nadapter: {adapter}\nhttp: {http}\nmqtt: {mqtt}\noptions: {{url: 'http://{http}'{options}}}\n"
        (tmp_path / "t.yaml").write_text(text + more + "\n")
        return load_target(tmp_path / "t.yaml")

    return make


async def play(target, text=TEXT, **options):
    (play,) = load_bytes(text.encode(), "x.yaml", Path())
    return await run_play(play, RunOptions(target=target, **options), lambda _: None)


def verdicts(result):
    return [step.verdict for step in result.steps]


class Silent:
    def event(self, at, event):
        pass


@pytest.mark.parametrize("name", ["b13", "b09", "pause-and-resume", "webhook", "injected-faults"])
async def test_scenarios_of_the_library_pass_through_the_example_adapter(target, name):
    found = [path for path in LIBRARY.iterdir() if path.stem.startswith(name)]
    for each in load_files(found[:1]):
        result = await run_play(each, RunOptions(target=target()), lambda _: None)
        assert (result.verdict, result.reason) == ("passed", ""), [
            (step.id, step.differences, step.note) for step in result.failed_steps
        ]
        assert result.audit is None
        assert result.target == "t"
        assert result.fleet is not None


async def test_it_is_played_twice_on_one_platform(target):
    text = TEXT.replace("fleets:", "products: {main: {id: samePlace}}\nfleets:")
    for _ in range(2):
        assert (await play(target(), text)).verdict == "passed"
    own = target(options=", own_ids: true")
    assert (await play(own, text)).verdict == "passed"
    again = await play(own, text)
    assert again.verdict == "broken"
    assert again.reason.startswith("set-up: the platform did not make a product: conflict: ")


async def test_without_our_rules_only_expectations_are_judged(target):
    text = TEXT.replace(", expect: {deducted: 2, left: 1}", "").replace("2021-04-02", "2019-04-02")
    result = await play(target(more="rules: unknown"), text)
    assert result.verdict == "passed"
    assert {step.remark for step in result.steps} == {""}, "it is said once"
    assert "what the charging rules predict is not held against it" in result.cannot_check
    result = await play(target(more="rules: unknown"), text.replace("balance: 10", "balance: 11"))
    assert verdicts(result) == ["passed", "failed", "passed"]


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("raise", "top_up raised KeyError: 'id' (bad.py:16)"),
        ("leak", "top_up raised RuntimeError: 401 for *** (bad.py:18)"),
        ("hang", "top_up did not answer in 0.5 s"),
        ("nonsense", "top_up returned what is no Account (Expected `object`, got `str`): 'thanks'"),
        ("nothing", "top_up returned None where Account is wanted"),
    ],
)
@pytest.mark.parametrize("on_error", ["continue", "stop"])
async def test_an_adapter_that_fails_ends_its_step(target, monkeypatch, how, text, on_error):
    monkeypatch.setenv("BAD_TOKEN", "hush")
    bad = target("./bad.py:Bad", f", how: {how}, token: env:BAD_TOKEN", "rules: predicted\ntime_limit: 500ms")
    result = await play(bad, f"on_error: {on_error}\n{TEXT}")
    told = f"adapter ./bad.py:Bad: {text}"
    assert result.steps[1].note == told
    if on_error == "continue":
        assert (result.verdict, result.exit_code, result.reason) == ("failed", 1, "")
        assert verdicts(result) == ["passed", "failed", "passed"]
        assert result.steps[2].remark == "not predicted: the platform's side failed in step b"
    else:
        assert (result.verdict, result.exit_code, result.reason) == ("broken", 3, told)
        assert verdicts(result) == ["passed", "failed", "not_played"]
    assert "hush" not in msgspec.json.encode(result).decode()


async def test_an_adapter_that_blocks_its_thread_can_be_waited_for_no_longer(target):
    bad = target("./bad.py:Bad", ", how: block", "time_limit: 500ms")
    result = await play(bad, f"on_error: continue\n{TEXT}")
    assert result.steps[1].note == "adapter ./bad.py:Bad: top_up did not answer in 0.5 s"
    assert result.steps[0].verdict == "passed"


async def test_what_an_adapter_lacks_fails_the_step_that_asks_for_it(target):
    bad = target("./bad.py:Bad", ", how: lack")
    result = await play(bad, f"on_error: continue\n{TEXT}")
    assert result.steps[1].note == (
        "this platform can't pay money in: the adapter ./bad.py:Bad does not implement top_up"
    )
    assert verdicts(result) == ["passed", "failed", "passed"]


@pytest.mark.parametrize(
    ("factory", "text"),
    [
        ("none", "it gave None, and no object with the operator's calls"),
        ("breaks", "its making raised OSError: no route (bad.py:37)"),
    ],
)
async def test_an_adapter_that_is_not_made(target, factory, text):
    result = await play(target(f"./bad.py:{factory}"))
    assert (result.verdict, result.exit_code) == ("broken", 3)
    assert result.reason == f"adapter ./bad.py:{factory}: {text}"
    assert verdicts(result) == ["not_played"] * 3


async def test_what_a_target_cannot_skips_a_scenario_with_the_reason(target):
    result = await play(target(more="cannot: [clock, policy]"))
    assert (result.verdict, result.exit_code, result.reason) == ("skipped", 0, "t can't: policy (policy)")
    result = await play(target(more="skip: {x: not today}"))
    assert result.verdict == "skipped"
    assert result.reason.endswith("t.yaml: not today")


def test_workers_play_on_a_target_too(target):
    plays = load_bytes(TEXT.replace("steps:", "variants: {A: {}, B: {}}\nsteps:").encode(), "x.yaml", Path())
    result = run_all(plays, RunOptions(target=target()), 2, Silent())
    assert [play.verdict for play in result.plays] == ["passed", "passed"]
    assert {play.target for play in result.plays} == {"t"}


def test_a_platform_that_is_not_there(target, tmp_path):
    gone = target(options=", timeout_s: 1")
    (tmp_path / "t.yaml").write_text(
        (tmp_path / "t.yaml").read_text().replace("'http://127.0.0.1", "'http://127.0.0.2")
    )
    gone = load_target(tmp_path / "t.yaml")
    plays = load_bytes(TEXT.encode(), "x.yaml", Path())
    (result,) = run_all(plays, RunOptions(target=gone), 1, Silent()).plays
    assert (result.verdict, result.exit_code) == ("broken", 3)
    assert result.reason.startswith(
        "adapter scenarios.adapters.served:Served: open_account failed: POST http://127.0.0.2:"
    )
    assert os.linesep not in result.reason
