"""The platform as a client of mosquitto: presence, the acknowledgement after the commit, counts, and what goes wrong."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from platform_stub.broker import external_link
from platform_stub.broker.external import ExternalBroker
from platform_stub.protocol import topics
from platform_stub.protocol.broker_url import parse_broker_url
from platform_stub.protocol.errors import EnvironmentFault, UsageFault
from tests.mosquitto import OPEN, free_port, mosquitto, needs_mosquitto
from tests.platform_stub.broker.external.conftest import OpenPlatform, Stage, topic
from tests.platform_stub.broker.platform import PRODUCT, WAIT_S

pytestmark = needs_mosquitto


async def reached(stage: Stage, said: str) -> None:
    """Wait until the operator was told."""
    async with asyncio.timeout(WAIT_S):
        while not any(said in line for line in stage.said):
            await asyncio.sleep(0.01)


async def test_a_device_is_there_once_it_sends_something_and_is_answered(stage: Stage) -> None:
    stage.platform.answer = topics.VERSION_REPLY
    device = await stage.device()
    assert stage.platform.sessions == []
    await device.publish(topic(topics.VERSION), b'{"id":"1"}', 1)
    answer = await anext(device.messages)
    while str(answer.topic) != topic(topics.VERSION_REPLY):  # it gets what it sent, too: it subscribed to all
        answer = await anext(device.messages)
    assert answer.payload == b'{"id":"1"}'
    (session,) = stage.platform.sessions
    assert session.told_by_inform
    assert stage.broker.takes(session, topics.INFORM)
    assert stage.platform.messages == [("dev1", topics.VERSION, b'{"id":"1"}')]


async def test_what_is_not_committed_comes_again(stage: Stage) -> None:
    stage.platform.verdict = "fail"
    device = await stage.device()
    await device.publish(topic(topics.STATUS), b"1", 1)
    await reached(stage, "is gone")
    stage.platform.verdict = "commit"
    await stage.platform.until(lambda: len(stage.platform.messages) == 2)
    assert stage.platform.messages == [("dev1", topics.STATUS, b"1")] * 2
    delivery = stage.broker.delivery
    assert (delivery.received, delivery.repeated, delivery.losses) == ({1: 2}, 1, 1)


async def test_who_can_t_be_looked_up_is_asked_for_again(stage: Stage) -> None:
    stage.platform.is_away = True
    device = await stage.device()
    await device.publish(topic(topics.STATUS), b"1", 1)
    await stage.platform.until(lambda: stage.platform.messages == [("dev1", topics.STATUS, b"1")])
    assert stage.broker.delivery.losses == 1


async def test_strangers_change_nothing_and_are_counted(stage: Stage) -> None:
    stranger = await stage.device("dev9")
    await stranger.publish(topic(topics.STATUS, "dev9"), b"x", 1)
    await stranger.publish(topic(topics.INFORM), b"not upwards", 1)
    await stranger.publish(topic(topics.STATUS), b"x" * (256 * 1024 + 1), 1)
    await stranger.publish(topic(topics.STATUS), b"last", 1)
    await stage.platform.until(lambda: bool(stage.platform.messages))
    assert stage.platform.messages == [("dev1", topics.STATUS, b"last")]
    delivery = stage.broker.delivery
    assert (delivery.foreign, delivery.refused, delivery.received) == (1, 1, {1: 1})
    assert delivery.strangers == {(PRODUCT, "dev9")}


async def test_a_device_has_an_inform_when_it_answers_it(stage: Stage) -> None:
    device = await stage.device()
    await device.publish(topic(topics.VERSION), b"{}", 1)
    await stage.platform.until(lambda: bool(stage.platform.sessions))
    (session,) = stage.platform.sessions
    told: list[int] = []
    for tid in (1, 2):
        stage.broker.publish(session, topics.INFORM, b"%d" % tid, 1, lambda tid=tid: told.append(tid))
    assert told == []
    await device.publish(topic(topics.INFORM_REPLY), b"{}", 1)
    await stage.platform.until(lambda: len(stage.platform.messages) == 2)
    assert told == [1]
    assert stage.broker.delivery.published == {1: 2}


async def test_an_ended_session_gets_nothing_and_who_is_known_still_is_asked_to_report(stage: Stage) -> None:
    device = await stage.device()
    await device.publish(topic(topics.VERSION), b"{}", 1)
    await stage.platform.until(lambda: bool(stage.platform.sessions))
    (old,) = stage.platform.sessions
    stage.broker.close(old)
    stage.broker.close(old)
    assert stage.platform.ended == [old]
    stage.broker.publish(old, topics.INFORM, b"to nobody", 1)
    assert not stage.broker.takes(old, topics.INFORM)
    async with asyncio.timeout(WAIT_S):
        came = [(str((m := await anext(device.messages)).topic), m.payload) for _ in range(2)]
    assert came == [
        (topic(topics.VERSION), b"{}"),
        (topic(topics.INFORM), b'{"id":"e0","version":"1.0","params":{}}'),
    ]
    assert stage.platform.session("dev1") is not old
    stage.platform.names = ()
    stage.broker.close(stage.platform.session("dev1"))
    assert len(stage.platform.sessions) == 2


async def test_it_comes_back_to_a_broker_that_was_killed(stage: Stage) -> None:
    device = await stage.device()
    await device.publish(topic(topics.VERSION), b"1", 1)
    await stage.platform.until(lambda: len(stage.platform.messages) == 1)
    await stage.devices.aclose()
    stage.far.kill()
    await reached(stage, "is gone")
    (session,) = stage.platform.sessions
    stage.broker.publish(session, topics.INFORM, b"kept meanwhile", 1)
    assert stage.broker.delivery.waiting == 1
    stage.far.start()
    await reached(stage, "is there again")
    again = await stage.device("dev2")
    await again.publish(topic(topics.VERSION, "dev2"), b"2", 1)
    await stage.platform.until(lambda: len(stage.platform.messages) == 2)
    async with asyncio.timeout(WAIT_S):
        while stage.broker.delivery.waiting:
            await asyncio.sleep(0.01)
    assert stage.far.url.removeprefix("mqtt://") in stage.said[0]


async def test_it_acknowledges_after_the_commit_and_what_a_short_queue_drops_is_missing_in_the_counts(
    tmp_path: Path,
) -> None:
    """One in flight and two that wait: of twenty messages three arrive, and every one of them was acknowledged."""
    config = "allow_anonymous true\nmax_inflight_messages 1\nmax_queued_messages 2\n"
    with mosquitto(tmp_path, config) as far:
        platform = OpenPlatform(verdict="wait")
        stage = Stage(far, platform, ExternalBroker(platform, parse_broker_url(far.url)))
        await stage.broker.start()
        async with stage.devices:
            device = await stage.device()
            for at in range(20):
                await device.publish(topic(topics.STATUS), b"%d" % at, 1)
            await platform.until(lambda: bool(platform.waiting))
            assert [payload for _, _, payload in platform.messages] == [b"0"]
            platform.verdict = "commit"
            platform.waiting.pop()(True)
            await platform.until(lambda: len(platform.messages) == 3)
            await device.publish(topic(topics.DATA_POINT), b"after them", 1)
            await platform.until(lambda: platform.messages[-1][1] == topics.DATA_POINT)
        await stage.broker.stop()
    assert [payload for _, _, payload in platform.messages] == [b"0", b"1", b"2", b"after them"]
    assert stage.broker.delivery.received == {1: 4}


async def test_a_kept_platform_asks_who_is_there_and_gets_what_was_sent_while_it_was_away(
    tmp_path: Path,
) -> None:
    with mosquitto(tmp_path) as far:
        url, kept = parse_broker_url(far.url), tmp_path / "data"
        first = ExternalBroker(OpenPlatform(), url, kept=kept)
        await first.start()
        await first.stop()
        platform = OpenPlatform()
        stage = Stage(far, platform, ExternalBroker(platform, url, kept=kept))
        async with stage.devices:
            device = await stage.device()
            await device.publish(topic(topics.STATUS), b"while away", 1)
            assert (await anext(device.messages)).payload == b"while away"
            await stage.broker.start()
            async with asyncio.timeout(WAIT_S):
                assert str((await anext(device.messages)).topic) == topic(topics.INFORM)
            await platform.until(lambda: platform.messages == [("dev1", topics.STATUS, b"while away")])
        await stage.broker.stop()
        third = OpenPlatform()
        other = ExternalBroker(third, url, kept=tmp_path / "other")
        await other.start()
        await other.stop()
    assert third.messages == []


async def test_nothing_is_left_at_the_broker_by_a_platform_that_does_not_come_back(stage: Stage) -> None:
    await stage.broker.stop()
    stage.far.kill()
    logins = [line.split(" as ")[1].split()[:3] for line in stage.far.lines if " as ota-sim-" in line]
    (first, _, keeps), (last, _, clears) = logins
    assert (first, keeps, clears) == (last, "c0,", "c1,")


async def test_a_password_is_asked_for_and_never_shown(tmp_path: Path) -> None:
    secrets = tmp_path / "passwords"
    secrets.touch(mode=0o644)
    await asyncio.to_thread(
        subprocess.run, ["mosquitto_passwd", "-b", str(secrets), "platform", "right"], check=True
    )
    secrets.chmod(0o644)
    config = OPEN.replace("allow_anonymous true", f"allow_anonymous false\npassword_file {secrets}")
    with mosquitto(tmp_path, config) as far:
        for who in ("", "platform:wrong@"):
            url = parse_broker_url(f"mqtt://{who}127.0.0.1:{far.port}")
            with pytest.raises(EnvironmentFault, match="does not let the platform in") as fault:
                await ExternalBroker(OpenPlatform(), url).start()
            assert "wrong" not in str(fault.value)
        good = ExternalBroker(OpenPlatform(), parse_broker_url(f"mqtt://platform:right@127.0.0.1:{far.port}"))
        await good.start()
        await good.stop()


async def test_a_broker_whose_access_list_keeps_the_platform_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external_link, "ECHO_S", 0.2)
    acl = tmp_path / "acl"
    acl.write_text("topic read nothing/of/that\n")
    with mosquitto(tmp_path, f"{OPEN}acl_file {acl}\n") as far:
        broker = ExternalBroker(OpenPlatform(), parse_broker_url(far.url))
        with pytest.raises(EnvironmentFault, match=r"does not deliver .* access list .*\$sys/#"):
            await broker.start()


async def test_nobody_there_is_said_with_what_to_do() -> None:
    url = parse_broker_url(f"mqtt://u:secret@127.0.0.1:{free_port()}")
    with pytest.raises(EnvironmentFault, match=r"no broker at mqtt://u:\*\*\*@.*refused.*start it") as fault:
        await ExternalBroker(OpenPlatform(), url).start()
    assert "secret" not in str(fault.value)


async def test_something_that_speaks_no_mqtt_is_said() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(EnvironmentFault, match=f"no broker at mqtt://127.0.0.1:{port}"):
            await ExternalBroker(OpenPlatform(), parse_broker_url(f"mqtt://127.0.0.1:{port}")).start()


async def test_without_paho_the_broker_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "platform_stub.broker.external_link", raising=False)
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(UsageFault, match=r"pip install 'ota-sim\[external\]'"):
        await ExternalBroker(OpenPlatform(), parse_broker_url("mqtt://127.0.0.1:1")).start()
