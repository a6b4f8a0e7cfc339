"""MQTT access as the facts have it, byte by byte; paho-mqtt is the second pair of eyes at the end."""

import asyncio
import json
import threading
import time

import paho.mqtt.client as paho
import pytest

from tests.facts import mqtt_wire as mqtt
from tests.facts.shop import NOW_S, open_shop

YES = b"\x00\x00"
REFUSED = {1: "protocol version", 2: "identifier", 3: "server", 4: "user or password", 5: "not authorised"}


async def connack(shop, packet):
    """The CONNACK's code, None when the connection ends without one."""
    async with mqtt.line(shop.mqtt) as line:
        line.send(packet)
        arrived = await line.packet()
        if arrived is None:
            return None
        assert arrived[0] == 0x20, arrived
        assert arrived[1][0] == 0
        code = arrived[1][1]
        assert code == 0 or await line.ended()
        return code


@pytest.mark.fact("M-1", "M-2", "M-3", "T-1")
async def test_a_device_connects_with_its_name_its_product_and_its_token(shop):
    device = await shop.device()
    async with mqtt.line(shop.mqtt) as line:
        line.send(mqtt.connect(device.name, device.product, device.token()))
        assert await line.packet() == (0x20, b"\x00\x00", 4)
        assert await line.silent()


@pytest.mark.fact("M-1")
@pytest.mark.parametrize(
    ("how", "codes"),
    [
        ({"level": 3}, {1}),
        ({"level": 5}, {1}),
        ({"name": "MQIsdp", "level": 3}, {1, None}),
        ({"name": "mqtt"}, {1, None}),
    ],
)
async def test_other_versions_are_refused(shop, how, codes):
    device = await shop.device()
    assert await connack(shop, mqtt.connect(device.name, device.product, device.token(), **how)) in codes


@pytest.mark.fact("M-2")
async def test_each_of_the_three_names_counts(shop):
    one, other = await shop.devices(2)
    assert await connack(shop, mqtt.connect(other.name, one.product, one.token())) in REFUSED
    assert await connack(shop, mqtt.connect(one.name, "nosuch", one.token())) in REFUSED
    assert await connack(shop, mqtt.connect(one.name, one.product, other.token())) in REFUSED
    assert await connack(shop, mqtt.connect("nobody", one.product, one.token())) in REFUSED
    assert await connack(shop, mqtt.connect("", one.product, one.token())) in REFUSED
    assert await connack(shop, mqtt.connect(one.name, one.product, "no token")) in REFUSED


WILL = mqtt.text("$sys/p/d/ota/status") + mqtt.text("gone")


@pytest.mark.fact("M-3")
@pytest.mark.parametrize(
    ("flags", "will"),
    [(0xC0, b""), (0x82, b""), (0x02, b""), (0x00, b""), (0xC6, WILL), (0xCE, WILL), (0xE6, WILL)],
    ids=["no clean session", "no password", "nobody", "nothing", "will", "will at QoS 1", "retained will"],
)
async def test_flags_other_than_c2_are_refused(shop, flags, will):
    device = await shop.device()
    packet = mqtt.connect(device.name, device.product, device.token(), flags=flags, will=will)
    assert await connack(shop, packet) in REFUSED


@pytest.mark.fact("M-3")
async def test_nothing_is_retained(shop):
    device = await shop.device()
    async with device.line() as line:
        body = b'{"id":"1","version":"1.0","params":{"f_version":"9.0"}}'
        line.send(mqtt.publish(line.prefix + "/ota/version", body, qos=1, retain=True))
        assert await line.ended()
    assert await device.versions() == ("1.0", "1.0")


@pytest.mark.fact("M-4")
@pytest.mark.parametrize(
    ("keepalive", "taken"), [(0, False), (9, False), (10, True), (1800, True), (1801, False)]
)
async def test_keep_alive_has_bounds(shop, keepalive, taken):
    device = await shop.device()
    code = await connack(shop, mqtt.connect(device.name, device.product, device.token(), keepalive=keepalive))
    assert (code == 0) is taken


