"""The platform inside amqtt: a plugin that hears each message once. Imported by amqtt, from its configuration."""

from dataclasses import dataclass
from typing import Any

from amqtt.plugins.base import BasePlugin


class Platform(BasePlugin):
    """Hands on what devices publish."""

    @dataclass
    class Config:
        """What amqtt hands over."""

        take: Any

    async def on_broker_message_received(self, *, client_id, message):
        self.config.take(message)
