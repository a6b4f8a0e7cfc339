"""Any chunking and any cuts give the same digest; answers that lie are told apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_sim.core.download import Download, Verdict
from device_sim.core.events import Answered
from tests.device_sim.core.story import md5, partial


def of(package, chunk_bytes=400, flush_bytes=0):
    return Download(
        size_bytes=len(package), md5=md5(package), chunk_bytes=chunk_bytes, flush_bytes=flush_bytes
    )


@given(
    package=st.binary(min_size=1, max_size=400),
    chunk_bytes=st.integers(1, 450),
    cuts=st.lists(st.integers(0, 450), max_size=30),
    pieces=st.integers(1, 60),
    whole=st.lists(st.booleans(), max_size=5),
)
def test_any_chunking_and_cuts_give_the_same_digest(package, chunk_bytes, cuts, pieces, whole):
    download = of(package, chunk_bytes)
    cuts, whole = list(cuts), list(whole)
    while not download.is_complete:
        start, stop = download.next_range()
        assert start == download.position
        assert start < stop <= len(package)
        if whole and whole.pop():  # a server that knows no ranges
            start, stop = 0, len(package)
            answer = Answered(200, "0", None, stop)
        else:
            answer = partial(start, stop, len(package))
        assert download.judge(answer) == (Verdict.TAKE, "")
        got = package[start:stop]
        if cuts:
            got = got[: cuts.pop()]
        for at in range(0, len(got), pieces):
            assert download.take(got[at : at + pieces])
        assert download.is_answered is (len(got) == stop - start)
    assert download.digest_matches()


@given(package=st.binary(min_size=1, max_size=100), at=st.integers(0, 99), bit=st.integers(0, 7))
def test_one_bit_is_enough(package, at, bit):
    other = bytearray(package)
    other[at % len(other)] ^= 1 << bit
    download = of(package)
    download.judge(Answered(200, "0", None, len(package)))
    assert download.take(bytes(other))
    assert not download.digest_matches()


@given(
    st.builds(
        Answered,
        st.integers(100, 999),
        st.none() | st.text(max_size=3) | st.just("0"),
        st.none() | st.text(max_size=30),
        st.none() | st.integers(0, 2_000),
    )
)
def test_any_answer_is_judged(answer):
    verdict, why = of(bytes(1_000)).judge(answer)
    assert isinstance(verdict, Verdict)
    assert (why == "") is (verdict is Verdict.TAKE)


@pytest.mark.parametrize(
    ("answer", "verdict", "why"),
    [
        (partial(400, 800, 1_000), Verdict.TAKE, ""),
        (partial(400, 500, 1_000), Verdict.TAKE, ""),  # less than asked is fine
        (Answered(206, "0", "bytes 400-799/1000", None), Verdict.TAKE, ""),  # chunked
        (partial(400, 801, 1_000), Verdict.TRY_AGAIN, "asked for bytes 400-799, got 400-800"),
        (partial(0, 400, 1_000), Verdict.TRY_AGAIN, "asked for bytes 400-799, got 0-399"),
        (partial(400, 400, 1_000), Verdict.TRY_AGAIN, "asked for bytes 400-799, got 400-399"),
        (partial(400, 800, 999), Verdict.TRY_AGAIN, "the file has 999 bytes, the inform said 1000"),
        (Answered(206, "0", None, 400), Verdict.TRY_AGAIN, "206 with Content-Range None"),
        (
            Answered(206, "0", "bytes 400-799/*", 400),
            Verdict.TRY_AGAIN,
            "206 with Content-Range 'bytes 400-799/*'",
        ),
        (
            Answered(206, "0", "bytes 400-799/1000", 399),
            Verdict.TRY_AGAIN,
            "Content-Length 399 for 400 bytes",
        ),
        (Answered(200, "0", None, 400), Verdict.TRY_AGAIN, "the file has 400 bytes, the inform said 1000"),
        (Answered(204, "0", None, None), Verdict.TRY_AGAIN, "HTTP 204 for a download"),
        (Answered(206, None, "bytes 400-799/1000", 400), Verdict.GIVE_UP, "no Ota-Errno in the answer"),
        (Answered(404, None, None, 0), Verdict.GIVE_UP, "HTTP 404"),
        (Answered(503, None, None, 0), Verdict.TRY_AGAIN, "HTTP 503"),
        (Answered(503, "3", None, 0), Verdict.TRY_AGAIN, "Ota-Errno 3"),
        (Answered(200, "5", None, 0), Verdict.ENDED, "Ota-Errno 5"),
    ],
)
def test_each_answer_in_the_middle_of_a_download(answer, verdict, why):
    download = of(bytes(1_000))
    download.judge(partial(0, 400, 1_000))
    download.take(bytes(400))
    assert download.next_range() == (400, 800)
    assert download.judge(answer) == (verdict, why)
    if verdict is not Verdict.TAKE:
        assert not download.take(b"x")


def test_nothing_is_taken_before_an_answer_was_judged():
    download = of(bytes(1_000))
    download.next_range()
    assert not download.take(b"x")


def test_an_upper_case_digest_is_the_same_digest():
    download = Download(size_bytes=1, md5=md5(b"a").upper(), chunk_bytes=1)
    download.judge(Answered(200, "0", None, 1))
    download.take(b"a")
    assert download.digest_matches()


@given(
    package=st.binary(min_size=1, max_size=400),
    chunk_bytes=st.integers(1, 450),
    flush_bytes=st.integers(0, 90),
    pieces=st.integers(1, 120),
    losses=st.lists(st.integers(0, 450), max_size=20),
    whole=st.lists(st.booleans(), max_size=5),
)
def test_any_losses_of_power_give_the_same_digest(package, chunk_bytes, flush_bytes, pieces, losses, whole):
    """After each it goes on at the last full step that was there, and no byte is taken twice."""
    download = of(package, chunk_bytes, flush_bytes)
    losses, whole = list(losses), list(whole)
    while not download.is_complete:
        start, stop = download.next_range()
        if whole and whole.pop():  # a server that knows no ranges
            start, stop = 0, len(package)
            assert download.judge(Answered(200, "0", None, stop)) == (Verdict.TAKE, "")
        else:
            assert download.judge(partial(start, stop, len(package))) == (Verdict.TAKE, "")
        got = package[start:stop][: losses[-1]] if losses else package[start:stop]
        for at in range(0, len(got), pieces):
            assert download.take(memoryview(got)[at : at + pieces])
        if losses:
            losses.pop()
            there = download.position
            download.rewind()
            assert download.position == (there - there % flush_bytes if flush_bytes else 0)
    assert download.digest_matches()


def test_a_loss_of_power_gives_no_new_tries():
    download = of(bytes(1_000), flush_bytes=300)
    download.judge(partial(0, 400, 1_000))
    download.take(bytes(400))
    assert download.gain()
    download.rewind()
    assert (download.position, download.furthest, download.gain()) == (300, 300, False)
