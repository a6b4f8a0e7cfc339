"""The run's own webhook: what it answers to a check, which pushes it takes, what it counts."""

import aiohttp
import pytest

from platform_stub.protocol.webhook import check_url, encode_push, signature_of
from scenarios.runner.receiver import Receiver

UID = 7


def push(receiver, signature=None):
    signature = signature_of(receiver.token, UID) if signature is None else signature
    return encode_push(uid=UID, date_ms=1, signature=signature, dids="1,2", start_ms=2, version="2.0")


async def post(http, receiver, body):
    async with http.post(receiver.url, data=body) as reply:
        return reply.status


@pytest.mark.parametrize(("passes", "answer"), [(True, "PASSED"), (False, "FAILED")])
async def test_it_answers_the_check_with_its_own_signature(passes, answer):
    async with Receiver(UID, passes=passes, failing=0) as receiver, aiohttp.ClientSession() as http:
        async with http.get(check_url(receiver.url, signature_of(receiver.token, UID))) as reply:
            assert (reply.status, await reply.text()) == (200, answer)
        async with http.get(check_url(receiver.url, signature_of(receiver.token, UID + 1))) as reply:
            assert await reply.text() == "FAILED"
        assert receiver.pushes == 0


async def test_it_refuses_the_first_pushes_and_takes_the_next():
    async with Receiver(UID, passes=True, failing=2) as receiver, aiohttp.ClientSession() as http:
        assert [await post(http, receiver, push(receiver)) for _ in range(3)] == [503, 503, 200]
        assert receiver.pushes == 3


async def test_it_takes_no_push_that_is_not_signed_or_none():
    async with Receiver(UID, passes=True, failing=0) as receiver, aiohttp.ClientSession() as http:
        assert await post(http, receiver, push(receiver, signature="0" * 32)) == 400
        assert await post(http, receiver, b"{}") == 400
        assert receiver.pushes == 2