@pytest.mark.fact("M-4")
async def test_a_silent_device_is_cut_after_one_and_a_half_keep_alives(shop):
    device = await shop.device()
    broker = shop.stub.broker
    at_ms = broker.now_ms()
    broker.now_ms = lambda: at_ms
    async with device.line(keepalive=10) as line:
        at_ms += 13_500
        broker.sweep()
        assert await line.silent()  # still there, and heard again at 13.5 s
        at_ms += 13_500
        broker.sweep()
        assert (await shop.operator("GET", f"/v1/devices/{device.device_id}"))["connected"] is True
        at_ms += 3_000
        broker.sweep()
        assert await line.ended()


@pytest.mark.fact("M-5")
@pytest.mark.parametrize("qos", [0, 1])
async def test_qos_0_and_1_go_up(shop, qos):
    device = await shop.device()
    async with device.line() as line:
        assert await line.subscribe("/ota/version_reply") == [1]
        body = {"id": "1", "version": "1.0", "params": {"f_version": "1.5"}}
        assert (await line.ask("/ota/version", body, qos=qos))["code"] == 200
    assert await device.versions() == ("1.5", "1.0")


@pytest.mark.fact("M-5")
async def test_qos_2_is_refused(shop):
    device = await shop.device()
    async with device.line() as line:
        line.send(
            mqtt.publish(line.prefix + "/ota/version", b'{"id":"1","params":{"f_version":"9.0"}}', qos=2)
        )
        assert await line.ended()
    assert await device.versions() == ("1.0", "1.0")


@pytest.mark.fact("M-6")
@pytest.mark.parametrize(("asked", "granted"), [(0, 0), (1, 1), (2, 1)])
async def test_the_qos_asked_for_is_granted_up_to_1(shop, asked, granted):
    device = await shop.device()
    async with device.line() as line:
        assert await line.subscribe("/ota/#", qos=asked) == [granted]


@pytest.mark.fact("M-6", "M-27")
async def test_strict_grants_0_and_sends_at_0(strict_shop):
    device = await strict_shop.told()
    async with device.line() as line:
        assert await line.subscribe("/ota/#", qos=1) == [0]
        line.send(
            mqtt.publish(
                line.prefix + "/ota/version", b'{"id":"1","version":"1.0","params":{"f_version":"1.0"}}'
            )
        )
        while not (message := await line.message()).json.get("params"):
            assert message.qos == 0
        assert (message.topic, message.qos) == (line.prefix + "/ota/inform", 0)


@pytest.mark.fact("M-8")
async def test_a_device_has_only_what_is_below_its_own_prefix(shop):
    one, other = await shop.devices(2)
    mine = f"$sys/{one.product}/{one.name}"
    wanted = {
        f"{mine}/ota/inform": 1,
        f"{mine}/#": 1,
        f"{mine}/ota/+": 1,
        f"{mine}/+/json/accepted": 1,
        f"$sys/{one.product}/{other.name}/#": 0x80,
        f"$sys/other/{one.name}/#": 0x80,
        f"$sys/{one.product}/+/ota/inform": 0x80,
        f"$sys/+/{one.name}/ota/inform": 0x80,
        "$sys/#": 0x80,
        "#": 0x80,
        "+/+/+/ota/inform": 0x80,
        f"{mine}x/ota/inform": 0x80,
        mine: 0x80,
        "news": 0x80,
    }
    for topic_filter, code in wanted.items():
        async with one.line() as line:
            line.send(mqtt.subscribe(topic_filter))
            assert list((await line.expect(mqtt.SUBACK))[2:]) == [code], topic_filter


@pytest.mark.fact("M-8")
async def test_good_and_bad_filters_of_one_packet_are_judged_one_by_one(shop):
    device = await shop.device()
    async with device.line() as line:
        line.send(mqtt.subscribe(line.prefix + "/ota/inform", "#", line.prefix + "/dp/#", packet_id=513))
        assert await line.packet() == (0x90, b"\x02\x01\x01\x80\x01", 7)


