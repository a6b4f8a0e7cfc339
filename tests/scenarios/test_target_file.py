"""Target files: what they come to, and their mistakes, each with its place and all at once."""

import pytest

from platform_stub.protocol.errors import EnvironmentFault
from scenarios.capabilities import CAPABILITIES
from scenarios.loader import ScenarioFault
from scenarios.target import Target
from scenarios.target_file import load_target, target_schema

ADAPTER = """\
class Operator:
    def __init__(self, url, token, *, region="cn"):
        pass


def lenient(**options):
    pass


number = 7
"""
GOOD = """\
version: 1
name: acme staging
adapter: ./acme.py:Operator
options: {url: "https://ota.acme.example", token: env:ACME_TOKEN}
http: ota.acme.example:8080
mqtt: "[::1]:1883"
cannot: [clock, inject]
skip: {b16: the account can't owe}
rules: predicted
strict: true
time_limit: 30s
"""


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.setenv("ACME_TOKEN", "secret")
    monkeypatch.delenv("NOT_SET", raising=False)
    (tmp_path / "acme.py").write_text(ADAPTER)
    (tmp_path / "boom.py").write_text("import sys\nsys.exit('boom at once')\n")
    (tmp_path / "beside_it.py").write_text("def make():\n    pass\n")
    (tmp_path / "imports.py").write_text("from beside_it import make\nimport not_there_at_all\n")
    file = tmp_path / "staging.yaml"

    def read(text):
        file.write_text(text)
        return load_target(file)

    return read


@pytest.fixture
def mistakes(read):
    def mistakes(text):
        with pytest.raises(ScenarioFault) as caught:
            read(text)
        return [
            f"{each.mark.line}:{each.mark.column}: {each.path}: {each.text}" for each in caught.value.mistakes
        ]

    return mistakes


def test_all_of_it(read, tmp_path):
    assert read(GOOD) == Target(
        file=str(tmp_path / "staging.yaml"),
        folder=str(tmp_path),
        name="acme staging",
        adapter="./acme.py:Operator",
        options={"url": "https://ota.acme.example", "token": "env:ACME_TOKEN"},
        http=("ota.acme.example", 8080),
        mqtt=("::1", 1883),
        cannot=("clock", "inject"),
        skip={"b16": "the account can't owe"},
        rules="predicted",
        strict=True,
        call_ms=30_000,
    )


def test_what_may_be_left_out(read):
    target = read("version: 1\nadapter: ./acme.py:lenient\nhttp: 127.0.0.1:80\n")
    assert (target.name, target.mqtt, target.can, target.cannot) == ("staging", None, None, ())
    assert (target.predicts, target.strict, target.call_ms) == (False, False, 60_000)


def test_a_module_beside_the_file_is_found(read):
    assert read("version: 1\nadapter: beside_it:make\nhttp: 127.0.0.1:80\n").adapter == "beside_it:make"


HEAD = "version: 1\nhttp: 127.0.0.1:80\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ["1:1: : the file is empty; a target starts with version: 1"]),
        ("- a\n", ["1:1: : expected a mapping with version, name, adapter, "]),
        (
            "version: 2\nadaptor: x\n",
            [
                "1:1: : adapter and http are missing",
                "1:10: version: expected 1, found 2",
                "2:1: adaptor: no field is named 'adaptor' here; did you mean adapter?",
            ],
        ),
        (
            "version: 1\nadapter: acme\nhttp: acme\nmqtt: acme:70000\ncan: [clok]\ncannot: []\n",
            [
                "2:10: adapter: expected package.module:factory, or ./file.py:factory, found 'acme'",
                "3:7: http: expected HOST:PORT, such as 10.1.2.3:8080, found 'acme'",
                "4:7: mqtt: expected a port from 1 to 65,535, found 70000",
                "5:7: can.0: expected one of clock,",
                "6:1: cannot: give can or cannot, not both: what is not named is the other",
            ],
        ),
        (HEAD + "adapter: ./none.py:make\n", ["3:10: adapter: there is no file "]),
        (
            HEAD + "adapter: ./acme.py:make\n",
            ["3:10: adapter: ./acme.py has no make that can be called; it has Operator, lenient"],
        ),
        (
            HEAD + "adapter: ./acme.py:number\n",
            ["3:10: adapter: ./acme.py has no number that can be called; it has Operator, lenient"],
        ),
        (
            HEAD + "adapter: ./boom.py:make\n",
            ["3:10: adapter: ./boom.py can't be imported: SystemExit: boom at once (boom.py:2)"],
        ),
        (
            HEAD + "adapter: ./imports.py:make\n",
            ["3:10: adapter: no module is named not_there_at_all; it is looked for in "],
        ),
        (HEAD + "adapter: no_such.package:make\n", ["3:10: adapter: no module is named no_such; "]),
        (HEAD + "adapter: ./acme.py:Operator\n", ["3:10: adapter: the adapter wants url, token too"]),
        (
            HEAD + "adapter: ./acme.py:Operator\noptions: {url: u, token: env:NOT_SET, regoin: eu}\n",
            [
                "4:26: options.token: the environment variable NOT_SET is not set",
                "4:47: options.regoin: the adapter has no option regoin; it has url, token, region",
            ],
        ),
        (
            HEAD + "adapter: ./acme.py:lenient\noptions: {a: {b: c}}\n",
            ["4:14: options.a: expected a text, number"],
        ),
        (
            HEAD + "adapter: ./acme.py:lenient\ntime_limit: soon\n",
            ["4:13: time_limit: expected a span of time"],
        ),
        (
            HEAD + "adapter: ./acme.py:lenient\nrules: ours\n",
            ["4:8: rules: expected one of predicted, unknown"],
        ),
    ],
)
def test_mistakes_are_told_with_their_place(mistakes, text, told):
    found = mistakes(text)
    assert len(found) == len(told), found
    for one, start in zip(found, told, strict=True):
        assert one.startswith(start), found


def test_a_secret_is_in_no_mistake(mistakes):
    assert not any("secret" in each for each in mistakes(GOOD + "more: 1\n"))


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(EnvironmentFault, match="can't be read: No such file"):
        load_target(tmp_path / "none.yaml")


def test_the_schema_says_what_everything_is():
    schema = target_schema()["$defs"]["TargetFile"]["properties"]
    assert schema.keys() == {
        "version", "name", "adapter", "options", "http", "mqtt", "can", "cannot", "skip", "rules", "strict", "time_limit",
    }  # fmt: skip
    for name, field in schema.items():
        assert field["description"], name
    assert schema["cannot"]["items"]["enum"] == list(CAPABILITIES)
