"""Access tokens over HTTP, made by hand: three kinds of resource, keys, versions, spellings, and the exact texts of refusal."""

import hmac
import itertools
import re

import pytest

from tests.facts import golden
from tests.facts.shop import ET, NOW_S, open_shop
from tests.facts.signing import token

FAILED = "authentication failed:"
INVALID_AUTHORIZATION = FAILED + "invalid authorization"
INVALID_RESOURCE = FAILED + "invalid resource"
TOO_LONG = FAILED + "token expire is too long,max expire limit 10 years"
YEAR_S = 365 * 86_400
GENERATIONS = ("south", "studio", "fuse")


async def ask(device, generation, auth):
    """A query of the versions: (number, text) of the answer."""
    path = "/device/version" if generation == "south" else "/version"
    reply = await device.call(generation, "GET", path, auth=auth)
    assert reply.status == 200
    body = reply.json
    return (body["code"], body["msg"]) if generation == "fuse" else (body["errno"], body["error"])


YES = {"south": (0, "succ"), "studio": (0, "succ"), "fuse": (0, "succ")}
NO = {"south": 1, "studio": 1, "fuse": 10403}


@pytest.mark.fact("T-1", "T-8", "T-9")
@pytest.mark.parametrize("generation", GENERATIONS)
async def test_a_devices_and_a_products_key_let_in(shop, generation):
    device = await shop.device()
    assert await ask(device, generation, device.product_token()) == YES[generation]
    assert await ask(device, generation, device.token()) == YES[generation]


@pytest.mark.fact("T-8", "T-9")
async def test_strict_takes_the_products_key_in_a_and_the_devices_in_b(strict_shop):
    device = await strict_shop.device()
    assert await ask(device, "south", device.product_token()) == YES["south"]
    assert (await ask(device, "south", device.token()))[0] == 1
    assert await ask(device, "studio", device.token()) == YES["studio"]
    assert (await ask(device, "studio", device.product_token()))[0] == 1
    for auth in (device.product_token(), device.token(), device.user_token()):
        assert await ask(device, "fuse", auth) == YES["fuse"]


@pytest.mark.fact("T-10", "T-12")
async def test_an_accounts_key_lets_in_to_c_alone(shop):
    device = await shop.device()
    assert await ask(device, "fuse", device.user_token()) == YES["fuse"]
    assert (await ask(device, "south", device.user_token()))[0] == 1
    assert (await ask(device, "studio", device.user_token()))[0] == 1
    assert (await ask(device, "fuse", device.user_token(version="2018-10-31")))[0] == 10403


@pytest.mark.fact("T-12")
@pytest.mark.parametrize("version", ["2018-10-31", "2022-05-01"])
async def test_versions(shop, version):
    device = await shop.device()
    wanted = {"fuse": 0} | (
        {"south": 0, "studio": 0} if version == "2018-10-31" else {"south": 1, "studio": 1}
    )
    for generation, number in wanted.items():
        assert (await ask(device, generation, device.token(version=version)))[0] == number
        assert (await ask(device, generation, device.product_token(version=version)))[0] == number


@pytest.mark.fact("T-12")
@pytest.mark.parametrize("generation", GENERATIONS)
async def test_another_version_is_none(shop, generation):
    device = await shop.device()
    assert (await ask(device, generation, device.token(version="2019-01-01")))[0] == NO[generation]


@pytest.mark.fact("T-3", "T-2")
@pytest.mark.parametrize("method", ["md5", "sha1", "sha256"])
@pytest.mark.parametrize("generation", GENERATIONS)
async def test_three_methods(shop, generation, method):
    device = await shop.device()
    assert await ask(device, generation, device.token(method=method)) == YES[generation]
    assert (await ask(device, generation, device.token(method="sha512")))[0] == NO[generation]


@pytest.mark.fact("T-4")
@pytest.mark.parametrize("generation", GENERATIONS)
async def test_raw_values_are_taken_like_encoded_ones(shop, generation):
    """Among 40 signatures there are some with `+` and `/`; a raw `+` is not a space."""
    device = await shop.device()
    raws = [device.token(ET + number, raw=True) for number in range(40)]
    signs = [raw.rpartition("sign=")[2] for raw in raws]
    assert any("+" in sign for sign in signs)
    assert any("/" in sign for sign in signs)
    for raw in raws:
        assert await ask(device, generation, raw) == YES[generation], raw
    lower = device.token().replace("%2F", "%2f").replace("%3D", "%3d")
    assert await ask(device, generation, lower) == YES[generation]
    assert await ask(device, generation, device.token().replace("%2F", "/")) == YES[generation]


@pytest.mark.fact("T-5")
async def test_any_order_of_the_parts(shop):
    device = await shop.device()
    for order in itertools.permutations(("version", "res", "et", "method", "sign")):
        assert await ask(device, "fuse", device.token(order=order)) == YES["fuse"], order


@pytest.mark.fact("T-6", "T-13", "T-14")
async def test_the_past_is_refused_by_account_time(shop):
    device = await shop.device()
    code, text = await ask(device, "fuse", device.token(NOW_S - 10))
    assert code == 10403
    found = re.fullmatch(FAILED + r"request has expired:expire=(\d+),now=(\d+)", text)
    assert found, text
    assert int(found[1]) == NOW_S - 10
    assert NOW_S <= int(found[2]) <= NOW_S + 60
    assert (await ask(device, "south", device.token(NOW_S - 10)))[0] == 1
    assert (await ask(device, "studio", device.token(NOW_S - 10)))[0] == 1
    short = device.token(NOW_S + 3_600)
    assert await ask(device, "fuse", short) == YES["fuse"]
    await shop.advance(3_601_000)
    for generation in GENERATIONS:
        assert (await ask(device, generation, short))[0] == NO[generation]


