"""Auto-add: later devices are taken in by a package's policy, and charged like any other creation (P15)."""

import asyncio

import pytest

from platform_stub.protocol import operator as api
from platform_stub.protocol import topics
from platform_stub.protocol.calls import CallRefusal, Generation, Refused
from platform_stub.protocol.codes import UpdateKind
from platform_stub.rules import events as ev
from platform_stub.service import accounts, auto_add, catalogue, life, tasks
from platform_stub.service.answers import Rejection
from platform_stub.service.device_calls import Offer
from platform_stub.store.errors import StoreUnavailable
from tests.platform_stub.service.field import ready

SPARE = 100  # free licences of the field's account


async def policy(field, package=None, *starts):
    auto_add = api.AutoAdd(start_versions=list(starts) or None)
    return await field.write(catalogue.set_auto_add, (package or field.package).package_id, auto_add)


def page(field):
    shown = field.platform.read(lambda conn: tasks.show_page(conn, field.account, None, 99, 0))
    return list(reversed(shown.tasks))


def left(field):
    return field.account_row().ledger.left


async def test_without_a_policy_nobody_is_taken_in(field):
    refused = await field.check()
    assert refused.why is CallRefusal.NO_TASK
    assert page(field) == []


@pytest.mark.parametrize("generation", Generation)
async def test_a_check_takes_the_device_in_and_deducts(field, generation):
    shown = await policy(field, None, "1.0")
    assert shown.auto_add == api.AutoAdd(start_versions=["1.0"])
    offer = await field.check(generation)
    assert isinstance(offer, Offer)
    assert offer.target == "2.0"
    (task,) = page(field)
    assert (task.name, task.device_count, task.deducted) == ("auto-add: FOTA-2.0", 1, 1)
    assert left(field) == SPARE - 1
    assert field.platform.counts().auto_added == 1
    again = await field.check(generation)
    assert again.tid == offer.tid
    assert len(page(field)) == 1


async def test_a_version_report_over_mqtt_takes_the_device_in_and_tells_it(field):
    await policy(field)
    await ready(field)
    async with asyncio.timeout(60):
        while not (sent := [m for _, suffix, m in field.radio.take() if suffix == topics.INFORM]):
            await asyncio.sleep(0)
    (task,) = page(field)
    assert sent[0]["params"]["tid"] == field.tid(task)
    assert left(field) == SPARE - 1


async def test_checks_at_once_make_one_task(field):
    await policy(field)
    offers = await asyncio.gather(*(field.check() for _ in range(8)))
    assert len({offer.tid for offer in offers}) == 1
    assert len(page(field)) == 1
    assert left(field) == SPARE - 1


async def test_many_devices_are_each_taken_in_once(field):
    requests = [api.RegisterDevice(name=f"m{at}", f_version="1.0") for at in range(70)]
    added = await field.write(catalogue.register, field.product.product_id, requests)
    field.devices = added.devices
    await policy(field)
    offers = await asyncio.gather(*(field.check(at=at) for at in range(70)))
    assert len({offer.tid for offer in offers}) == 70
    assert left(field) == SPARE - 70


@pytest.mark.parametrize(
    ("starts", "version", "is_taken"),
    [
        ([], "1.0", True),
        ([], "7", True),
        ([], "2.0", False),  # at the target
        (["0.9", "1.0"], "1.0", True),
        (["0.9"], "1.0", False),
        ([None], "1.0", False),  # it has reported one by now
    ],
)
async def test_the_reported_version_decides(field, starts, version, is_taken):
    await policy(field, None, *starts)
    assert isinstance(await field.check(version=version), Offer) is is_taken


async def test_the_newest_verified_package_of_the_kind_takes_it(field):
    newer = await field.new_package("3.0")
    other_kind = await field.new_package("9.0", UpdateKind.SOTA)
    unverified = await field.write(
        catalogue.add_package, field.product.product_id, UpdateKind.FOTA, "open", "4.0", b"x"
    )
    for package in (field.package, newer, other_kind, unverified):
        await policy(field, package)
    assert (await field.check()).target == "3.0"
    assert (await field.check(kind=UpdateKind.SOTA)).target == "9.0"


async def test_another_product_s_policy_takes_nobody(field):
    product = await field.write(catalogue.create_product, field.account, api.CreateProduct())
    package = await field.write(
        catalogue.add_package, product.product_id, UpdateKind.FOTA, "other", "4.0", b"x"
    )
    await field.write(catalogue.skip_verification, package.package_id)
    await policy(field, package)
    assert isinstance(await field.check(), Refused)


async def test_a_policy_that_is_taken_off_takes_nobody(field):
    await policy(field)
    await field.write(catalogue.set_auto_add, field.package.package_id, None)
    assert isinstance(await field.check(), Refused)


async def empty(field):
    await field.act(ev.Post(amount_fen=0, reason="-"))
    requests = [api.RegisterDevice(name=f"e{at}", f_version="1.0") for at in range(left(field))]
    added = await field.write(catalogue.register, field.product.product_id, requests)
    package = await field.new_package("5.0")
    request = api.CreateTask(
        package_id=package.package_id, device_ids=[device.device_id for device in added.devices]
    )
    assert isinstance(await field.write(tasks.create, field.account, request), api.Task)


