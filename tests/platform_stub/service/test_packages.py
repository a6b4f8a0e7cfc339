"""Packages: what an upload says and may say, verification, auto-add policies; and which versions devices run."""

import pytest

from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import UpdateKind
from platform_stub.service import catalogue, life
from platform_stub.service.catalogue import PACKAGE_MAX_BYTES, PackageFacts
from platform_stub.store import packages
from tests.platform_stub.service.test_tasks import code


@pytest.fixture
def product(desk):
    return desk.product(desk.open())


def add(desk, product, name="p", target="2.0", content=b"content", kind=UpdateKind.FOTA, **facts):
    return desk.write(
        lambda tx: catalogue.add_package(
            tx, product, kind, name, target, content, facts=PackageFacts(**facts)
        )
    )


@pytest.mark.parametrize(
    ("kind", "chip"), [(UpdateKind.FOTA, ("000", "00001")), (UpdateKind.SOTA, ("100", "10001"))]
)
def test_what_is_left_out_gets_the_codes_of_other_chips(desk, product, kind, chip):
    """Section 7."""
    package = add(desk, product, kind=kind)
    assert (package.manufacturer, package.model) == chip
    assert (package.file_name, package.start_version, package.auto_add) == ("p.bin", None, None)
    assert (package.size_bytes, package.verification) == (7, "open")
    assert package.md5 == "9a0364b9e99bb480dd25e1f0284c8555"


def test_what_is_said_is_kept(desk, product):
    package = add(
        desk, product, manufacturer="101", model="10101", file_name="Fw (1).ZIP", start_version="1.0"
    )
    assert (package.manufacturer, package.model) == ("101", "10101")
    assert (package.file_name, package.start_version) == ("Fw (1).ZIP", "1.0")
    assert desk.read(packages.read_slice, package.package_id, 0, 100) == b"content"


@pytest.mark.parametrize("name", ["a.zip", "a.rar", "a.bin", "a.b.BIN", "x" * 60 + ".bin", "fw v2 [eu].rar"])
def test_good_file_names(desk, product, name):
    assert add(desk, product, file_name=name).file_name == name


@pytest.mark.parametrize(
    "name",
    [
        "a.exe",
        "a",
        ".bin",
        "a.bin.exe",
        "x" * 61 + ".bin",
        "../a.bin",
        "a\\b.bin",
        'a".bin',
        "a\n.bin",
        "固件.bin",
        "a.bin\n",
    ],
)
def test_a_file_that_is_none_of_the_three_is_malformed(desk, product, name):
    answer = add(desk, product, file_name=name)
    assert code(answer) is api.ErrorCode.MALFORMED
    assert ".zip, .rar or .bin" in answer.message


def test_a_name_that_no_header_takes_gives_a_plain_file_name(desk, product):
    package = add(desk, product, name="固件 2.0")
    assert (package.name, package.file_name) == ("固件 2.0", "package.bin")


@pytest.mark.parametrize(
    ("size", "is_taken"), [(0, False), (1, True), (PACKAGE_MAX_BYTES, True), (PACKAGE_MAX_BYTES + 1, False)]
)
def test_a_package_has_1_byte_to_30_megabytes(desk, product, size, is_taken):
    answer = add(desk, product, content=bytes(size))
    assert (isinstance(answer, api.Package)) is is_taken
    if not is_taken:
        assert code(answer) is api.ErrorCode.MALFORMED


def test_a_differential_package_leads_somewhere_else(desk, product):
    assert code(add(desk, product, start_version="2.0")) is api.ErrorCode.MALFORMED


def test_a_name_is_taken_once_in_an_account(desk, product):
    account = desk.read(packages.load, add(desk, product).package_id).account_id
    assert code(add(desk, product)) is api.ErrorCode.CONFLICT
    assert code(add(desk, desk.product(account))) is api.ErrorCode.CONFLICT
    assert add(desk, desk.product(desk.open())).name == "p"


def test_an_auto_add_policy_is_set_shown_and_taken_off(desk, product):
    package = add(desk, product)
    policy = api.AutoAdd(start_versions=["1.0", None])
    assert desk.write(catalogue.set_auto_add, package.package_id, policy).auto_add == policy
    assert ("auto_add_changed",) in desk.asked.calls
    assert desk.read(packages.has_auto_add)
    assert desk.write(catalogue.set_auto_add, package.package_id, None).auto_add is None
    assert not desk.read(packages.has_auto_add)
    assert code(desk.write(catalogue.set_auto_add, 99, policy)) is api.ErrorCode.NOT_FOUND


def test_versions_of_living_devices_are_counted_by_kind(desk, product):
    desk.register(product, 3, "a", s_version="7")
    newer = desk.register(product, 2, "b", f_version="1.1")
    desk.register(product, 1, "c", f_version=None, s_version="7")
    desk.register(desk.product(desk.open()), 5, "foreign")
    desk.write(life.terminate, newer[0])
    shown = desk.read(catalogue.show_versions, product)
    firmware = [(one.version, one.devices) for one in shown.f_versions]
    assert firmware == [("1.0", 3), (None, 1), ("1.1", 1)]
    assert [(one.version, one.devices) for one in shown.s_versions] == [("7", 4), (None, 1)]
    assert code(desk.read(catalogue.show_versions, "none")) is api.ErrorCode.NOT_FOUND