@pytest.mark.fact("M-9")
@pytest.mark.parametrize(
    "topic",
    [
        "news",
        "$sys/{product}/{other}/ota/version",
        "$sys/{product}/{name}/ota/inform",
        "$sys/{product}/{name}/ota/versions",
        "$sys/{product}/{name}",
        "$SYS/broker",
    ],
)
async def test_an_illegal_topic_ends_the_connection(shop, topic):
    one, other = await shop.devices(2)
    async with one.line() as line:
        topic = topic.format(product=one.product, name=one.name, other=other.name)
        line.send(mqtt.publish(topic, b'{"id":"1","params":{"f_version":"9.0"}}'))
        assert await line.ended()
    assert await other.versions() == ("1.0", "1.0")


@pytest.mark.fact("M-10")
async def test_the_eleventh_subscription_is_refused(shop):
    device = await shop.device()
    async with device.line() as line:
        codes = []
        for number in range(11):
            codes += await line.subscribe(f"/ota/t{number}")
        assert codes == [1] * 10 + [0x80]
        assert await line.subscribe("/ota/t3") == [1]  # again is no new one
        line.send(mqtt.unsubscribe(line.prefix + "/ota/t0"))
        await line.expect(mqtt.UNSUBACK)
        assert await line.subscribe("/ota/t10") == [1]


@pytest.mark.fact("M-11")
async def test_a_payload_is_at_most_256_kib(shop):
    device = await shop.device()
    room = 256 * 1024
    head = b'{"id":1,"dp":{"s":[{"v":"'
    largest = head + b"a" * (room - len(head) - 5) + b'"}]}}'
    assert len(largest) == room
    async with device.line(keepalive=60) as line:
        await line.subscribe("/dp/post/json/accepted")
        line.send(mqtt.publish(line.prefix + "/dp/post/json", largest, qos=1))
        assert (await line.message("/dp/post/json/accepted")).payload == b'{"id":1}'
        await line.expect(mqtt.PUBACK)
        line.send(mqtt.publish(line.prefix + "/dp/post/json", largest + b" ", qos=1))
        assert await line.ended()


@pytest.mark.fact("M-14")
async def test_a_second_connection_takes_over(shop):
    device = await shop.device()
    async with device.line() as first, device.line() as second:
        assert await first.ended()
        assert await second.silent()
        await second.subscribe("/ota/inform")
        await shop.task(await shop.package(), [device])
        assert (await second.message("/ota/inform")).json["params"] == {}


@pytest.mark.fact("M-14")
async def test_the_same_name_in_another_product_is_another_device(shop):
    product = await shop.operator("POST", f"{shop.base}/products", {})
    (one,) = await shop.devices(names=["meter"])
    (other,) = await shop.devices(names=["meter"], product=product)
    async with one.line() as first, other.line() as second:
        assert await first.silent()
        assert await second.silent()


@pytest.mark.fact("T-7", "T-6", "T-12")
async def test_the_password_is_judged_as_the_facts_say(shop):
    device = await shop.device()

    async def code(password):
        return await connack(shop, mqtt.connect(device.name, device.product, password))

    assert await code(device.token(NOW_S + 60)) == 0
    assert await code(device.token(NOW_S + 11 * 366 * 86_400)) == 0  # no cap here
    assert await code(device.token(2**63 - 1)) == 0
    assert await code(device.token(NOW_S - 1)) in REFUSED
    assert await code(device.token(version="2022-05-01")) in REFUSED
    assert await code(device.user_token()) in REFUSED
    assert await code(device.user_token(version="2018-10-31")) in REFUSED


@pytest.mark.fact("T-8", "T-9")
async def test_a_products_key_opens_mqtt_but_not_by_the_narrow_reading(shop, strict_shop):
    for one, code in ((shop, {0}), (strict_shop, set(REFUSED))):
        device = await one.device()
        assert await connack(one, mqtt.connect(device.name, device.product, device.product_token())) in code
        assert await connack(one, mqtt.connect(device.name, device.product, device.token())) == 0


