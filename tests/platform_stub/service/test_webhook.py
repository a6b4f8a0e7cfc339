"""The webhook over real HTTP: its check, pushes, retries, limits, restart, and its log."""

import asyncio
import json
import shutil
import ssl
import subprocess
from hashlib import md5

import aiohttp
import pytest
from aiohttp import web

from platform_stub.protocol import operator as api
from platform_stub.protocol.operator import ErrorCode
from platform_stub.server import Stub
from platform_stub.service import webhook
from platform_stub.service.answers import Rejection
from platform_stub.service.webhook import Schedule, Webhooks
from platform_stub.service.webhook_client import ANSWER_MAX_BYTES, WebhookClient
from platform_stub.service.writer import Writer
from tests.platform_stub.api.test_operator import Client
from tests.platform_stub.service.conftest import REAL_MS
from tests.platform_stub.service.receiver import WAIT_S, Receiver

TOKEN = "s3cret"
FAST = Schedule(retries_ms=(1, 2, 3, 4, 5))
NEVER = Schedule(retries_ms=())


def sign(account_id, token=TOKEN):
    return md5(f"{token}{account_id}".encode(), usedforsecurity=False).hexdigest()


class WatchedWriter(Writer):
    """A writer at which a test can wait for the next transaction to have come to its end."""

    ended: asyncio.Event

    async def run(self, use_case, *, large=False):
        try:
            return await super().run(use_case, large=large)
        finally:
            self.ended.set()


def ignore_reports(tx, reports):
    """No device reports anything here."""


class Shop:
    """An account with devices and a package on a real store, and webhooks that work for it.

    Real time stands still unless `tick` lets it go on: it then jumps a second at each look.
    """

    def __init__(self, desk):
        self.desk = desk
        self.account_id = desk.open(grant=100)
        self.product_id = desk.product(self.account_id)
        self.tick = False
        self.made = []
        self.ended = asyncio.Event()

    def now(self):
        if self.tick:
            self.desk.real_ms += 1_000
        return self.desk.real_ms

    def webhooks(self, schedule=FAST, **client):
        """Make the worker, as a process would at its start."""
        writer = WatchedWriter(self.desk.store, ignore_reports, self.now, self)
        writer.ended = self.ended
        it = Webhooks(
            self.desk.store,
            writer,
            self.now,
            lambda _: self.desk.real_ms + 5_000,
            client=WebhookClient(**client),
            schedule=schedule,
        )
        self.made.append(it)
        return it

    def deliveries_due(self):
        for it in self.made:
            it.kick()

    def task(self, **more):
        """Create a task that is announced by webhook, with a package and a device of its own."""
        device_ids = self.desk.register(
            self.product_id, more.pop("devices", 1), prefix=f"t{self.desk.packages}x"
        )
        task = self.desk.task(
            self.account_id, self.desk.package(self.product_id), device_ids, notification="webhook", **more
        )
        self.deliveries_due()
        return task

    def log(self, after=0, limit=100):
        return self.desk.read(webhook.show_deliveries, self.account_id, after, limit).deliveries

    async def until(self, state, count=1):
        """Wait until so many deliveries are in a state."""
        await self.until_log(lambda log: sum(it.state == state for it in log) >= count)
        return [it for it in self.log() if it.state == state]

    async def until_log(self, holds):
        """Wait until something holds of the log."""
        async with asyncio.timeout(WAIT_S):
            while not holds(self.log()):
                self.ended.clear()
                await self.ended.wait()
        return self.log()


@pytest.fixture
async def shop(desk):
    it = Shop(desk)
    yield it
    for webhooks in it.made:
        await webhooks.close()


@pytest.fixture
async def receiver():
    async with Receiver() as it:
        yield it


async def configure(webhooks, shop, url, token=TOKEN):
    return await webhooks.configure(shop.account_id, api.SetWebhook(url=url, token=token))


