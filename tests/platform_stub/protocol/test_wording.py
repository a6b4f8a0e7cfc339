"""Mistakes in a body are told in words: the path, what is wanted, what was found; no pattern and no type's name."""

from typing import Annotated, get_args

import msgspec
import pytest

from platform_stub.protocol import messages, operator
from platform_stub.protocol.wording import WANTED, word_mistake


def told(kind, body):
    with pytest.raises(msgspec.DecodeError) as caught:
        msgspec.json.decode(body, type=kind)
    return word_mistake(caught.value, kind)


@pytest.mark.parametrize(
    ("kind", "body", "says"),
    [
        (operator.RegisterDevice, b'{"name":"a b"}', "$.name: expected a device name: 1 to 64 letters, digits, - and _"),
        (operator.RegisterDevice, b'{"name":""}', "$.name: expected a device name: 1 to 64 letters, digits, - and _"),
        (operator.RegisterDevice, b'{"name":"a","key":"%%%%"}', "$.key: expected an access key: base64, 4 to 128 characters"),
        (operator.RegisterDevice, b'{"name":"a","device_id":0}', "$.device_id: expected a whole number of at least 1"),
        (operator.RegisterDevice, b'{"name":7}', "$.name: expected a text, found a whole number"),
        (operator.RegisterDevice, b'{"name":"a","f_version":7}', "$.f_version: expected a text or null, found a whole number"),
        (operator.RegisterDevice, b"{}", "name is missing"),
        (operator.RegisterDevice, b"[]", "expected an object, found a list"),
        (operator.TopUp, b'{"amount":1}', "no field is named 'amount'; there are amount_fen"),
        (operator.InjectFault, b'{"call":"chek","silent":true}',
         "$.call: expected one of any, check, download, inform, state, status, version, found 'chek'"),
        (operator.OpenAccount, b'{"policy":{"deduction_order":"x"}}',
         "$.policy.deduction_order: expected one of free_first, purchased_first, found 'x'"),
        (operator.CreateTask, b'{"package_id":1,"device_ids":[]}', "$.device_ids: expected a list of at least 1 entries"),
        (operator.CreateTask, b'{"package_id":1,"start_versions":["1.0","a b"]}',
         "$.start_versions[1]: expected a version: 1 to 20 letters, digits, - _ and ."),
        (operator.TopUp, b"{", "Input data was truncated"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_words(kind, body, says):
    assert told(kind, body) == says


def patterned(module):
    """The types of a module that have a pattern, by name."""
    for name, kind in vars(module).items():
        if isinstance(kind, type(Annotated[str, 0])):
            for meta in get_args(kind)[1:]:
                if getattr(meta, "pattern", None):
                    yield name, meta


@pytest.mark.parametrize(
    ("name", "meta"),
    [*patterned(operator), *patterned(messages)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_pattern_has_its_words(name, meta):
    assert meta.description, name
    assert (meta.extra_json_schema or {})[WANTED] == meta.description
