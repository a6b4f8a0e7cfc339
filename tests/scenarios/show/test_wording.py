"""Results in words."""

import pytest

from scenarios.show.wording import flows_text


@pytest.mark.parametrize(
    ("flows", "text"),
    [
        ("mqtt", "MQTT"),
        ("mqtt, fuse", "MQTT and fuse"),
        ("south, studio, mqtt, fuse", "south, studio, MQTT and fuse"),
    ],
)
def test_what_devices_speak(flows, text):
    assert flows_text(flows) == text
