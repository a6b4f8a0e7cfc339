"""The token vectors of the protocol facts, let in by the platform itself: in every generation that takes them, and on MQTT.

The tokens are written out, raw and encoded, not made by our own code.
"""

from urllib.parse import quote

import pytest

from platform_stub.protocol import operator as api
from platform_stub.protocol.calls import CallRefusal, Generation
from platform_stub.service import catalogue
from platform_stub.service.credentials import Caller
from platform_stub.service.ports import Session
from platform_stub.store.schema import accounts as account_table
from platform_stub.store.schema import products as product_table

A, B, C, MQTT = Generation.SOUTH, Generation.STUDIO, Generation.FUSE, None
KEY = "KuF3NT/jUBJ62LNBB/A8XZA9CqS3Cu79B/ABmfA1UCw="
OTHER_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
DEV01 = "products/123123/devices/dev01"

# (et, method, res, version, sign), who takes it at a time shortly before its `et`.
VECTORS = [
    (
        (
            1767225600,
            "sha1",
            "products/Y6O759jbtX/devices/upgrade",
            "2022-05-01",
            "hUq2AGdEdN8EdT5jBcq1m/jjzEM=",
        ),
        {C},
    ),
    ((2524579200, "sha1", "products/123123", "2018-10-31", "KZ18T1EpqdlSAhQqEQjNBA0vgUU="), {A, B, C, MQTT}),
    ((2524579200, "sha1", DEV01, "2018-10-31", "e+GBSbuiLcznuDdqOULzbnc6xxs="), {A, B, C, MQTT}),
    ((1924833600, "md5", DEV01, "2018-10-31", "aNFwTVQKZj80tOjqfrjHvw=="), {A, B, C, MQTT}),
    ((1924833600, "sha256", DEV01, "2022-05-01", "Gtp0ZzioVgv2wNP8XXp46Oorkedd+NWrxQ0dOKoEJmA="), {C}),
    ((1924833600, "sha1", "userid/5001", "2022-05-01", "BJEI8w4q/cfFxA9+anhxwkD98EE="), {C}),
]


@pytest.fixture
async def shop(field):
    """Account 5001 with the vectors' products, devices and keys."""
    row = field.platform.read(lambda conn: conn.execute(account_table.select()).one())
    await field.platform.write(
        lambda tx: tx.conn.execute(account_table.insert().values({**row._mapping, "account_id": 5000}))
    )
    await field.prepare()
    assert field.account == 5001
    field.ids = {}
    for product_id, name, key in (("123123", "dev01", KEY), ("Y6O759jbtX", "upgrade", OTHER_KEY)):
        await field.write(catalogue.create_product, 5001, api.CreateProduct(product_id=product_id))
        request = [api.RegisterDevice(name=name, key=key)]
        registered = await field.write(catalogue.register, product_id, request)
        field.ids[name] = registered.devices[0].device_id
    await field.platform.write(
        lambda tx: (
            tx.conn.execute(account_table.update().values(access_key=KEY)),
            tx.conn.execute(
                product_table.update().where(product_table.c.product_id == "123123").values(access_key=KEY)
            ),
        )
    )
    return field


def spell(vector, way):
    et, method, res, version, sign = vector
    if way == "encoded":
        res, sign = quote(res, safe=""), quote(sign, safe="")
    parts = [f"version={version}", f"res={res}", f"et={et}", f"method={method}", f"sign={sign}"]
    return "&".join(reversed(parts) if way == "reversed" else parts)


def is_let_in(field, generation, vector, token):
    product_id, name = ("Y6O759jbtX", "upgrade") if "Y6O759jbtX" in vector[2] else ("123123", "dev01")
    if generation is MQTT:
        return isinstance(field.platform.uplink.connect(product_id, name, token), Session)
    if generation is A:
        return isinstance(field.calls.authenticate(A, token, device_id=field.ids[name]), Caller)
    return isinstance(field.calls.authenticate(generation, token, product_id=product_id, name=name), Caller)


@pytest.mark.parametrize(("vector", "takers"), VECTORS)
async def test_a_vector_is_taken_by_whom_it_is_for(shop, vector, takers):
    shop.clock[0] = (vector[0] - 3600) * 1000 - shop.account_row().clock_offset_ms
    for way in ("raw", "encoded", "reversed"):
        token = spell(vector, way)
        assert {who for who in (A, B, C, MQTT) if is_let_in(shop, who, vector, token)} == takers, way


@pytest.mark.parametrize("at", range(len(VECTORS)))
async def test_one_character_of_a_signature_changed_lets_nobody_in(shop, at):
    vector = VECTORS[at][0]
    shop.clock[0] = (vector[0] - 3600) * 1000 - shop.account_row().clock_offset_ms
    wrong = (*vector[:4], ("A" if vector[4][0] != "A" else "B") + vector[4][1:])
    assert not [who for who in (A, B, C, MQTT) if is_let_in(shop, who, wrong, spell(wrong, "encoded"))]


async def test_the_vector_of_2050_is_too_long_for_c_alone_while_it_is_more_than_ten_years_ahead(shop):
    vector = VECTORS[2][0]
    token = spell(vector, "encoded")
    refused = shop.calls.authenticate(C, token, product_id="123123", name="dev01")
    assert refused.why is CallRefusal.TOKEN_TOO_LONG
    assert {who for who in (A, B, MQTT) if is_let_in(shop, who, vector, token)} == {A, B, MQTT}
