"""Whose clock a stranger's reply shows: the account behind a product or a device, found without a token."""

from typing import Final

from sqlalchemy import Connection, bindparam, select

from platform_stub.store.dialect import Glance
from platform_stub.store.schema import devices, products

_OF_PRODUCT: Final = Glance(
    select(products.c.account_id).where(products.c.product_id == bindparam("product"))
)
_OF_DEVICE: Final = Glance(select(devices.c.account_id).where(devices.c.device_id == bindparam("device")))


def account_of_product(conn: Connection, product_id: str) -> int | None:
    """Find the account that has a product."""
    row = _OF_PRODUCT.one(conn, {"product": product_id})
    return None if row is None else int(row.account_id)


def account_of_device(conn: Connection, device_id: int) -> int | None:
    """Find the account that has a device, or had it."""
    row = _OF_DEVICE.one(conn, {"device": device_id})
    return None if row is None else int(row.account_id)
