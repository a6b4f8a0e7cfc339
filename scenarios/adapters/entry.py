"""An adapter's entry point: `package.module:factory` or `./file.py:factory`, found, imported and called.

Foreign code runs here. It is called in the thread of a `Host`, or under a time limit of its own.
"""

import importlib
import importlib.util
import inspect
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from platform_stub.protocol.errors import UsageFault
from scenarios.adapters.guard import raised
from scenarios.target import SECRET_PREFIX, OptionValue

IMPORT_S: Final = 60.0
ENTRY_PATTERN: Final = r"^[^:\s]+(:[^:\s]+)?\.py:[A-Za-z_]\w*$|^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"

Factory = Callable[..., Any]


class EntryFault(UsageFault):
    """There is no such adapter, or it can't be made with these options."""


def find_factory(entry: str, folder: Path) -> Factory:
    """Import an adapter's module and give its factory; `folder` is where files and modules are looked for first."""
    place, _, name = entry.rpartition(":")
    try:
        module = _from_file(folder / place) if place.endswith(".py") else _from_package(place, folder)
    except EntryFault:
        raise
    except ModuleNotFoundError as exc:
        raise EntryFault(
            f"no module is named {exc.name}; it is looked for in {folder} and where Python looks"
        ) from exc
    except BaseException as exc:
        raise EntryFault(f"{place} can't be imported: {raised(exc)}") from exc
    factory = getattr(module, name, None)
    if not callable(factory):
        there = sorted(
            key for key, value in vars(module).items() if callable(value) and not key.startswith("_")
        )
        raise EntryFault(
            f"{place} has no {name} that can be called; it has {', '.join(there[:10]) or 'none'}"
        )
    return factory  # type: ignore[no-any-return]  # what a module holds is anything


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise EntryFault(f"there is no file {path}")
    name = f"ota_sim_adapter_{path.stem}_{abs(hash(str(path.resolve())))}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a path that ends in .py has a loader"
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    _look_in(path.parent)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _from_package(name: str, folder: Path) -> Any:
    _look_in(folder)
    return importlib.import_module(name)


def _look_in(folder: Path) -> None:
    """Let modules beside the adapter be found, after all others: none of ours is hidden by one of theirs."""
    where = str(folder.resolve())
    if where not in sys.path:
        sys.path.append(where)


def check_call(factory: Factory, options: Mapping[str, object]) -> str:
    """Say why a factory can't be called with these options; empty when it can."""
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        return ""  # one that does not tell what it takes
    known = signature.parameters
    takes_any = any(each.kind is each.VAR_KEYWORD for each in known.values())
    by_name = [
        name for name, each in known.items() if each.kind in {each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY}
    ]
    for name in options:
        if name not in by_name and not takes_any:
            return f"the adapter has no option {name}; it has {', '.join(by_name) or 'none'}"
    missing = [
        name for name in by_name if name not in options and known[name].default is inspect.Parameter.empty
    ]
    if missing:
        return f"the adapter wants {', '.join(missing)} too"
    return ""


def secret_of(value: OptionValue) -> str | None:
    """Name the environment variable that an option's text stands for."""
    return (
        value.removeprefix(SECRET_PREFIX)
        if isinstance(value, str) and value.startswith(SECRET_PREFIX)
        else None
    )


def filled(options: Mapping[str, OptionValue]) -> tuple[dict[str, OptionValue], list[str]]:
    """Put secrets in their places; answers the options, and the secrets themselves. EntryFault: one is not set."""
    values: dict[str, OptionValue] = dict(options)
    secrets: list[str] = []
    for name, value in options.items():
        variable = secret_of(value)
        if variable is None:
            continue
        text = os.environ.get(variable, "")
        if not text:
            raise EntryFault(f"option {name}: the environment variable {variable} is not set")
        values[name] = text
        secrets.append(text)
    return values, secrets


def find_in_time(entry: str, folder: Path) -> Factory:
    """Do the same as `find_factory`, and don't wait for ever when the import does."""
    found: list[Factory | EntryFault] = []

    def find() -> None:
        try:
            found.append(find_factory(entry, folder))
        except EntryFault as fault:
            found.append(fault)

    thread = threading.Thread(target=find, name=f"import of {entry}", daemon=True)
    thread.start()
    thread.join(IMPORT_S)
    if not found:
        raise EntryFault(f"the import of {entry} has not ended in {IMPORT_S:g} s")
    if isinstance(found[0], EntryFault):
        raise found[0]
    return found[0]
