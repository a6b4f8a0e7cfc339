"""The webhook's signature, URL and body, byte by byte."""

import pytest

from platform_stub.protocol.webhook import check_url, encode_push, find_url_mistake, signature_of


@pytest.mark.parametrize(
    ("token", "uid", "signature"),
    [
        # printf 'token1' | md5sum, and so on: no separator, no newline, UTF-8
        ("token", 1, "78b1e6d775cec5260001af137a79dbd5"),
        ("s3cret", 5001, "65e90c2479746b7e4beb91304b1bd4d3"),
        ("令牌", 7, "c1bf4540662e668244ecf1bf17544976"),
    ],
)
def test_signature(token, uid, signature):
    assert signature_of(token, uid) == signature


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("http://h/hook", "http://h/hook?signature=ab"),
        ("http://h", "http://h?signature=ab"),
        ("http://h/hook?a=b%2Fc&d", "http://h/hook?a=b%2Fc&d&signature=ab"),
        ("http://h/hook?", "http://h/hook?signature=ab"),
        ("http://h/hook?a=b&", "http://h/hook?a=b&signature=ab"),
    ],
)
def test_the_signature_goes_behind_the_query_there_is(url, wanted):
    assert check_url(url, "ab") == wanted


def test_a_push_is_compact_and_in_the_documented_order():
    body = encode_push(
        uid=1, date_ms=1_600_000_000_123, signature="ab", dids="7,8,9", start_ms=5, version="2.0"
    )
    assert body == (
        b'{"info":{"uid":1,"date":1600000000123},"signature":"ab",'
        b'"msg":{"dids":[7,8,9],"startTime":5,"version":"2.0"}}'
    )


@pytest.mark.parametrize(
    "url", ["http://h", "https://example.org:8443/a?b=c", "http://[::1]:80/x", "http://10.0.0.1/%20"]
)
def test_a_url_that_can_be_called(url):
    assert find_url_mistake(url) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://host/x", "not ftp"),
        ("host.example/x", "not no scheme"),
        ("http:///path", "names no host"),
        ("http://host:0/", "port 0"),
        ("http://host:99999/", "Port out of range"),
        ("http://host:x/", "Port could not"),
        ("http://[::1/", "Invalid IPv6"),
        ("http://user:pw@host/", "delivery log"),
        ("http://host/#there", "never sent"),
        ("http://host/#", "never sent"),
        ("http://host/a b", "percent-encode"),
        ("http://höst/", "percent-encode"),
        ("http://host/\r\nX: y", "percent-encode"),
    ],
)
def test_a_url_that_can_not_be_called(url, words):
    assert words in find_url_mistake(url)
