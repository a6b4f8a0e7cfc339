import pytest

from platform_stub.broker.limits import Limits
from platform_stub.broker.subscriptions import (
    NO_SUBSCRIPTIONS,
    Subscriptions,
    grant,
    granted_qos,
    own_suffix,
    shared,
    without_filter,
)

PREFIX = "$sys/p/dev"


@pytest.mark.parametrize(
    ("topic_filter", "suffix"),
    [
        ("$sys/p/dev/ota/inform", "/ota/inform"),
        ("$sys/p/dev/#", "/#"),
        ("$sys/p/dev/+/inform", "/+/inform"),
        ("$sys/p/dev/", "/"),
        ("$sys/p/dev", None),
        ("$sys/p/dev2/ota/inform", None),
        ("$sys/p/other/ota/inform", None),
        ("$sys/p/+/ota/inform", None),
        ("$sys/+/dev/ota/inform", None),
        ("+/p/dev/ota/inform", None),
        ("$sys/p/#", None),
        ("#", None),
        ("ota/inform", None),
    ],
)
def test_only_filters_below_the_device_are_its_own(topic_filter: str, suffix: str | None) -> None:
    assert own_suffix(PREFIX, topic_filter) == suffix


def held_after(*filters: tuple[str, int], limits: Limits | None = None) -> tuple[Subscriptions, list[int]]:
    held, codes = NO_SUBSCRIPTIONS, []
    for suffix, qos in filters:
        held, code = grant(held, PREFIX, PREFIX + suffix, qos, limits or Limits())
        codes.append(code)
    return held, codes


def test_the_highest_qos_of_all_that_match_counts() -> None:
    held, _ = held_after(("/ota/#", 1), ("/ota/inform", 0))
    assert granted_qos(held, "/ota/inform") == 1
    assert granted_qos(held, "/thing/property/post/reply") is None
    assert granted_qos(without_filter(held, "/ota/#"), "/ota/inform") == 0


def test_the_same_filter_again_replaces_the_first() -> None:
    held, codes = held_after(("/#", 1), ("/#", 0))
    assert (held, codes) == ((("/#", 0),), [1, 0])
    assert without_filter(held, "/other") == held


def test_what_is_not_granted_leaves_what_is_held() -> None:
    limits = Limits(subscriptions_max=2, topic_bytes_max=40)
    held, codes = held_after(("/a", 2), ("/" + "x" * 40, 1), ("/b", 0), ("/c", 1), ("/a", 0), limits=limits)
    assert codes == [1, 0x80, 0, 0x80, 0]
    assert held == (("/b", 0), ("/a", 0))
    assert grant(held, PREFIX, "#", 1, limits) == (held, 0x80)


def test_devices_that_asked_for_the_same_share_one_value() -> None:
    first = shared(held_after(("/ota/#", 1))[0])
    assert shared(held_after(("/ota/#", 0), ("/ota/#", 1))[0]) is first