async def test_the_check_is_a_get_with_the_signature_behind_the_query(shop, receiver):
    webhooks = shop.webhooks()
    url = f"{receiver.url}/hook?tenant=a%2Fb&x"
    assert await configure(webhooks, shop, url) == api.Webhook(
        account_id=shop.account_id, url=url, checked_ms=REAL_MS
    )
    (heard,) = receiver.heard
    assert (heard.method, heard.target) == ("GET", f"/hook?tenant=a%2Fb&x&signature={sign(shop.account_id)}")
    assert shop.desk.read(webhook.show, shop.account_id).url == url


async def test_a_url_without_a_path_is_called_at_its_root(shop, receiver):
    assert isinstance(await configure(shop.webhooks(), shop, receiver.url), api.Webhook)
    assert receiver.heard[0].target.startswith("/?signature=")


@pytest.mark.parametrize(
    ("passed", "seen"),
    [
        ("FAILED", "HTTP 200 with body 'FAILED'"),
        ("passed", "HTTP 200 with body 'passed'"),
        ("", "HTTP 200 with body ''"),
        ("PASSED!", "HTTP 200 with body 'PASSED!'"),
        ("x" * 100_000, f"HTTP 200 with body '{'x' * 80}'..."),
        (web.Response(status=404, text="PASSED"), "HTTP 404 with body 'PASSED'"),
        (web.Response(status=302, headers={"Location": "/there"}), "HTTP 302: redirects are not followed"),
        (web.Response(body=b"\xff\xfe"), "HTTP 200 with body"),
    ],
)
async def test_anything_but_passed_leaves_the_webhook_as_it_was(shop, receiver, passed, seen):
    webhooks = shop.webhooks()
    before = await configure(webhooks, shop, f"{receiver.url}/first")
    receiver.passed = passed
    refused = await configure(webhooks, shop, f"{receiver.url}/second")
    assert refused.code is ErrorCode.WEBHOOK_UNVERIFIED
    assert seen in refused.message
    assert seen in refused.details["seen"]
    assert shop.desk.read(webhook.show, shop.account_id) == before
    assert len(receiver.heard) == 2


async def test_a_newline_behind_passed_is_forgiven(shop, receiver):
    receiver.passed = "PASSED\n"
    assert isinstance(await configure(shop.webhooks(), shop, receiver.url), api.Webhook)


async def test_nobody_listens_there(shop):
    async with Receiver() as gone:
        url = gone.url
    refused = await configure(shop.webhooks(), shop, url)
    assert refused.code is ErrorCode.WEBHOOK_UNVERIFIED
    assert "can't connect to 127.0.0.1:" in refused.message
    assert isinstance(shop.desk.read(webhook.show, shop.account_id), Rejection)


async def serve_bytes(data, *, close):
    """A peer that answers whatever comes with some bytes."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()
        if close:
            writer.close()
        else:
            await reader.read()
            writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("data", "close", "words"),
    [
        (b"", True, "closed before an answer"),
        (b"", False, "no whole answer within 0.2 s"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPAS", False, "no whole answer within 0.2 s"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", True, "is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", True, "is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPAS", True, "the call failed"),
    ],
)
async def test_a_peer_that_is_no_receiver(shop, data, close, words):
    async with await serve_bytes(data, close=close) as server:
        port = server.sockets[0].getsockname()[1]
        patience_s = 0.2 if "within" in words else 20
        refused = await configure(
            shop.webhooks(check_timeout_s=patience_s), shop, f"http://127.0.0.1:{port}/"
        )
    assert words in refused.message


@pytest.fixture
def self_signed(tmp_path):
    """A TLS context whose certificate nobody vouches for."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    pem, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = (
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout {key} -out {pem}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem, key)
    return context


async def test_a_certificate_that_nobody_vouches_for(shop, self_signed):
    async def answer(reader, writer):
        raise AssertionError("nobody should come this far")

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=self_signed) as server:
        port = server.sockets[0].getsockname()[1]
        refused = await configure(shop.webhooks(), shop, f"https://localhost:{port}/")
    assert refused.code is ErrorCode.WEBHOOK_UNVERIFIED
    assert "certificate is not trusted" in refused.message


