"""Who is let in: every kind of `res`, key and version in every generation and on MQTT, and the exact failure texts."""

import pytest

from platform_stub.protocol import operator as api
from platform_stub.protocol.calls import FUSE, SOUTH, STUDIO, CallRefusal, Generation, Refused
from platform_stub.protocol.token import (
    TEN_YEARS_S,
    VERSION_2018,
    VERSION_2022,
    device_resource,
    make_token,
    product_resource,
    user_resource,
)
from platform_stub.service import catalogue, life
from platform_stub.service.credentials import Caller, Credentials
from platform_stub.service.ports import ConnectRefusal, Session
from tests.platform_stub.service.conftest import REAL_MS, jump
from tests.platform_stub.service.field import LATER_S

A, B, C, MQTT = Generation.SOUTH, Generation.STUDIO, Generation.FUSE, None
NOW_S = REAL_MS // 1000
AUTH, RES = CallRefusal.INVALID_AUTHORIZATION, CallRefusal.INVALID_RESOURCE
# What is behind each `res`, and the key that must have signed it.
GOOD = {("product", "product"), ("device", "device"), ("user", "account")}


class Keys:
    """All keys and resources of a field's first device."""

    def __init__(self, field):
        device, product = field.devices[0], field.product
        account = field.account_row()
        self.res = {
            "product": product_resource(product.product_id),
            "device": device_resource(product.product_id, "d0"),
            "user": user_resource(field.account),
            "other product": product_resource("other"),
            "other device": device_resource(product.product_id, "d1"),
            "other user": user_resource(field.account + 1),
            "neither": "things/1",
        }
        self.key = {
            "product": product.access_key,
            "device": device.key,
            "account": account.access_key,
            "other device": field.devices[1].key,
        }

    def token(self, res, key, *, et_s=LATER_S, version=VERSION_2018, method="sha1"):
        return make_token(self.key[key], self.res[res], et_s, method, version)


@pytest.fixture
def keys(field):
    return Keys(field)


def judge(field, generation, token):
    """Judge a token for the first device: None, or why it is refused."""
    if generation is MQTT:
        answer = field.platform.uplink.connect(field.product.product_id, "d0", token)
        if isinstance(answer, Session):
            return None
        return AUTH if answer is ConnectRefusal.MALFORMED else answer
    device = field.devices[0]
    if generation is A:
        answer = field.calls.authenticate(A, token, device_id=device.device_id)
    else:
        answer = field.calls.authenticate(generation, token, product_id=device.product_id, name="d0")
    if isinstance(answer, Caller):
        assert (answer.device_id, answer.name, answer.now_ms) == (device.device_id, "d0", REAL_MS)
        return None
    return answer.why


TAKEN = {
    (False, A): {"product", "device"},
    (False, B): {"product", "device"},
    (False, C): {"product", "device", "user"},
    (False, MQTT): {"product", "device"},
    (True, A): {"product"},
    (True, B): {"device"},
    (True, C): {"product", "device", "user"},
    (True, MQTT): {"device"},
}


@pytest.mark.parametrize("version", [VERSION_2018, VERSION_2022])
@pytest.mark.parametrize("generation", [A, B, C, MQTT])
@pytest.mark.parametrize("is_strict", [False, True])
async def test_every_resource_with_every_key(field, keys, generation, version, is_strict):
    """The fact table: a device key under the product is no authorization, under the user no resource."""
    for res in keys.res:
        for key in keys.key:
            why = judge(field, generation, keys.token(res, key, version=version))
            if res not in TAKEN[is_strict, generation]:
                expected = RES
            elif generation is not C and version == VERSION_2022:
                expected = AUTH  # 2022-05-01 is C's only
            elif res == "user":
                expected = None if key == "account" and version == VERSION_2022 else RES
            else:
                expected = None if (res, key) in GOOD else AUTH
            if generation is MQTT and expected is not None:
                expected = ConnectRefusal.NOT_AUTHORISED
            assert why == expected, (res, key)


