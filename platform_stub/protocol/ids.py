"""Identities, as the platform numbers and names them.

A device ID is unique over the whole platform and never used again; a device name is unique within its
product while the device lives. What OneNET calls `tid` is a job here: one device's part of a task.
"""

from typing import Final, NewType

AccountId = NewType("AccountId", int)
ProductId = NewType("ProductId", str)
PackageId = NewType("PackageId", int)
TaskId = NewType("TaskId", int)
DeviceId = NewType("DeviceId", int)
DeviceName = NewType("DeviceName", str)

RESERVED_PRODUCT_IDS: Final = frozenset({"south", "device", "download", "check", "report", "devInfo"})
"""Words below `/ota` that are generation A's, and so no product ids (onenet-protocol, section 1)."""
