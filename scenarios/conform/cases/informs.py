"""Hostile cases over MQTT: informs that are doubled, foreign or nonsense, and bytes that are no MQTT."""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from platform_stub.protocol import topics
from platform_stub.protocol.mqtt.codec import encode, encode_publish
from platform_stub.protocol.mqtt.packets import Publish
from scenarios.conform import steps as s
from scenarios.conform import wants as w
from scenarios.conform.bench import Bench
from scenarios.conform.case import MQTT_FLOW, Case, Do, Never, Step, Want
from scenarios.conform.mqtt_relay import MqttRule, changed
from scenarios.conform.record import UPDATED

_NONSENSE: Final = (
    b"",
    b"{}",
    b"null",
    b'{"id":"x"}',
    b'{"id":"x","version":"1.0"}',
    b'{"id":"x","params":[]}',
    b'{"id":5,"version":"1.0","params":{"tid":1}}',
    b'{"id":"x","version":"1.0","params":{"tid":-1,"type":9,"target":"","size":-5,"md5":"zz","url":""}}',
    b'{"id":"' + b"x" * 200 + b'","version":"1.0","params":{}}',
    b"\x00\x01\x02\xff",
    b'{"id":"x","version":"1.0","params":{"tid":1e400}}',
)
_FOREIGN_TID: Final = 4_000_000_000
_SMUGGLED: Final = "X-Smuggled"


def _topic(bench: Bench, suffix: str) -> str:
    return topics.topic_of(bench.product.product_id, bench.device.name, suffix)


def _say(text: str, make: Callable[[Bench], list[bytes]]) -> Do:
    """Send packets to the device."""

    async def act(bench: Bench) -> None:
        for packet in make(bench):
            await bench.mqtt.send(packet)

    return Do(text, act)


def _doubled(message: Publish) -> tuple[bytes, ...]:
    again = encode_publish(message.topic, message.payload)
    return (encode(message), again, again)


def _inform(bench: Bench, **params: object) -> bytes:
    said = {"id": "hostile", "version": "1.0", "params": params}
    return encode_publish(_topic(bench, topics.INFORM), msgspec.json.encode(said))


def _foreign(bench: Bench) -> list[bytes]:
    path = f"/fuse-ota/{bench.product.product_id}/{bench.device.name}/{_FOREIGN_TID}/download"
    return [
        _inform(bench, tid=_FOREIGN_TID, type=1, target="6.6", size=100, md5="0" * 32, url=path),
    ]


def _on_foreign_topics(bench: Bench) -> list[bytes]:
    pid, name = bench.product.product_id, bench.device.name
    there = (
        f"$sys/{pid}/{name}/ota/what",
        f"$sys/{pid}/other/ota/inform",
        "a",
        f"$sys/{pid}/{name}/thing/x/y",
    )
    payload = b'{"id":"1","version":"1.0","params":{"tid":7}}'
    return [encode_publish(topic, payload) for topic in there]


def _foreign_replies(bench: Bench) -> list[bytes]:
    suffixes = (topics.VERSION_REPLY, topics.STATUS_REPLY, topics.PROPERTY_POST_REPLY)
    replies = (b'{"id":"never-asked","code":200,"msg":"success"}', b'{"id":"never-asked","code":20}', b"200")
    return [encode_publish(_topic(bench, suffix), reply) for suffix in suffixes for reply in replies]


def _with_url(make: Callable[[Bench, str], str], what: str) -> Do:
    """Change the url of every inform."""

    async def act(bench: Bench) -> None:
        def change(message: Publish) -> tuple[bytes, ...]:
            said = msgspec.json.decode(message.payload)
            if said["params"]:
                said["params"]["url"] = make(bench, said["params"]["url"])
            return changed(message, msgspec.json.encode(said))

        bench.mqtt.rules.append(MqttRule(way="down", what="inform", change=change, note=what))

    return Do(what, act)


def _elsewhere(bench: Bench, url: str) -> str:
    host, port = bench.stranger.address
    return f"http://{host}:{port}{url}"


def _smuggling(_: Bench, url: str) -> str:
    return f"{url} HTTP/1.1\r\n{_SMUGGLED}: 1\r\nHost: x\r\n\r\nGET {url}"


