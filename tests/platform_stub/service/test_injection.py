"""Injected faults: whom they strike, how often, and what they do to what a device is told over MQTT."""

import asyncio
import json

import pytest

from platform_stub.protocol import topics
from platform_stub.protocol.ids import DeviceId
from platform_stub.protocol.injected import EFFECTS, EMPTY_INFORM, find_mistake
from platform_stub.protocol.messages import Reply, encode
from platform_stub.protocol.operator import ErrorCode, InjectedFault, InjectFault
from platform_stub.service.answers import Rejection
from platform_stub.service.injection import FAULTS_MAX, Injection, draw, spoil_md5
from platform_stub.service.ports import Session
from platform_stub.service.sessions import JobFacts, Sessions

MD5 = "0123456789abcdef" * 2
PLACES = [place for place in EFFECTS if place[0] != EMPTY_INFORM]


def struck(injection):
    return [fault.struck for fault in injection.list().faults]


def test_without_faults_nothing_is_picked():
    injection = Injection()
    assert injection.is_empty
    assert all(injection.pick(call, generation, 1, "p") is None for call, generation in EFFECTS)


@pytest.mark.parametrize("place", PLACES, ids=":".join)
def test_a_fault_strikes_its_call_of_its_generation_and_no_other(place):
    injection = Injection()
    injection.add(InjectFault(call=place[0], generation=place[1], silent=True))
    hit = {other for other in PLACES if injection.pick(*other, 1, "p") is not None}
    assert hit == {place}
    assert struck(injection) == [1]


def test_a_fault_for_any_call_strikes_only_where_it_can_do_something():
    injection = Injection()
    rule = InjectFault(wrong_md5=True)
    injection.add(rule)
    picks = {place: injection.pick(*place, 1, "p") for place in EFFECTS}
    hit = {place for place, strike in picks.items() if strike is not None and strike.rule is rule}
    assert hit == {("check", "south"), ("check", "studio"), ("check", "fuse"), ("inform", "mqtt")}
    assert struck(injection) == [4]


@pytest.mark.parametrize(
    ("who", "device_id", "product_id", "hit"),
    [
        ({}, 7, "p", True),
        ({"product_id": "p"}, 7, "p", True),
        ({"product_id": "p"}, 7, "q", False),
        ({"device_ids": [6, 7]}, 7, "p", True),
        ({"device_ids": [6, 8]}, 7, "p", False),
        ({"device_ids": [7], "product_id": "q"}, 7, "p", False),
        ({"share": 1.0}, 7, "p", True),
        ({"share": 1e-9}, 7, "p", False),
    ],
)
def test_whom_a_fault_strikes(who, device_id, product_id, hit):
    injection = Injection()
    injection.add(InjectFault(silent=True, **who))
    assert (injection.pick("check", "fuse", device_id, product_id) is not None) is hit
    assert struck(injection) == [int(hit)]


def test_a_share_is_drawn_once_per_device_and_again_with_another_seed():
    injection = Injection()
    added = injection.add(InjectFault(share=0.25, silent=True))
    first = [injection.pick("check", "fuse", device, "p") is not None for device in range(10_000)]
    again = [injection.pick("status", "mqtt", device, "p") is not None for device in range(10_000)]
    assert first == again
    assert 2_350 < sum(first) < 2_650
    injection.remove(added.fault_id)
    injection.add(InjectFault(share=0.25, seed=1, silent=True))
    assert [injection.pick("check", "fuse", device, "p") is not None for device in range(10_000)] != first


def test_a_draw_is_the_same_in_each_process():
    assert (draw(0, 1), draw(7, 12_345)) == (17449080249234257484, 1633094642706761194)  # b2sum -l 64


def test_a_device_is_struck_so_many_times():
    injection = Injection()
    injection.add(InjectFault(times=2, status=503))
    picks = [injection.pick("check", "fuse", device, "p") is not None for device in (1, 1, 1, 2, 1, 2, 2)]
    assert picks == [True, True, False, True, False, True, False]
    assert struck(injection) == [4]


def test_the_oldest_fault_that_strikes_decides_alone():
    injection = Injection()
    first = InjectFault(times=1, status=503)
    second = InjectFault(call="check", code=12012)
    injection.add(first)
    injection.add(second)
    assert injection.pick("check", "fuse", 1, "p").rule is first
    assert injection.pick("check", "fuse", 1, "p").rule is second
    assert injection.pick("status", "fuse", 1, "p") is None
    assert struck(injection) == [1, 1]