@pytest.mark.parametrize("generation", [A, B, C, MQTT])
@pytest.mark.parametrize("method", ["md5", "sha1", "sha256"])
async def test_every_method_raw_and_encoded_in_any_order(field, keys, generation, method):
    encoded = keys.token("product", "product", method=method)
    if TAKEN[False, generation]:
        parts = dict(part.split("=", 1) for part in encoded.split("&"))
        raw = "&".join(
            f"{name}={value.replace('%2F', '/').replace('%3D', '=').replace('%2B', '+')}"
            for name, value in parts.items()
        )
        turned = "&".join(reversed(encoded.split("&")))
        assert [judge(field, generation, text) for text in (encoded, raw, turned)] == [None] * 3


@pytest.mark.parametrize("generation", [A, B, C, MQTT])
@pytest.mark.parametrize(
    "text", ["", "password", "version=1&res=2", "version=2018-10-31&res=products/x&et=-1&method=sha1&sign=x"]
)
async def test_what_is_no_token(field, generation, text):
    assert judge(field, generation, text) is AUTH


@pytest.mark.parametrize("generation", [A, B, C, MQTT])
async def test_time_is_judged_on_the_accounts_clock(field, keys, generation):
    assert judge(field, generation, keys.token("product", "product", et_s=NOW_S)) is None
    late = judge(field, generation, keys.token("product", "product", et_s=NOW_S - 1))
    assert late in {CallRefusal.TOKEN_EXPIRED, ConnectRefusal.NOT_AUTHORISED}
    token = keys.token("product", "product")
    assert judge(field, generation, token) is None
    await field.write(jump, field.account, 3_601_000)
    assert judge(field, generation, token) in {
        CallRefusal.TOKEN_EXPIRED,
        ConnectRefusal.NOT_AUTHORISED,
    }  # proven before


@pytest.mark.parametrize(("generation", "is_capped"), [(A, False), (B, False), (C, True), (MQTT, False)])
async def test_ten_years_ahead_is_the_most_in_c(field, keys, generation, is_capped):
    at_most = keys.token("product", "product", et_s=NOW_S + TEN_YEARS_S)
    beyond = keys.token("product", "product", et_s=NOW_S + TEN_YEARS_S + 1)
    far = keys.token("product", "product", et_s=2**63 - 1)
    assert judge(field, generation, at_most) is None
    expected = CallRefusal.TOKEN_TOO_LONG if is_capped else None
    assert [judge(field, generation, token) for token in (beyond, far)] == [expected] * 2


async def test_a_token_that_another_interface_proved_is_judged_by_the_callers_rules(field, keys):
    far = keys.token("product", "product", et_s=2**40)
    assert judge(field, A, far) is None
    assert judge(field, C, far) is CallRefusal.TOKEN_TOO_LONG
    user = keys.token("user", "account", version=VERSION_2022)
    assert judge(field, C, user) is None
    assert judge(field, A, user) is RES


async def test_c_says_exactly_why(field, keys):
    """The texts of section 2, to the letter."""
    device = field.devices[0]

    def say(token):
        refused = field.calls.authenticate(C, token, product_id=device.product_id, name="d0")
        code, text = FUSE[refused.why]
        return code, refused.text or text

    prefix = "authentication failed:"
    assert say("") == (10403, prefix + "invalid authorization")
    assert say(keys.token("product", "device")) == (10403, prefix + "invalid authorization")
    assert say(keys.token("user", "device", version=VERSION_2022)) == (10403, prefix + "invalid resource")
    assert say(keys.token("product", "product", et_s=NOW_S + TEN_YEARS_S + 1)) == (
        10403, prefix + "token expire is too long,max expire limit 10 years",
    )  # fmt: skip
    assert say(keys.token("product", "product", et_s=NOW_S - 9)) == (
        10403, f"{prefix}request has expired:expire={NOW_S - 9},now={NOW_S}",
    )  # fmt: skip
    for table in (SOUTH, STUDIO):
        assert {table[why].code for why in (AUTH, RES, CallRefusal.TOKEN_EXPIRED)} == {1}


@pytest.mark.parametrize("generation", [A, B, C])
async def test_a_device_that_is_not_there(field, keys, generation):
    token = keys.token("product", "product")
    address = (
        {"device_id": 99_999} if generation is A else {"product_id": field.product.product_id, "name": "no"}
    )
    assert field.calls.authenticate(generation, token, **address) == Refused(CallRefusal.NO_SUCH_DEVICE)
    assert field.calls.authenticate(generation, "", **address) == Refused(AUTH)
    assert [table[CallRefusal.NO_SUCH_DEVICE].code for table in (SOUTH, STUDIO, FUSE)] == [1, 1, 10410]


