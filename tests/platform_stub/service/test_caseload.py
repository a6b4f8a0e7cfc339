"""What a batch reads at once: columns as the values take them, each device's jobs, and accounts once."""

from dataclasses import fields

from platform_stub.protocol.codes import JobState, UpdateKind
from platform_stub.service.caseload import Caseload, Job
from platform_stub.service.writer import Tx
from platform_stub.store.jobs import FACTS


def test_a_job_takes_the_columns_in_their_order():
    assert [field.name for field in fields(Job)] == FACTS.selected_columns.keys()


def test_jobs_are_found_by_tid_and_device_and_read_once(desk):
    account = desk.open()
    product = desk.product(account)
    first, second = desk.register(product, 2)
    desk.task(account, desk.package(product), [first, second])
    desk.task(account, desk.package(product, "3.0", UpdateKind.SOTA), [first])
    with desk.store.write() as conn:
        cases = Caseload(Tx(conn, desk.real_ms, desk.asked))
        cases.load([1, 2, 99], [first])
        job = cases.find(1, first)
        assert (job.target, job.state, job.terms.target) == ("2.0", JobState.PENDING, "2.0")
        assert cases.find(1, second) is None  # another device's
        assert cases.find(99, first) is None
        assert [one.tid for one in cases.of(first)] == [1, 3]
        assert cases.of(second) == ()
        assert cases.of(first)[0] is job  # one value, however it is found
        assert cases.account(account) is cases.account(account)
