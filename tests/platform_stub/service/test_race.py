"""P14: two creations at once that only one can afford, through two engines on one database."""

import threading

import pytest

from platform_stub.protocol import operator as api
from platform_stub.rules import events as ev
from platform_stub.service import tasks
from platform_stub.service.answers import Rejection
from tests.platform_stub.service.conftest import Desk


@pytest.fixture
def desk(store):
    return Desk(store)


def test_one_of_two_creations_at_once_gets_the_licences(desk, places):
    account = desk.open(grant=100, free_devices=0)
    product = desk.product(account)
    for round_no in range(1, 11):
        teams = [desk.register(product, 100, f"r{round_no}x"), desk.register(product, 100, f"r{round_no}y")]
        package = desk.package(product, f"2.{round_no}")
        answers = at_once(desk, places, account, package, teams)
        rejections = [answer for answer in answers if isinstance(answer, Rejection)]
        assert len(rejections) == 1
        assert rejections[0].code is api.ErrorCode.LICENCES_INSUFFICIENT
        assert rejections[0].details["available"] == 0
        licences = desk.account(account).licences
        assert (licences.left, licences.entitled_purchased) == (0, 100 * round_no)
        desk.act(account, ev.Grant(count=100, contract="more"))


def at_once(desk, places, account, package, teams):
    """Create a task for each team, from a thread and an engine of its own, started together."""
    gate = threading.Barrier(len(teams))
    answers = []

    def create(device_ids):
        store = places.twin(desk.store)
        try:
            other = Desk(store)
            request = api.CreateTask(package_id=package.package_id, device_ids=device_ids)
            gate.wait()
            answers.append(other.write(tasks.create, account, request))
        finally:
            store.close()

    threads = [threading.Thread(target=create, args=(team,)) for team in teams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