async def test_a_terminated_device_is_let_in_no_more(field, keys):
    token = keys.token("device", "device")
    assert judge(field, C, token) is None
    await field.write(life.terminate, field.devices[0].device_id)
    assert judge(field, C, token) is CallRefusal.NO_SUCH_DEVICE


async def test_a_name_used_again_has_another_key(field, keys):
    """P12: the old device's token, though proven, opens nothing of the new one's."""
    token = keys.token("device", "device")
    assert judge(field, C, token) is None
    await field.write(life.terminate, field.devices[0].device_id)
    again = [api.RegisterDevice(name="d0")]
    await field.write(catalogue.register, field.product.product_id, again)
    address = {"product_id": field.product.product_id, "name": "d0"}
    assert field.calls.authenticate(C, token, **address) == Refused(AUTH)


async def test_a_renewed_key_is_the_only_one_from_then_on(field, keys):
    """The old key's token, though proven, opens nothing any more; the product's still does."""
    token = keys.token("device", "device")
    assert judge(field, C, token) is None
    renewed = await field.write(life.renew_key, field.devices[0].device_id, api.RenewKey())
    address = {"product_id": field.product.product_id, "name": "d0"}
    assert field.calls.authenticate(C, token, **address) == Refused(AUTH)
    signed_anew = make_token(renewed.key, device_resource(field.product.product_id, "d0"), LATER_S)
    assert isinstance(field.calls.authenticate(C, signed_anew, **address), Caller)
    assert isinstance(field.calls.authenticate(C, keys.token("product", "product"), **address), Caller)


async def test_a_moved_device_is_addressed_by_its_new_product(field, keys):
    other = await field.write(catalogue.create_product, field.account, api.CreateProduct())
    move = api.MoveDevice(product_id=other.product_id)
    await field.write(life.move, field.devices[0].device_id, move)
    device_id = field.devices[0].device_id
    assert field.calls.authenticate(A, keys.token("product", "product"), device_id=device_id) == Refused(RES)
    token = make_token(other.access_key, product_resource(other.product_id), LATER_S)
    assert isinstance(field.calls.authenticate(A, token, device_id=device_id), Caller)


async def test_a_devices_id_is_found_by_its_name(field, keys):
    def find(token, product_id=field.product.product_id, name="d0"):
        return field.calls.authenticate(A, token, product_id=product_id, name=name)

    token = keys.token("product", "product")
    assert find(token).device_id == field.devices[0].device_id
    assert find(keys.token("device", "device")).device_id == field.devices[0].device_id
    assert find(token, name="d9") == Refused(CallRefusal.NO_SUCH_DEVICE)
    assert find(token, product_id="nope") == Refused(CallRefusal.NO_SUCH_DEVICE)
    assert find(keys.token("product", "device")) == Refused(AUTH)


async def test_the_cache_of_proven_tokens_is_bounded_and_holds_only_genuine_ones(field, keys):
    credentials = Credentials(field.platform.store, lambda: REAL_MS, proven_max=10, epoch=lambda: 0)
    device = field.devices[0]

    def ask(token):
        return credentials.authenticate(C, token, product_id=device.product_id, name="d0")

    for at in range(30):
        assert isinstance(ask(keys.token("product", "product", et_s=LATER_S + at)), Caller)
        assert isinstance(ask(keys.token("product", "device", et_s=LATER_S + at)), Refused)
        assert isinstance(ask(keys.token("product", "product", et_s=LATER_S + at)), Caller)
    assert len(credentials._proven) == 10
    assert 0 < len(credentials._known) <= 10


async def test_who_was_let_in_is_looked_up_again_after_each_use_case(field, keys):
    """What only an operator changes is remembered in between: a call then reads nothing of the store."""
    token = keys.token("device", "device")
    assert judge(field, C, token) is None
    with field.platform.store.glance() as conn:
        ran = []
        driver = conn.connection.dbapi_connection
        driver.set_trace_callback(ran.append)
        assert judge(field, C, token) is None
        assert ran == []
        await field.calls.report_versions(field.caller(), "1.0", "1.0")  # no use case: a device's report
        ran.clear()
        assert judge(field, C, token) is None
        assert ran == []
        await field.new_package("7.0")
        assert judge(field, C, token) is None
        assert len(ran) == 1
        driver.set_trace_callback(None)
