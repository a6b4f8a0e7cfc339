"""What a batch takes in: each device's jobs as copies of its own, and what becomes of them in the book."""

from platform_stub.protocol.codes import JobState, UpdateKind
from platform_stub.service.casebook import Casebook
from platform_stub.service.caseload import Caseload
from platform_stub.service.writer import Tx


def test_jobs_are_found_by_tid_and_device_and_read_once(desk):
    account = desk.open()
    product = desk.product(account)
    first, second = desk.register(product, 2)
    desk.task(account, desk.package(product), [first, second])
    desk.task(account, desk.package(product, "3.0", UpdateKind.SOTA), [first])
    with desk.store.write() as conn:
        cases = Caseload(Tx(conn, desk.real_ms, desk.asked), Casebook(desk.store))
        cases.load([1, 2, 99], [first])
        job = cases.find(1, first)
        assert (job.task.target, job.state, job.task.terms.target) == ("2.0", JobState.PENDING, "2.0")
        assert cases.find(1, second) is None  # another device's
        assert cases.find(99, first) is None
        assert [one.tid for one in cases.of(first)] == [1, 3]
        assert cases.of(second) == ()
        assert cases.of(first)[0] is job  # one value, however it is found
        assert cases.versions(first) == ("1.0", None)
        assert cases.versions(second) == (None, None)  # not taken in
        assert cases.account(account) is cases.account(account)


def test_what_a_batch_moves_is_in_the_book_after_its_commit_and_not_before(desk):
    account = desk.open()
    product = desk.product(account)
    (device,) = desk.register(product, 1)
    desk.task(account, desk.package(product), [device])
    book = Casebook(desk.store)
    with desk.store.write() as conn:
        cases = Caseload(Tx(conn, desk.real_ms, desk.asked), book)
        cases.load([1], [device])
        cases.account(account)
        cases.find(1, device).state = JobState.UPGRADING
        (kept,) = book.devices(conn, [device])[device].jobs
        assert kept.state is JobState.PENDING  # the batch moves a copy of its own
    assert book.find(1, device) is None  # written, and not put down: nobody may rely on it
    cases.close([1], {}, {device: "2.0"})
    job, row = book.find(1, device)
    assert (job.state, row.account_id) == (JobState.UPGRADING, account)
    with desk.store.write() as conn:
        cases = Caseload(Tx(conn, desk.real_ms, desk.asked), book)
        cases.load([1], [device])
        assert cases.versions(device) == ("1.0", "2.0")
        cases.find(1, device).state = JobState.SUCCESS
    cases.close([1], {}, {})
    assert book.find(1, device) is None  # it has ended
