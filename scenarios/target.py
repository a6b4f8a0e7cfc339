"""A platform under test, as a value: where its devices connect, whose code speaks to its operator side, what it can't.

Light to import, as the command line and every worker have it. Target files are read in `scenarios.target_file`.
"""

from typing import Final, Literal

from msgspec import Struct

Address = tuple[str, int]
OptionValue = str | int | bool | list[str | int | bool] | None

SECRET_PREFIX: Final = "env:"  # noqa: S105 - how a secret is named, not a secret
"""An option's text that begins so stands for the environment variable that it names."""
CALL_MS: Final = 60_000
NOWHERE: Final = ("127.0.0.1", 0)
"""Stands for MQTT where a platform has none; no devices over MQTT are let loose on it."""


class Target(Struct, frozen=True, kw_only=True):
    """A platform that is not the stub.

    `file` is what was read, `folder` where the adapter's code is looked for first. Secrets are still named in
    `options`, never held. `can` is all that the platform can, None: all but what `cannot` names. `skip` is why a
    scenario, by its name, is not played there. `rules`: whether the charging rules of this project predict it.
    """

    file: str
    folder: str
    name: str
    adapter: str
    http: Address
    mqtt: Address | None = None
    options: dict[str, OptionValue] = {}
    can: tuple[str, ...] | None = None
    cannot: tuple[str, ...] = ()
    skip: dict[str, str] = {}
    rules: Literal["predicted", "unknown"] = "unknown"
    strict: bool = False
    call_ms: int = CALL_MS

    @property
    def predicts(self) -> bool:
        """Whether what the rules say is held against it, beside what a scenario expects."""
        return self.rules == "predicted"