def _climbing(_: Bench, __: str) -> str:
    return "/../../../../etc/passwd"


def _token_given(bench: Bench) -> str:
    taken = bench.stranger.taken
    return "it sends its token to a foreign address" if b"sign=" in taken else ""


def _smuggled(bench: Bench) -> str:
    return (
        "line breaks of the url end up in its request" if _SMUGGLED.lower() in bench.http.header_names else ""
    )


def _updated_twice(bench: Bench) -> str:
    ids = {heard.message_id for heard in bench.record.steps(s.FIRST) if heard.step == UPDATED}
    downloads = [heard for heard in bench.record.downloads(s.FIRST) if not heard.start]
    if len(downloads) > 1:
        return f"it begins the download {len(downloads)} times"
    return f"it reports 201 {len(ids)} times" if len(ids) > 1 else ""


def _false_foreign(bench: Bench) -> str:
    for heard in bench.record.up("step", "version"):
        if heard.f_version == "6.6" or (
            heard.handle == str(_FOREIGN_TID) and heard.step in {100, 101, UPDATED}
        ):
            return f"it claims a job that is not there: {heard.text}"
    return ""


def _not_back(bench: Bench) -> str:
    since = bench.since("garbage")
    return "" if bench.record.up("version", since=since) else f"it has not come back; {bench.sum_up()}"


def _not_again(bench: Bench) -> str:
    """Want the step said again whose reply was another report's."""
    said = bench.record.up("step")
    ids = [heard.message_id for heard in said]
    return (
        ""
        if len(ids) != len(set(ids))
        else f"it takes the reply to another report for its own; {bench.sum_up()}"
    )


def _swap_reply() -> Do:
    async def act(bench: Bench) -> None:
        bench.mqtt.rules.append(
            MqttRule(
                way="down",
                what="status_reply",
                change=lambda message: changed(message, b'{"id":"another","code":200,"msg":"success"}'),
                left=1,
                note="the reply to another report",
            )
        )

    return Do("the reply to the first step has another report's id", act)


def _double_informs() -> Do:
    async def act(bench: Bench) -> None:
        bench.mqtt.rules.append(MqttRule(way="down", what="inform", change=_doubled, note="three times"))

    return Do("every inform comes three times", act)


def _drip() -> Do:
    async def act(bench: Bench) -> None:
        bench.mqtt.drips = True

    return Do("everything over MQTT comes a byte at a time", act)


def _garbage(data: bytes, what: str) -> tuple[Step, ...]:
    async def mark(bench: Bench) -> None:
        bench.mark("garbage")
        await bench.mqtt.send(data)

    return (
        *w.get_in(),
        Want("it is subscribed", _not_subscribed),
        Do(f"the platform sends {what}", mark),
        Do("and ends the connection a little later", _end_later),
        Want("it connects anew and reports its versions", _not_back, 15),
        s.offer(),
        w.updated(limit_s=15),
    )


async def _end_later(bench: Bench) -> None:
    """Give the device the time to end the connection itself; a device that can't tell is helped out."""
    try:
        async with asyncio.timeout(1.0):
            while bench.mqtt.devices:
                bench.changed.clear()
                await bench.changed.wait()
    except TimeoutError:
        bench.mqtt.end_all()


def _not_subscribed(bench: Bench) -> str:
    return "" if bench.mqtt.devices else bench.sum_up()


def _then_well(act: Do) -> tuple[Step, ...]:
    return (
        *w.get_in(),
        Want("it is subscribed", _not_subscribed),
        act,
        Never("it claims nothing", _false_foreign, 1.0),
        s.offer(),
        w.updated(limit_s=20),
        Never("it claims nothing that is not there", _false_foreign),
    )


