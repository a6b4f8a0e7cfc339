"""Targets as devices spell them: whose they are, and which segments they have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_stub.api import target
from platform_stub.api.target import read_query, read_target
from platform_stub.protocol.calls import Generation
from platform_stub.protocol.ids import RESERVED_PRODUCT_IDS

SOUTH, STUDIO, FUSE = Generation.SOUTH, Generation.STUDIO, Generation.FUSE


@pytest.mark.parametrize(
    ("text", "generation", "segments", "query"),
    [
        ("/fuse-ota/p/d/check?type=1", FUSE, ("p", "d", "check"), "type=1"),
        ("/fuse-ota", FUSE, (), ""),
        ("/ota/p/d/1/download", STUDIO, ("p", "d", "1", "download"), ""),
        ("/ota/p/d/1/download/", STUDIO, ("p", "d", "1", "download"), ""),
        ("/ota/south/check?dev_id=1", SOUTH, ("check",), "dev_id=1"),
        ("/ota/check", SOUTH, ("check",), ""),
        ("/ota/download/ota_x/check", SOUTH, ("download", "ota_x", "check"), ""),
        ("/ota/south/device/download/ota_x/progress", SOUTH, ("device", "download", "ota_x", "progress"), ""),
        ("/ota/device/version", SOUTH, ("device", "version"), ""),
        ("/ota/devInfo", SOUTH, ("devInfo",), ""),
        ("/ota/south", SOUTH, (), ""),
        ("/ota", SOUTH, (), ""),
        ("/ota/south/south", SOUTH, ("south",), ""),
        ("//ota///south//check//", SOUTH, ("check",), ""),
        ("//fuse-ota//p/d//version", FUSE, ("p", "d", "version"), ""),
        ("http://iot-api.heclouds.com/fuse-ota/p/d/version?a=b", FUSE, ("p", "d", "version"), "a=b"),
        ("https://iot-api.heclouds.com:443/fuse-ota/p/d/version", FUSE, ("p", "d", "version"), ""),
        ("HTTPS://h//ota//p/d/version", STUDIO, ("p", "d", "version"), ""),
        ("https://h", None, (), ""),
        ("https://h?fuse-ota=/fuse-ota/p", None, (), ""),
        ("/fuse-ota/p/d%2Fe/version", FUSE, ("p", "d/e", "version"), ""),
        ("/fuse-ota%2Fp/d/version", None, ("fuse-ota/p", "d", "version"), ""),
        ("/fuse-ota/p/%00/version", FUSE, ("p", "\0", "version"), ""),
        ("/fuse-ota/p/%ff/version", FUSE, ("p", "\0", "version"), ""),
        ("/fuse-ota/p/d+e/version", FUSE, ("p", "d+e", "version"), ""),
        ("/fuse-ota/../ota/south/check", FUSE, ("..", "ota", "south", "check"), ""),
        ("/fuse-ota/p/d/version#part?x", FUSE, ("p", "d", "version"), ""),
        ("/fuse-ota/p/d/%2563", FUSE, ("p", "d", "%63"), ""),
        ("/v1/accounts", None, ("v1", "accounts"), ""),
        ("/FUSE-OTA/p/d/version", None, ("FUSE-OTA", "p", "d", "version"), ""),
        ("/", None, (), ""),
        ("*", None, ("*",), ""),
        ("", None, (), ""),
    ],
)
def test_a_target_is_read(text, generation, segments, query):
    assert read_target(text) == (generation, segments, query)


@pytest.mark.parametrize("word", sorted(RESERVED_PRODUCT_IDS))
def test_the_words_of_a_are_no_product_ids(word):
    assert read_target(f"/ota/{word}/d0/version").generation is SOUTH


def test_the_reserved_words_are_those_of_the_facts():
    assert {"south", "device", "download", "check", "report", "devInfo"} == RESERVED_PRODUCT_IDS


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("", {}),
        ("type=1&version=2.0", {"type": "1", "version": "2.0"}),
        ("a=1&a=2", {"a": "1"}),
        ("a", {"a": ""}),
        ("a=&b=1", {"a": "", "b": "1"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=%41+b%2B", {"a": "A b+"}),
        ("a=%zz", {"a": "%zz"}),
    ],
)
def test_a_query_is_read(text, parameters):
    assert read_query(text) == parameters


@given(st.text())
def test_any_text_is_a_target(text):
    generation, segments, _ = read_target(text)
    assert generation in {None, *Generation}
    assert all(segments)


@given(st.text())
def test_any_text_is_a_query(text):
    assert all(isinstance(value, str) for value in read_query(text).values())


def test_a_long_path_is_read_and_not_remembered():
    before = target._read_path.cache_info().currsize
    long = "/fuse-ota/" + "a/" * 4_000 + "check"
    assert read_target(long).segments[-1] == "check"
    assert target._read_path.cache_info().currsize == before