def test_a_strike_that_did_nothing_is_taken_back():
    injection = Injection()
    injection.add(InjectFault(times=1, wrong_md5=True))
    strike = injection.pick("check", "fuse", 1, "p")
    assert injection.pick("check", "fuse", 1, "p") is None  # never more than asked for, whatever is under way
    strike.miss()
    assert struck(injection) == [0]
    assert injection.pick("check", "fuse", 1, "p") is not None
    assert injection.pick("check", "fuse", 1, "p") is None
    assert struck(injection) == [1]


def test_all_strikes_are_counted_beyond_a_faults_life():
    injection = Injection()
    one = injection.add(InjectFault(times=1, status=503))
    injection.add(InjectFault(times=1, status=503))
    for _ in range(3):
        injection.pick("check", "fuse", 1, "p")
    injection.remove(one.fault_id)
    assert injection.struck == 2
    injection.clear()
    assert injection.struck == 2


def test_a_fault_that_is_removed_strikes_no_more():
    injection = Injection()
    one, two = (injection.add(InjectFault(silent=True)) for _ in range(2))
    injection.pick("check", "fuse", 1, "p")
    assert injection.remove(one.fault_id) == InjectedFault(
        fault_id=one.fault_id, rule=InjectFault(silent=True), struck=1
    )
    assert injection.remove(one.fault_id).code is ErrorCode.NOT_FOUND
    assert [fault.fault_id for fault in injection.list().faults] == [two.fault_id]
    assert [fault.fault_id for fault in injection.clear().faults] == [two.fault_id]
    assert injection.is_empty
    assert injection.pick("check", "fuse", 1, "p") is None


def test_an_id_is_never_used_again():
    injection = Injection()
    ids = []
    for _ in range(3):
        ids.append(injection.add(InjectFault(silent=True)).fault_id)
        injection.clear()
    assert ids == [1, 2, 3]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({}, "nothing would go wrong"),
        ({"call": "check"}, "nothing would go wrong"),
        ({"silent": True, "status": 503}, "silent means no answer, so status"),
        ({"call": "inform", "generation": "fuse", "silent": True}, "generation fuse has no call inform"),
        ({"call": "download", "generation": "mqtt", "silent": True}, "download with fuse's call"),
        ({"call": "check", "cut_at_bytes": 5}, "cut_at_bytes can't happen to call check of any generation"),
        ({"generation": "mqtt", "status": 503}, "status can't happen to any call of generation mqtt"),
        ({"call": "version", "wrong_md5": True, "delay_ms": 5}, "wrong_md5 can't happen to call version"),
        ({"call": "inform", "code": 1}, "code can't happen to call inform"),
    ],
)
def test_a_fault_that_could_never_strike_is_refused(rule, words):
    injection = Injection()
    refused = injection.add(InjectFault(**rule))
    assert isinstance(refused, Rejection)
    assert refused.code is ErrorCode.MALFORMED
    assert words in refused.message
    assert injection.is_empty


@pytest.mark.parametrize(("place", "effects"), EFFECTS.items(), ids=lambda it: ":".join(sorted(it)))
def test_all_that_can_go_wrong_somewhere_can_be_asked_for(place, effects):
    call = "inform" if place[0] == EMPTY_INFORM else place[0]
    values = {"delay_ms": 1, "silent": True, "status": 500, "code": 1, "cut_at_bytes": 0, "wrong_md5": True}
    for effect in effects:
        rule = InjectFault(call=call, generation=place[1], **{effect: values[effect]})
        assert find_mistake(rule) is None
        injection = Injection()
        injection.add(rule)
        assert injection.pick(*place, 1, "p").rule is rule


def test_there_is_an_end_to_how_many():
    injection = Injection()
    for _ in range(FAULTS_MAX):
        injection.add(InjectFault(silent=True))
    assert injection.add(InjectFault(silent=True)).code is ErrorCode.CONFLICT


def test_a_wrong_digest_is_well_formed_and_wrong_at_each_digit():
    spoiled = spoil_md5(MD5)
    assert len(spoiled) == 32
    assert int(spoiled, 16) >= 0
    assert all(one != other for one, other in zip(MD5, spoiled, strict=True))


class Wire:
    """A downlink that keeps what is sent, and can be waited for."""

    def __init__(self):
        self.sent = []
        self.arrived = asyncio.Event()
        self.is_taken = True

    def publish(self, session, suffix, payload, qos, delivered=None):
        self.sent.append((suffix, json.loads(payload), qos))
        self.arrived.set()

    def takes(self, session, suffix):
        return self.is_taken

    def close(self, session):
        raise AssertionError("nobody asked for that")