CASES: Final = (
    Case(
        id="informs-tripled",
        title="Every inform comes three times: the job is done once",
        group="hostile",
        facts=("M-26", "M-27"),
        flows=MQTT_FLOW,
        steps=(
            *w.get_in(),
            _double_informs(),
            s.offer(),
            w.updated(),
            Never("it is done once", _updated_twice, 2.0),
            w.in_order(),
        ),
    ),
    Case(
        id="foreign-job",
        title="An inform tells of a job that is not there",
        group="hostile",
        facts=("M-27", "F-code-12002", "R-11"),
        flows=MQTT_FLOW,
        steps=_then_well(_say(f"an inform of job {_FOREIGN_TID} comes", _foreign)),
    ),
    Case(
        id="inform-nonsense",
        title=f"Informs come that say nothing sensible, {len(_NONSENSE)} of them",
        group="hostile",
        facts=("M-23", "M-27"),
        flows=MQTT_FLOW,
        steps=_then_well(
            _say(
                "they come",
                lambda bench: [
                    encode_publish(_topic(bench, topics.INFORM), payload) for payload in _NONSENSE
                ],
            )
        ),
    ),
    Case(
        id="foreign-topics",
        title="Messages come on topics that are not the device's, or that it does not know",
        group="hostile",
        facts=("M-8",),
        flows=MQTT_FLOW,
        steps=_then_well(_say("they come", _on_foreign_topics)),
    ),
    Case(
        id="foreign-replies",
        title="Replies come to reports that it never made",
        group="hostile",
        facts=("M-25", "M-28", "M-29"),
        flows=MQTT_FLOW,
        steps=_then_well(_say("they come", _foreign_replies)),
    ),
    Case(
        id="reply-of-another",
        title="A step is answered under another report's id: that is no answer, and it says the step again",
        group="hostile",
        facts=("M-25", "M-29"),
        flows=MQTT_FLOW,
        steps=(
            *w.get_in(),
            _swap_reply(),
            s.offer(),
            Want("it says the step again, under the same id", _not_again, 15),
            w.updated(limit_s=20),
        ),
    ),
    Case(
        id="url-elsewhere",
        title="An inform's url leads to a foreign address: the device gives no token away",
        group="hostile",
        facts=("M-27", "T-1"),
        flows=MQTT_FLOW,
        steps=(
            *w.get_in(),
            _with_url(_elsewhere, "the url leads to a foreign address"),
            s.offer(),
            w.struck(),
            Never("no token goes there", _token_given, 2.0),
            w.no_false_claim(for_s=0),
            *w.still_well(),
            Never("no token has gone there", _token_given),
        ),
    ),
    Case(
        id="url-climbing",
        title="An inform's url climbs out of its folder",
        group="hostile",
        facts=("M-27",),
        flows=MQTT_FLOW,
        steps=(
            *w.get_in(),
            _with_url(_climbing, "the url is /../../../../etc/passwd"),
            s.offer(),
            w.struck(),
            w.no_false_claim(for_s=2.0),
            *w.still_well(),
        ),
    ),
    Case(
        id="url-with-line-breaks",
        title="An inform's url has line breaks and a header in it",
        group="hostile",
        facts=("M-27",),
        flows=MQTT_FLOW,
        steps=(
            *w.get_in(),
            _with_url(_smuggling, "the url has a header in it"),
            s.offer(),
            w.struck(),
            Never("nothing of it ends up in a request's head", _smuggled, 2.0),
            *w.still_well(),
            Never("nothing of it ended up in a request's head", _smuggled),
        ),
    ),
    Case(
        id="no-mqtt",
        title="Bytes come that are no MQTT: it connects anew",
        group="hostile",
        facts=("M-1",),
        flows=MQTT_FLOW,
        steps=_garbage(b"\xf0\x05HELLO\x00\x00", "bytes that are no MQTT"),
    ),
    Case(
        id="mqtt-too-large",
        title="A packet of 256 MB is announced: it connects anew, or waits until it is ended",
        group="hostile",
        facts=("M-11",),
        flows=MQTT_FLOW,
        steps=_garbage(b"\x30\xff\xff\xff\x7f\x00\x01a" + b"\x00" * 1_000, "the head of a packet of 256 MB"),
    ),
    Case(
        id="mqtt-byte-by-byte",
        title="Everything over MQTT comes a byte at a time: the update is done",
        group="hostile",
        facts=("M-1", "M-27"),
        flows=MQTT_FLOW,
        steps=(_drip(), *w.get_in(), s.offer(), w.updated(limit_s=20)),
    ),
)
