"""The address of a broker that is not ours: taken apart, and spelled without its password."""

import pytest

from platform_stub.protocol.broker_url import BrokerUrl, is_broker_url, parse_broker_url
from platform_stub.protocol.errors import UsageFault


@pytest.mark.parametrize(
    ("text", "url", "shown"),
    [
        ("mqtt://h", BrokerUrl(host="h"), "mqtt://h:1883"),
        ("mqtt://h:18/", BrokerUrl(host="h", port=18), "mqtt://h:18"),
        ("mqtt://[::1]:18", BrokerUrl(host="::1", port=18), "mqtt://[::1]:18"),
        ("mqtt://me@h", BrokerUrl(host="h", user="me"), "mqtt://me@h:1883"),
        ("mqtt://me:se%3Acret@h", BrokerUrl(host="h", user="me", password="se:cret"), "mqtt://me:***@h:1883"),
    ],
)
def test_it_is_taken_apart(text: str, url: BrokerUrl, shown: str) -> None:
    assert is_broker_url(text)
    assert parse_broker_url(text) == url
    assert str(url) == shown
    assert "cret" not in repr(url)
    assert str(parse_broker_url(str(url))) == shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mqtts://u:secret@h", "without TLS"),
        ("http://u:secret@h", "http: no broker"),
        ("mqtt://", "names no host"),
        ("mqtt://u:secret@h:0", "port 0"),
        ("mqtt://u:secret@h:99999", "can't be read"),
        ("mqtt://u:secret@h:x", "can't be read"),
        ("mqtt://u:secret@h/topic", "ends with its port"),
        ("mqtt://u:secret@h?x=1", "ends with its port"),
        ("mqtt://:secret@h", "no user"),
    ],
)
def test_what_is_none_is_refused_without_repeating_its_password(text: str, words: str) -> None:
    with pytest.raises(UsageFault, match=words) as fault:
        parse_broker_url(text)
    assert "secret" not in str(fault.value)
    assert "mqtt://[user:password@]host[:port]" in str(fault.value)


def test_a_name_is_no_address() -> None:
    assert not is_broker_url("embedded")