@pytest.fixture
def told():
    """Sessions with an injection, a wire, and a present device."""
    injection = Injection()
    sessions = Sessions(injection)
    wire = Wire()
    sessions.attach(wire)
    session = Session(DeviceId(7), "p", "dev7", told_by_inform=True, present=True)
    sessions.open(session)
    return sessions, injection, wire, session


REPLY = encode(Reply(id="5"))
JOB = JobFacts(31, 1, "2.0", 560, MD5)


def answer(told):
    """What the device gets for a status report and a job of its own."""
    sessions, _, wire, session = told
    sessions.publish(session, topics.STATUS_REPLY, REPLY)
    sessions.inform(session, [JOB])
    return [(suffix, message.get("code") or message["params"]["md5"]) for suffix, message, _ in wire.sent]


async def test_without_a_fault_a_device_is_told_the_truth(told):
    assert answer(told) == [(topics.STATUS_REPLY, 200), (topics.INFORM, MD5)]


async def test_a_reply_with_another_code(told):
    told[1].add(InjectFault(call="status", code=12016))
    assert answer(told) == [(topics.STATUS_REPLY, 12016), (topics.INFORM, MD5)]
    assert told[2].sent[0][1] == {"id": "5", "code": 12016, "msg": "injected fault"}
    told[0].publish(told[3], topics.PROPERTY_POST_REPLY, REPLY)
    assert told[2].sent[-1][1]["code"] == 200


async def test_an_inform_with_a_wrong_digest(told):
    told[1].add(InjectFault(wrong_md5=True))
    assert answer(told) == [(topics.STATUS_REPLY, 200), (topics.INFORM, spoil_md5(MD5))]
    assert struck(told[1]) == [1]


async def test_silence(told):
    told[1].add(InjectFault(generation="mqtt", silent=True))
    assert answer(told) == []
    assert told[0].informs_sent == 0
    assert struck(told[1]) == [2]


async def test_an_empty_inform_can_be_lost_but_has_no_digest(told):
    sessions, injection, wire, session = told
    session.present = False
    injection.add(InjectFault(call="inform", wrong_md5=True))
    sessions.inform(session, [JOB])
    assert [message["params"] for _, message, _ in wire.sent] == [{}]
    assert struck(injection) == [0]
    injection.add(InjectFault(call="inform", silent=True, times=1))
    sessions.inform(session, [JOB])
    assert len(wire.sent) == 1
    sessions.inform(session, [JOB])
    assert len(wire.sent) == 2


async def test_what_the_broker_drops_is_no_strike(told):
    """The device has not subscribed to the reply, or has left: nothing went wrong with it."""
    _, injection, wire, _ = told
    injection.add(InjectFault(generation="mqtt", silent=True, times=1))
    wire.is_taken = False
    answer(told)
    assert struck(injection) == [0]
    wire.is_taken = True
    wire.sent.clear()
    assert answer(told) == [(topics.INFORM, MD5)]  # the reply was lost, and that used it up
    assert struck(injection) == [1]


async def test_a_late_reply_is_overtaken(told):
    sessions, injection, wire, session = told
    injection.add(InjectFault(call="status", delay_ms=30, code=12016, times=1))
    began = asyncio.get_running_loop().time()
    sessions.publish(session, topics.STATUS_REPLY, REPLY)
    sessions.publish(session, topics.STATUS_REPLY, encode(Reply(id="6")))
    assert [message["id"] for _, message, _ in wire.sent] == ["6"]
    wire.arrived.clear()
    async with asyncio.timeout(60):
        await wire.arrived.wait()
    assert asyncio.get_running_loop().time() - began >= 0.029
    assert [(message["id"], message["code"]) for _, message, _ in wire.sent] == [("6", 200), ("5", 12016)]


async def test_what_is_held_back_has_a_bound(told):
    _, injection, wire, session = told
    sessions = Sessions(injection, late_max=2)
    sessions.attach(wire)
    injection.add(InjectFault(call="status", delay_ms=1))
    for round_of_three in ("123", "456"):
        for message_id in round_of_three:
            sessions.publish(session, topics.STATUS_REPLY, encode(Reply(id=message_id)))
        async with asyncio.timeout(60):
            while wire.sent[-1:] == [] or wire.sent[-1][1]["id"] != round_of_three[1]:
                wire.arrived.clear()
                await wire.arrived.wait()
    assert [message["id"] for _, message, _ in wire.sent] == ["1", "2", "4", "5"]
