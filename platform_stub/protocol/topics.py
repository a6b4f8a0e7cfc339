"""Topics of a device below `$sys/{product id}/{device name}`: the only place where they are spelled.

A *suffix* is what follows that prefix, with its leading slash. Source: onenet-protocol, section 3.
"""

from types import MappingProxyType
from typing import NamedTuple

ROOT = "$sys"

INFORM = "/ota/inform"
INFORM_REPLY = "/ota/inform_reply"
VERSION = "/ota/version"
VERSION_REPLY = "/ota/version_reply"
STATUS = "/ota/status"
STATUS_REPLY = "/ota/status_reply"
PROPERTY_POST = "/thing/property/post"
PROPERTY_POST_REPLY = "/thing/property/post/reply"
DATA_POINT = "/dp/post/json"
DATA_POINT_ACCEPTED = "/dp/post/json/accepted"
DATA_POINT_REJECTED = "/dp/post/json/rejected"

UPWARD = frozenset({INFORM_REPLY, VERSION, STATUS, PROPERTY_POST, DATA_POINT})
"""Suffixes a device may publish to; any other is an illegal topic."""


REPLIES = MappingProxyType(
    {VERSION: VERSION_REPLY, STATUS: STATUS_REPLY, PROPERTY_POST: PROPERTY_POST_REPLY},
)
"""Which suffix answers a report; the answer is its acknowledgement."""


class DeviceTopic(NamedTuple):
    """A topic taken apart."""

    product_id: str
    device_name: str
    suffix: str


def topic_of(product_id: str, device_name: str, suffix: str) -> str:
    """Spell a device's topic."""
    return f"{ROOT}/{product_id}/{device_name}{suffix}"


def parse_topic(topic: str) -> DeviceTopic | None:
    """Take a device's topic apart; None when it is not one."""
    parts = topic.split("/", 3)
    if len(parts) != 4 or parts[0] != ROOT or not parts[1] or not parts[2] or not parts[3]:  # noqa: PLR2004
        return None
    return DeviceTopic(parts[1], parts[2], "/" + parts[3])


def filter_matches(topic_filter: str, topic: str) -> bool:
    """Whether a topic filter takes in a topic [MQTT-4.7]; `$` topics match no leading wildcard [MQTT-4.7.2-1]."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in {"+", "#"}:
        return False
    for at, level in enumerate(wanted):
        if level == "#":
            return True
        if at >= len(levels) or level not in {"+", levels[at]}:
            return False
    return len(wanted) == len(levels)