@pytest.mark.parametrize(
    ("url", "words"), [("ftp://host/hook", "http:// or https://"), ("http://u:p@host/", "delivery log")]
)
async def test_a_url_that_can_not_be_called_is_malformed(shop, url, words):
    refused = await configure(shop.webhooks(), shop, url)
    assert refused.code is ErrorCode.MALFORMED
    assert words in refused.message


async def test_an_account_that_is_not_there(shop, receiver):
    refused = await shop.webhooks().configure(99, api.SetWebhook(url=receiver.url, token=TOKEN))
    assert refused.code is ErrorCode.NOT_FOUND
    assert receiver.heard == []


async def test_a_task_is_pushed_once_it_is_created(shop, receiver):
    webhooks = shop.webhooks()
    await configure(webhooks, shop, f"{receiver.url}/hook?a=b")
    webhooks.start()
    task = shop.task(devices=3)
    (push,) = await receiver.until(1)
    dids = ",".join(str(device) for device in range(1, 4))
    assert push.body.decode() == (
        f'{{"info":{{"uid":{shop.account_id},"date":{REAL_MS + 5_000}}},"signature":"{sign(shop.account_id)}",'
        f'"msg":{{"dids":[{dids}],"startTime":{task.starts_ms},"version":"2.0"}}}}'
    )
    assert (push.target, push.headers["Content-Type"]) == ("/hook?a=b", "application/json")
    (delivery,) = await shop.until("delivered")
    assert delivery == api.Delivery(
        delivery_id=1, task_id=task.task_id, url=f"{receiver.url}/hook?a=b", created_ms=REAL_MS,
        state="delivered", attempts=1, next_ms=None, status=200, error=None,
    )  # fmt: skip
    assert len(receiver.pushes) == 1


async def test_a_scheduled_task_is_pushed_when_it_is_created(shop, receiver):
    webhooks = shop.webhooks()
    await configure(webhooks, shop, receiver.url)
    webhooks.start()
    shop.task(start_at_ms=REAL_MS + 3_600_000)
    (push,) = await receiver.until(1)
    assert json.loads(push.body)["msg"]["startTime"] == REAL_MS + 3_600_000


async def test_a_task_that_is_notified_by_the_platform_is_not_pushed(shop, receiver):
    await configure(shop.webhooks(), shop, receiver.url)
    shop.desk.task(
        shop.account_id, shop.desk.package(shop.product_id), shop.desk.register(shop.product_id, 1)
    )
    assert shop.log() == []


async def test_a_creation_that_is_refused_pushes_nothing(shop, receiver):
    await configure(shop.webhooks(), shop, receiver.url)
    package = shop.desk.package(shop.product_id)
    refused = shop.desk.task(shop.account_id, package, [4_711], notification="webhook")
    assert isinstance(refused, Rejection)
    assert shop.log() == []


async def test_a_large_task_is_read_aside_and_pushed_whole(shop, receiver):
    webhooks = shop.webhooks(Schedule(large_devices=50))
    await configure(webhooks, shop, receiver.url)
    webhooks.start()
    shop.task(devices=100)
    (push,) = await receiver.until(1)
    assert json.loads(push.body)["msg"]["dids"] == list(range(1, 101))


async def test_a_push_of_many_megabytes_arrives(receiver):
    client = WebhookClient()
    body = b"[" + b"1234567," * 500_000 + b"0]"
    heard = await client.post(receiver.url, body)
    await client.close()
    assert heard.is_success
    assert receiver.pushes[0].body == body


async def test_what_fails_is_tried_again_until_it_is_taken(shop, receiver):
    webhooks = shop.webhooks(Schedule(retries_ms=(1_000, 5_000, 30_000)))
    await configure(webhooks, shop, receiver.url)
    receiver.answers = [500, 301]
    webhooks.start()
    shop.task()
    (first,) = await shop.until_log(lambda log: log[0].attempts == 1)
    assert (first.state, first.next_ms, first.status) == ("pending", REAL_MS + 1_000, 500)
    assert first.error == "HTTP 500 with body 'noted'"
    await asyncio.gather(*webhooks._under_way.values())
    shop.desk.real_ms += 999
    assert webhooks._launch_due() == 0.001  # nothing is due yet
    assert not webhooks._under_way
    shop.desk.real_ms += 1
    webhooks.kick()
    (second,) = await shop.until_log(lambda log: log[0].attempts == 2)
    assert (second.state, second.next_ms, second.status) == ("pending", REAL_MS + 6_000, 301)
    assert "redirects are not followed" in second.error
    shop.desk.real_ms += 5_000
    webhooks.kick()
    (last,) = await shop.until("delivered")
    assert (last.attempts, last.next_ms, last.status, last.error) == (3, None, 200, None)
    assert len(receiver.pushes) == 3


