"""What becomes of a device after its registration, and how it is told."""

import pytest

from platform_stub.protocol import operator as api
from platform_stub.service import life
from tests.platform_stub.service.test_orders import Nobody
from tests.platform_stub.service.test_tasks import code


@pytest.fixture
def shop(desk):
    """An account with ten licences, a product, and two devices in it: d0 and d1."""
    account = desk.open(grant=10, free_devices=0)
    product = desk.product(account)
    return account, product, desk.register(product, 2)


def story(desk, device_id):
    shown = desk.read(life.show, device_id, Nobody, desk.real_ms)
    return [(entry.what, entry.detail) for entry in shown.timeline]


def test_termination_ends_jobs_and_connection_and_is_told(desk, shop):
    account, product, devices = shop
    task = desk.task(account, desk.package(product), devices)
    assert desk.write(life.terminate, devices[0]).terminated
    assert ("jobs_ended", task.task_id, 1) in desk.asked.calls
    assert ("close_session", devices[0]) in desk.asked.calls
    created = f"FOTA job to 2.0 created by task {task.task_id}"
    assert [what for what, _ in story(desk, devices[0])] == [
        "registered",
        created,
        "job cancelled",
        "terminated",
    ]
    assert [what for what, _ in story(desk, devices[1])] == ["registered", created]


@pytest.mark.parametrize(
    "act",
    [
        (life.terminate,),
        (life.move, api.MoveDevice(product_id="p")),
        (life.replace_card, api.ReplaceCard(iccid="8986")),
        (life.renew_key, api.RenewKey()),
    ],
    ids=lambda act: act[0].__name__,
)
def test_there_is_no_life_after_the_end(desk, shop, act):
    use_case, *more = act
    _, _, devices = shop
    desk.write(life.terminate, devices[0])
    before = story(desk, devices[0])
    assert code(desk.write(use_case, devices[0], *more)) is api.ErrorCode.CONFLICT
    assert code(desk.write(use_case, 99, *more)) is api.ErrorCode.NOT_FOUND
    assert story(desk, devices[0]) == before


def test_a_move_may_give_another_name_and_is_told(desk, shop):
    """P12."""
    account, product, devices = shop
    target = desk.product(account)
    moved = desk.write(life.move, devices[0], api.MoveDevice(product_id=target))
    assert (moved.product_id, moved.name) == (target, "d0")
    moved = desk.write(life.move, devices[0], api.MoveDevice(product_id=product, name="other"))
    assert (moved.product_id, moved.name) == (product, "other")
    assert story(desk, devices[0])[1:] == [
        ("moved", f"{product}/d0 to {target}/d0"),
        ("moved", f"{target}/d0 to {product}/other"),
    ]


def test_a_move_to_where_it_is_changes_nothing(desk, shop):
    _, product, devices = shop
    moved = desk.write(life.move, devices[0], api.MoveDevice(product_id=product, name="d0"))
    assert (moved.product_id, moved.name) == (product, "d0")
    assert story(desk, devices[0]) == [("registered", None)]
    assert ("close_session", devices[0]) not in desk.asked.calls


def test_a_move_needs_a_free_name_in_a_product_that_is_there(desk, shop):
    _, product, devices = shop
    taken = desk.write(life.move, devices[0], api.MoveDevice(product_id=product, name="d1"))
    assert code(taken) is api.ErrorCode.CONFLICT
    assert f"by device {devices[1]}" in taken.message
    nowhere = desk.write(life.move, devices[0], api.MoveDevice(product_id="none"))
    assert code(nowhere) is api.ErrorCode.NOT_FOUND


def test_a_key_is_renewed_and_its_text_told_to_nobody(desk, shop):
    """B7."""
    _, _, devices = shop
    own = desk.write(life.renew_key, devices[0], api.RenewKey(key="bmV3IGtleQ=="))
    made_up = desk.write(life.renew_key, devices[1], api.RenewKey())
    assert own.key == "bmV3IGtleQ=="
    assert made_up.key not in {"", own.key}
    assert story(desk, devices[0])[1:] == [("key renewed", "")]
    assert (
        code(desk.write(life.renew_key, devices[0], api.RenewKey(key="no base64"))) is api.ErrorCode.MALFORMED
    )
    assert desk.write(life.replace_card, devices[0], api.ReplaceCard(iccid="1")).key == own.key


def test_a_card_is_replaced_and_told(desk, shop):
    """B9."""
    _, _, devices = shop
    device = desk.write(life.replace_card, devices[0], api.ReplaceCard(iccid="8986", imsi=""))
    assert (device.iccid, device.imsi) == ("8986", "")
    device = desk.write(life.replace_card, devices[0], api.ReplaceCard(iccid="", imsi="460"))
    assert (device.iccid, device.imsi) == ("", "460")
    assert story(desk, devices[0])[1:] == [
        ("card replaced", "ICCID 8986, IMSI -"),
        ("card replaced", "ICCID -, IMSI 460"),
    ]