@pytest.mark.parametrize(
    ("generation", "why"), [(generation, CallRefusal.LICENCES_INSUFFICIENT) for generation in Generation]
)
async def test_without_a_licence_the_check_says_so_and_no_job_exists(field, generation, why):
    """P15, B13: A says 5116; noted on the device's timeline, once while nothing else happens."""
    await empty(field)
    await policy(field)
    for _ in range(3):
        assert (await field.check(generation)).why is why
    assert len(page(field)) == 1  # the one that took all licences
    noted = [detail for what, detail in field.timeline() if what == "auto-add refused"]
    assert len(noted) == 1
    assert "needed 1, available 0, missing 1" in noted[0]
    await field.check(generation, version="1.1")
    assert [what for what, _ in field.timeline()][-2:] == ["version", "auto-add refused"]
    await field.act(ev.Grant(count=1, contract="c"))
    assert isinstance(await field.check(generation), Offer)
    assert left(field) == 0


async def test_arrears_stop_it_with_their_reason(field):
    """P10."""
    await policy(field)
    await field.act(ev.Post(amount_fen=-1, reason="bill"))
    refused = await field.check()
    assert refused.why is CallRefusal.NO_TASK
    assert "arrears" in refused.text
    assert left(field) == SPARE


async def test_a_differential_package_takes_its_start_version_only(field):
    """A's 32 when there is none for the version that runs."""
    patch = await field.new_package("2.1", start_version="1.0")
    wrong = await field.write(catalogue.set_auto_add, patch.package_id, api.AutoAdd(start_versions=["0.9"]))
    assert isinstance(wrong, Rejection)
    await policy(field, patch)
    assert (await field.check(Generation.SOUTH, version="0.8")).why is CallRefusal.NO_DIFFERENTIAL
    offer = await field.check()
    assert (offer.target, offer.is_differential) == ("2.1", True)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
async def test_what_leads_nowhere_or_is_unverified_is_nothing_to_refuse(field, version):
    """Neither a creation that is refused nor A's 32, whatever starts from another version."""
    own = await field.new_package("1.0", start_version="0.9")
    unverified = await field.platform.write(
        lambda tx: catalogue.add_package(
            tx,
            field.product.product_id,
            UpdateKind.FOTA,
            "open",
            "3.0",
            b"x",
            facts=catalogue.PackageFacts(start_version="0.8"),
        )
    )
    for package in (own, unverified) if version == "1.0" else (field.package, unverified):
        await policy(field, package)
    assert await field.check(Generation.SOUTH, version=version) == Refused(CallRefusal.NO_TASK)
    assert "auto-add refused" not in dict(field.timeline())


async def test_a_device_that_failed_or_was_cancelled_is_the_operator_s_to_retry(field):
    await policy(field)
    offer = await field.check()
    await field.step(offer.tid, 206)
    assert isinstance(await field.check(), Refused)
    (task,) = page(field)
    again = await field.write(tasks.retry, task.task_id)
    assert again.deducted == 0
    await field.write(tasks.cancel, again.task_id)
    assert isinstance(await field.check(), Refused)
    newer = await field.new_package("3.0")
    await policy(field, newer)
    assert (await field.check()).target == "3.0"


async def test_a_device_that_succeeded_and_went_back_is_left_alone(field):
    """It says 201 and runs what it ran before: it would be updated for ever."""
    await policy(field)
    await field.step((await field.check()).tid, 201)
    assert isinstance(await field.check(version="2.0"), Refused)
    assert isinstance(await field.check(version="1.0"), Refused)


async def test_two_policies_send_no_device_back_and_forth(field):
    newer = await field.new_package("3.0")
    for package in (field.package, newer):
        await policy(field, package)
    await field.step((await field.check()).tid, 201)
    assert isinstance(await field.check(version="3.0"), Refused)
    assert len(page(field)) == 1


async def test_policies_make_a_chain(field):
    newer = await field.new_package("3.0")
    await policy(field, field.package, "1.0")
    await policy(field, newer, "2.0")
    await field.step((await field.check(version="1.0")).tid, 201)
    offer = await field.check(version="2.0")
    assert offer.target == "3.0"
    await field.step(offer.tid, 201)
    assert isinstance(await field.check(version="3.0"), Refused)
    assert left(field) == SPARE - 1  # B3


async def test_in_the_free_time_it_grandfathers(field):
    """B8, P3: a creation like any other."""
    await field.write(accounts.set_charging_date, field.account, None)
    await policy(field)
    await field.check()
    (task,) = page(field)
    assert (task.deducted, task.grandfathered) == (0, 1)


@pytest.mark.parametrize("error", [StoreUnavailable("full"), ZeroDivisionError()])
async def test_what_could_not_be_written_is_told_to_each_who_waits(field, error):
    """I7: nothing has changed, and the next check is judged anew."""
    await policy(field)
    run = field.platform.writer.run

    async def fail(use_case, *, large=False):
        raise error

    field.platform.writer.run = fail
    answers = await asyncio.gather(*(field.check() for _ in range(3)), return_exceptions=True)
    assert answers == [error] * 3
    field.platform.writer.run = run
    assert page(field) == []
    assert isinstance(await field.check(), Offer)


async def test_a_device_that_was_terminated_meanwhile_is_not_wanted(field):
    """P7: nothing is refused, since nobody asks any more."""
    await policy(field)
    device_id = field.devices[0].device_id
    await field.write(life.terminate, device_id)
    assert await field.write(auto_add.take_in, device_id, UpdateKind.FOTA, "1.0") is auto_add.Outcome.UNWANTED
    assert field.timeline() == []


async def test_closing_finishes_what_is_asked(field):
    await policy(field)
    field.platform.auto_adds.consider(field.devices[0].device_id, UpdateKind.FOTA, "1.0")
    await field.platform.auto_adds.close()
    assert len(page(field)) == 1