async def test_the_worker_wakes_by_itself_when_a_retry_falls_due(shop, receiver):
    shop.tick = True
    webhooks = shop.webhooks(FAST)
    await configure(webhooks, shop, receiver.url)
    receiver.answers = [503, 503]
    webhooks.start()
    shop.task()
    assert (await shop.until("delivered"))[0].attempts == 3


async def test_after_the_last_retry_it_has_failed(shop, receiver):
    shop.tick = True
    webhooks = shop.webhooks(FAST)
    await configure(webhooks, shop, receiver.url)
    receiver.answers = [503] * 6
    webhooks.start()
    shop.task()
    (delivery,) = await shop.until("failed")
    assert (delivery.attempts, delivery.next_ms, delivery.status) == (6, None, 503)
    assert len(receiver.pushes) == 6


async def test_an_answer_without_end_is_read_no_further(shop):
    sent = []

    async def pour(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65_536)
                sent.append(65_536)
                await writer.drain()
        except ConnectionError:
            writer.close()

    async with await asyncio.start_server(pour, "127.0.0.1", 0) as server:
        client = WebhookClient()
        heard = await client.get(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        await client.close()
    assert len(heard.body) == ANSWER_MAX_BYTES
    assert sum(sent) < 50 * 2**20


async def test_a_restart_finds_what_was_not_delivered(shop, receiver):
    first = shop.webhooks()
    await configure(first, shop, receiver.url)
    receiver.hang = asyncio.Event()
    first.start()
    shop.task()
    shop.task()
    await receiver.until(2)
    await first.close()
    assert [(it.state, it.attempts) for it in shop.log()] == [("pending", 0)] * 2
    receiver.hang.set()
    second = shop.webhooks()
    second.start()
    await shop.until("delivered", 2)
    assert len(receiver.pushes) == 4


async def test_one_receiver_that_hangs_holds_up_no_other_account(shop, receiver):
    webhooks = shop.webhooks()
    receiver.hang = asyncio.Event()
    await configure(webhooks, shop, receiver.url)
    webhooks.start()
    for _ in range(20):
        shop.task()
    await receiver.until(2)
    other = Shop(shop.desk)
    other.ended = shop.ended
    async with Receiver() as quick:
        await webhooks.configure(other.account_id, api.SetWebhook(url=quick.url, token=TOKEN))
        other.task()
        webhooks.kick()
        await other.until("delivered")
    assert (receiver.most_at_once, len(receiver.pushes)) == (2, 2)
    receiver.hang.set()
    await shop.until("delivered", 20)


async def test_no_more_than_so_many_pushes_are_made_at_once(shop, receiver):
    webhooks = shop.webhooks(Schedule(at_once=3, at_once_of_account=10))
    receiver.hang = asyncio.Event()
    await configure(webhooks, shop, receiver.url)
    webhooks.start()
    for _ in range(5):
        shop.task()
    await receiver.until(3)
    receiver.hang.set()
    await shop.until("delivered", 5)
    assert receiver.most_at_once == 3


async def test_a_new_url_takes_over_what_is_pending(shop, receiver):
    webhooks = shop.webhooks(Schedule(retries_ms=(600_000,)))
    await configure(webhooks, shop, f"{receiver.url}/old")
    receiver.answers = [500]
    webhooks.start()
    shop.task()
    await receiver.until(1)
    await shop.until_log(lambda log: log[0].attempts)
    await configure(webhooks, shop, f"{receiver.url}/new", token="other")
    (delivery,) = await shop.until("delivered")
    assert (delivery.url, delivery.attempts) == (f"{receiver.url}/new", 2)
    assert [push.target for push in receiver.pushes] == ["/old", "/new"]
    assert json.loads(receiver.pushes[1].body)["signature"] == sign(shop.account_id, "other")


async def test_removing_the_webhook_gives_up_what_is_pending(shop, receiver):
    webhooks = shop.webhooks()
    set_up = await configure(webhooks, shop, receiver.url)
    shop.task()
    assert shop.desk.write(webhook.remove, shop.account_id) == set_up
    assert shop.desk.write(webhook.remove, shop.account_id).code is ErrorCode.NOT_FOUND
    (delivery,) = shop.log()
    assert (delivery.state, delivery.next_ms, delivery.error) == ("failed", None, "the webhook was removed")
    webhooks.start()
    assert isinstance(shop.task(), Rejection)
    assert receiver.pushes == []


async def test_a_push_under_way_does_not_bring_back_what_was_given_up(shop, receiver):
    webhooks = shop.webhooks(NEVER)
    receiver.hang = asyncio.Event()
    await configure(webhooks, shop, receiver.url)
    webhooks.start()
    shop.task()
    await receiver.until(1)
    shop.desk.write(webhook.remove, shop.account_id)
    receiver.hang.set()
    await configure(webhooks, shop, receiver.url)
    shop.task()
    await shop.until("delivered")
    assert [it.state for it in shop.log()] == ["failed", "delivered"]


async def test_the_log_has_pages(shop, receiver):
    await configure(shop.webhooks(), shop, receiver.url)
    for _ in range(3):
        shop.task()
    first = shop.desk.read(webhook.show_deliveries, shop.account_id, 0, 2)
    assert ([it.delivery_id for it in first.deliveries], first.next_after) == ([1, 2], 2)
    last = shop.desk.read(webhook.show_deliveries, shop.account_id, 2, 2)
    assert ([it.delivery_id for it in last.deliveries], last.next_after) == ([3], None)
    assert shop.desk.read(webhook.show_deliveries, 99, 0, 2).code is ErrorCode.NOT_FOUND


async def test_a_database_that_is_away_is_asked_again(shop, receiver):
    webhooks = shop.webhooks(Schedule(store_retry_s=0.01))
    await configure(webhooks, shop, receiver.url)
    receiver.hang = asyncio.Event()
    webhooks.start()
    shop.task()
    await receiver.until(1)
    path = shop.desk.store.path
    aside = path.with_suffix(".aside")
    path.rename(aside)  # a store whose file is gone refuses to commit (I7)
    receiver.hang.set()
    async with asyncio.timeout(WAIT_S):
        while not webhooks._writer.failed_commits:
            shop.ended.clear()
            await shop.ended.wait()
    aside.rename(path)
    (delivery,) = await shop.until("delivered")
    assert (delivery.attempts, len(receiver.pushes)) == (1, 1)


async def test_a_task_does_not_wait_for_its_receiver_and_a_restarted_stub_delivers_it(receiver, tmp_path):
    receiver.hang = asyncio.Event()
    async with Stub(data=tmp_path / "data") as stub:
        account_id = await order(stub, receiver.url)  # answered while the receiver hangs
        await receiver.until(1)
        page = stub.platform.read(lambda conn: webhook.show_deliveries(conn, account_id, 0, 9))
        assert [(it.state, it.attempts) for it in page.deliveries] == [("pending", 0)]
    async with Stub(data=tmp_path / "data"):
        first, second = await receiver.until(2)
    messages = [json.loads(push.body)["msg"] for push in (first, second)]
    assert messages[0] == messages[1]


async def order(stub, url):
    """Make an account with a webhook and a task that is announced there, over the operator API."""
    async with aiohttp.ClientSession(stub.http_url) as session:
        client = Client(session)
        base, _, _, task = await client.shop()
        await client.ok("PUT", f"{base}/webhook", {"url": url, "token": TOKEN})
        await client.ok("POST", f"{base}/tasks", task | {"notification": "webhook"})
    return int(base.rpartition("/")[2])
