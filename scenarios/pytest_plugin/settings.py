"""What a pytest run is told about scenarios, its options and its ini value, and what is kept with it, by key."""

import argparse
import fnmatch
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from platform_stub.protocol.errors import UsageFault
from scenarios.brokers import BROKERS, facts_of
from scenarios.pytest_plugin.bridge import Bridge

if TYPE_CHECKING:
    from scenarios.play import Play
    from scenarios.runner.options import RunOptions

BRIDGE: Final = pytest.StashKey[Bridge]()
"""The loop that fixtures and plays by steps live in."""
VARIABLES: Final = pytest.StashKey[set[str]]()
"""The variables of all scenarios that were collected."""
ERROR: Final = pytest.StashKey[BaseException]()
"""What a test has raised."""
SECTION: Final = "ota-sim"
"""What a section of a report is headed with."""
FILES: Final = "*.ota.yaml"
SUFFIXES: Final = (".yaml", ".yml")
SEED_MAX: Final = 2**53
NAME_MAX: Final = 40
"""As long a name as a scenario may have."""
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]+")


def add_options(parser: pytest.Parser) -> None:
    """Name the options."""
    group = parser.getgroup("ota-sim", "scenarios of ota-sim")
    group.addoption(
        "--ota-items",
        choices=("scenario", "step"),
        default="scenario",
        help="What is an item: each variant of a scenario (the default), or each of its steps.",
    )
    group.addoption(
        "--ota-evidence",
        metavar="DIR",
        type=Path,
        help="Folder for what failed scenarios leave to look into. Default: pytest's temporary folder.",
    )
    group.addoption("--ota-seed", metavar="N", type=_seed, help="Another seed than the scenarios'.")
    group.addoption(
        "--ota-var",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="Another value of a variable, in scenarios that have it. May be given several times.",
    )
    group.addoption(
        "--ota-broker",
        type=_broker,
        metavar="NAME|URL",
        default="embedded",
        help=f"Which MQTT broker: {', '.join(BROKERS)}, or mqtt://host:port of any other. Default: embedded.",
    )
    group.addoption(
        "--ota-strict",
        action="store_true",
        help="Let the platform take the documentation's narrower reading, in every scenario.",
    )
    group.addoption(
        "--ota-target",
        metavar="FILE",
        type=Path,
        help="Play on the platform of a target file, not on the stub.",
    )
    parser.addini("ota_files", f"Names of scenario files. Default: {FILES}", type="args", default=[FILES])


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) > SEED_MAX:
        raise argparse.ArgumentTypeError(f"a number from 0 to {SEED_MAX} is wanted, not {text!r}")
    return int(text)


def _broker(text: str) -> str:
    try:
        facts_of(text)
    except UsageFault as fault:
        raise argparse.ArgumentTypeError(str(fault)) from None
    return text


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of one pytest run."""

    config: pytest.Config

    @property
    def by_step(self) -> bool:
        """Whether an item is a step."""
        return bool(self.config.getoption("ota_items") == "step")

    @property
    def variables(self) -> dict[str, str]:
        """Values that count instead of the scenarios' own."""
        from scenarios.loader import read_variables  # noqa: PLC0415 - nothing is loaded before it is needed

        try:
            return read_variables(self.config.getoption("ota_var"))
        except UsageFault as exc:
            raise pytest.UsageError(str(exc).replace("--var", "--ota-var")) from None

    def is_scenario(self, path: Path, *, is_named: bool) -> bool:
        """Whether a file is one of ours: by its name, or because it is named on the command line and is YAML."""
        if is_named and path.suffix in SUFFIXES:
            return True
        return any(
            fnmatch.fnmatchcase(path.name, pattern) or path.match(pattern)
            for pattern in self.config.getini("ota_files")
        )

    def evidence(self, file: Path) -> Path:
        """Give the folder in which failed plays of a file leave theirs."""
        base: Path | None = self.config.getoption("ota_evidence")
        if base is None:
            factory = self.config._tmp_path_factory  # type: ignore[attr-defined]  # noqa: SLF001 - items have no fixtures
            base = factory.getbasetemp() / "ota-evidence"
        else:
            base = self.config.invocation_params.dir / base
        try:
            name = file.relative_to(self.config.rootpath)
        except ValueError:
            name = Path(file.name)
        return base / slug(str(name))

    def options(self, file: Path) -> "RunOptions":
        """Say how plays of a file are run."""
        from scenarios.runner.options import RunOptions  # noqa: PLC0415 - not before something is played
        from scenarios.target_file import load_target  # noqa: PLC0415

        target = self._target
        return RunOptions(
            broker=self.config.getoption("ota_broker"),
            evidence=str(self.evidence(file)),
            target=None if target is None else load_target(target),
        )

    def session(self, node: pytest.Item, number: str) -> "dict[str, Any]":
        """Say how the sessions of a test are played; what the test says itself counts instead."""
        words: dict[str, Any] = {
            "name": slug(node.name)[: NAME_MAX - len(number)] + number,
            "broker": self.config.getoption("ota_broker"),
            "evidence": self.evidence(node.path),
            "seed": self.config.getoption("ota_seed"),
            "strict": self.config.getoption("ota_strict") or None,
            "target": self._target,
        }
        return words

    @property
    def _target(self) -> Path | None:
        target: Path | None = self.config.getoption("ota_target")
        return None if target is None else self.config.invocation_params.dir / target

    def plays(self, file: Path) -> "list[Play]":
        """Read a file. ScenarioFault: its mistakes."""
        from msgspec import structs  # noqa: PLC0415 - nor this

        from scenarios.loader import load_file  # noqa: PLC0415

        plays = load_file(file, self.variables)
        seed: int | None = self.config.getoption("ota_seed")
        if seed is not None:
            plays = [structs.replace(play, seed=seed) for play in plays]
        if self.config.getoption("ota_strict"):
            plays = [structs.replace(play, strict=True) for play in plays]
        return plays


def slug(text: str) -> str:
    """Make a name of a file or folder."""
    return _NOT_IN_NAMES.sub("-", text).strip("-._") or "session"