@pytest.mark.fact("M-13")
async def test_strict_takes_three_logins_in_five_seconds(strict_shop):
    device = await strict_shop.device()
    packet = mqtt.connect(device.name, device.product, device.token())
    assert [await connack(strict_shop, packet) for _ in range(3)] == [0, 0, 0]
    assert await connack(strict_shop, packet) != 0


@pytest.mark.fact("M-13")
async def test_without_strict_there_is_no_such_limit(shop):
    device = await shop.device()
    packet = mqtt.connect(device.name, device.product, device.token())
    assert [await connack(shop, packet) for _ in range(6)] == [0] * 6
    async with device.line() as line:
        await line.subscribe("/ota/version_reply")
        for number in range(12):
            assert await line.subscribe("/ota/inform") == [1]
            line.send(mqtt.PING)
            await line.expect(mqtt.PINGRESP)
            body = {"id": str(number), "version": "1.0", "params": {"f_version": "1.0"}}
            while (await line.ask("/ota/version", body))["id"] != str(number):
                pass


@pytest.mark.fact("M-13")
async def test_strict_delays_what_comes_faster_than_once_a_second(strict_shop):
    device = await strict_shop.device()
    async with device.line() as line:
        assert await line.subscribe("/ota/version_reply") == [0]
        begun = time.monotonic()
        for number in range(3):
            body = json.dumps({"id": str(number), "version": "1.0", "params": {"f_version": "1.0"}}).encode()
            line.send(mqtt.publish(line.prefix + "/ota/version", body))
        assert [(await line.message()).json["id"] for _ in range(3)] == ["0", "1", "2"]
        assert time.monotonic() - begun > 1.0  # the third at the earliest two seconds after the first


@pytest.mark.fact("M-13")
async def test_strict_ends_who_pings_or_subscribes_too_often(strict_shop):
    one, other = await strict_shop.devices(2)
    async with one.line() as line:
        line.send(*[mqtt.PING] * 5)
        await line.expect(mqtt.PINGRESP)
        assert await line.ended()
    async with other.line() as line:
        line.send(*[mqtt.subscribe(line.prefix + "/ota/inform")] * 30)
        for _ in range(10):
            await line.expect(mqtt.SUBACK)
        assert await line.ended()


@pytest.mark.fact("M-12")
def test_1883_is_where_serve_listens():
    from scenarios.cli.serve import serve

    defaults = {option.name: option.default for option in serve.params}
    assert defaults["mqtt"] == "127.0.0.1:1883"


@pytest.mark.fact("M-2", "M-5", "M-6", "M-8", "T-1")
async def test_paho_finds_the_same():
    async with open_shop() as shop:
        device = await shop.told()
        heard = await asyncio.to_thread(use_paho, shop.mqtt, device)
    assert heard["connected"] == 0
    assert heard["granted"] == [1, 128]
    assert heard["inform"] == (f"$sys/{device.product}/{device.name}/ota/inform", 0, False)


def use_paho(address, device):
    heard, told = {}, threading.Event()
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=device.name, protocol=paho.MQTTv311)
    client.username_pw_set(device.product, device.token())

    def connected(_client, _data, _flags, reason, _properties):
        heard["connected"] = reason.value
        client.subscribe([(f"$sys/{device.product}/{device.name}/ota/#", 1), ("#", 1)])

    def subscribed(_client, _data, _mid, codes, _properties):
        heard["granted"] = [code.value for code in codes]

    def message(_client, _data, it):
        heard["inform"] = (it.topic, it.qos, it.retain)
        told.set()

    client.on_connect, client.on_subscribe, client.on_message = connected, subscribed, message
    client.connect(*address, keepalive=60)
    client.loop_start()
    try:
        assert told.wait(60), heard
    finally:
        client.disconnect()
        client.loop_stop()
    return heard
