"""A check that finds no job and a policy that takes the device in (P15): charged, offered at once, or refused."""

import asyncio

import pytest

from platform_stub.protocol import operator as api
from platform_stub.protocol.calls import FUSE, SOUTH, STUDIO, CallRefusal, Generation
from platform_stub.protocol.codes import UpdateKind
from platform_stub.rules import events as ev
from platform_stub.service import accounts, catalogue
from platform_stub.service.device_calls import Offer, Refused
from tests.platform_stub.service.conftest import REAL_MS
from tests.platform_stub.service.field import ready

A, B, C = Generation.SOUTH, Generation.STUDIO, Generation.FUSE
ALL = [A, B, C]


async def adopt(field, package, **policy):
    answer = await field.write(catalogue.set_auto_add, package.package_id, api.AutoAdd(**policy))
    assert isinstance(answer, api.Package)


def licences(field):
    return field.platform.read(lambda conn: accounts.show(conn, field.account, REAL_MS)).licences


@pytest.mark.parametrize("generation", ALL)
async def test_a_check_makes_the_job_deducts_and_offers_it(field, generation):
    """P15, B7."""
    assert (await field.check(generation)).why is CallRefusal.NO_TASK
    await adopt(field, field.package)
    before = licences(field).left
    offer = await field.check(generation)
    assert isinstance(offer, Offer)
    assert offer.target == "2.0"
    assert bool(offer.token) == (generation is A)
    assert licences(field).left == before - 1
    assert (await field.check(generation)).tid == offer.tid
    assert licences(field).left == before - 1


async def test_the_version_just_reported_is_what_counts(field):
    await adopt(field, field.package, start_versions=["1.1"])
    assert (await field.check(version="1.0")).why is CallRefusal.NO_TASK
    assert isinstance(await field.check(version="1.1"), Offer)
    assert field.device().f_version == "1.1"


@pytest.mark.parametrize("generation", ALL)
async def test_without_licences_no_job_exists(field, generation):
    await field.prepare(free_devices=0)
    await adopt(field, field.package)
    answer = await field.check(generation)
    assert answer == Refused(CallRefusal.LICENCES_INSUFFICIENT, answer.text)
    codes = [table[answer.why].code for table in (SOUTH, STUDIO, FUSE)]
    assert codes == [5116, 10, 12012]
    assert FUSE[answer.why].text == "remaining licenses are insufficient"
    await field.act(ev.Grant(count=1, contract="C"))
    assert isinstance(await field.check(generation), Offer)


@pytest.mark.parametrize("generation", ALL)
async def test_in_arrears_no_job_exists_and_the_answer_says_why(field, generation):
    """P16: the reason's text goes with "no task"."""
    await adopt(field, field.package)
    await field.act(ev.Post(amount_fen=-1, reason="bill"))
    answer = await field.check(generation)
    assert answer.why is CallRefusal.NO_TASK
    assert "arrears" in answer.text
    assert licences(field).entitled_free == 0


async def test_only_differentials_from_elsewhere(field):
    package = await field.new_package("3.0", start_version="1.5")
    await adopt(field, package)
    answer = await field.check(A)
    assert answer.why is CallRefusal.NO_DIFFERENTIAL
    assert SOUTH[answer.why].code == 32
    assert isinstance(await field.check(A, "1.5"), Offer)


async def test_a_version_report_over_mqtt_is_told_of_the_job(field):
    await adopt(field, field.package)
    session = await ready(field)
    while not (sent := field.radio.take()):
        await asyncio.sleep(0.001)
    ((name, suffix, inform),) = sent
    assert (name, suffix, inform["params"]["target"]) == ("d0", "/ota/inform", "2.0")
    assert licences(field).entitled_free == 1
    assert await field.status(session, inform["params"]["tid"], 201) == 200


async def test_a_version_report_over_http_is_no_check(field):
    await adopt(field, field.package)
    await field.calls.report_versions(field.caller(), "1.0", "1.0")
    assert licences(field).entitled_free == 0


async def test_the_other_kind_is_left_alone(field):
    await adopt(field, field.package)
    assert (await field.check(kind=UpdateKind.SOTA)).why is CallRefusal.NO_TASK