@pytest.mark.fact("T-6", "T-7")
async def test_the_far_future_is_refused_by_c_alone(shop):
    device = await shop.device()
    assert await ask(device, "fuse", device.token(NOW_S + 10 * YEAR_S - 60)) == YES["fuse"]
    for et in (NOW_S + 10 * 366 * 86_400 + 86_400, 2**63 - 1):
        assert await ask(device, "fuse", device.token(et)) == (10403, TOO_LONG)
        assert await ask(device, "south", device.product_token(et)) == YES["south"]
        assert await ask(device, "studio", device.token(et)) == YES["studio"]
    assert (await ask(device, "studio", device.token(2**63)))[0] == 1


@pytest.mark.fact("T-11", "T-13", "T-14")
async def test_a_devices_key_under_another_resource(shop):
    device = await shop.device()
    under_product = token(device.key, f"products/{device.product}", ET)
    under_user = token(device.key, f"userid/{shop.account_id}", ET, version="2022-05-01")
    assert await ask(device, "fuse", under_product) == (10403, INVALID_AUTHORIZATION)
    assert await ask(device, "fuse", under_user) == (10403, INVALID_RESOURCE)
    for generation in ("south", "studio"):
        assert (await ask(device, generation, under_product))[0] == 1


@pytest.mark.fact("T-9", "T-13")
async def test_a_token_is_for_its_own_device(shop):
    device, other = await shop.devices(2)
    for generation in GENERATIONS:
        assert (await ask(device, generation, other.token()))[0] == NO[generation]
    forged = token(other.key, device.res, ET)
    assert await ask(device, "fuse", forged) == (10403, INVALID_AUTHORIZATION)


@pytest.mark.fact("T-10", "T-8")
async def test_a_token_of_another_account_or_product_is_refused(shop):
    device = await shop.device()
    account = await shop.operator("POST", "/v1/accounts", {"now_ms": NOW_S * 1000})
    product = await shop.operator("POST", f"/v1/accounts/{account['account_id']}/products", {})
    foreign_user = token(account["access_key"], f"userid/{account['account_id']}", ET, version="2022-05-01")
    foreign_product = token(product["access_key"], f"products/{product['product_id']}", ET)
    for auth in (foreign_user, foreign_product):
        assert (await ask(device, "fuse", auth))[0] == 10403
    assert (await ask(device, "south", foreign_product))[0] == 1


@pytest.mark.fact("T-13", "T-14", "F-code-10403", "S-errno-1")
@pytest.mark.parametrize(
    "auth",
    [
        None,
        "",
        "abc",
        "version=2018-10-31",
        "version=2018-10-31&res=products%2F1&et=1&method=sha1&sign=",
        "version=2018-10-31&res=products%2F1&et=nine&method=sha1&sign=KZ18T1EpqdlSAhQqEQjNBA0vgUU%3D",
        "&&&===",
        "a" * 5_000,
        "%ff%fe=%00",
    ],
)
async def test_what_is_no_token_is_invalid(shop, auth):
    device = await shop.device()
    code, text = await ask(device, "fuse", auth)
    assert (code, text[: len(FAILED)]) == (10403, FAILED)
    assert (await ask(device, "south", auth))[0] == 1
    assert (await ask(device, "studio", auth))[0] == 1


@pytest.mark.fact("T-13")
@pytest.mark.parametrize("auth", [None, "", "abc"])
async def test_no_token_is_an_invalid_authorization(shop, auth):
    device = await shop.device()
    assert await ask(device, "fuse", auth) == (10403, INVALID_AUTHORIZATION)


@pytest.mark.fact("T-16")
async def test_signatures_are_compared_in_constant_time(shop, monkeypatch):
    compared, compare = [], hmac.compare_digest

    def watched(one, other):
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    device = await shop.device()
    await ask(device, "fuse", device.token())
    (good,) = compared
    await ask(device, "fuse", token("AAAA", device.res, ET))
    assert good[0] == good[1]
    assert compared[-1][0] != compared[-1][1]
    assert len(compared) == 2


@pytest.mark.fact("T-2", "T-15")
@pytest.mark.parametrize(
    "vector", golden.VECTORS[:1] + golden.VECTORS[2:5], ids=lambda it: f"{it[2]} {it[3]}"
)
async def test_the_devices_vectors_open_generation_c(vector):
    key, et, method, res, version, sign = vector
    _, product_id, _, name = res.split("/")
    async with open_shop(product_id=product_id, now_ms=(et - 3_600) * 1_000) as shop:
        (device,) = await shop.devices(names=[name], key=key)
        raw = f"version={version}&res={res}&et={et}&method={method}&sign={sign}"
        assert await ask(device, "fuse", raw) == YES["fuse"]
        assert (await ask(device, "fuse", raw.replace(sign[:4], "AAAA")))[0] == 10403
        if version == "2018-10-31":
            assert await ask(device, "studio", raw) == YES["studio"]
            async with device.line(password=raw):
                pass
