"""Variables of a scenario: `${name}` in its tree is replaced before anything is given a type.

A scalar that is nothing but `${name}` becomes the variable's own, so it is a number where the variable is one; within
a longer text its characters are put in. `$${` stands for `${`. A variable is not made from others.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from platform_stub.protocol.errors import UsageFault
from scenarios.loader import tree
from scenarios.loader.mistakes import Mark, Path, listing, nearest

PART: Final = "vars"
_NAME: Final = r"[A-Za-z_][A-Za-z0-9_\-]{0,39}"
_USE: Final = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_WHOLE: Final = re.compile(r"\$\{([^{}]*)\}")


@dataclass(slots=True)
class Filled:
    """A tree without variables in it, the values that were in force, and what is wrong, by path."""

    root: tree.Node
    values: dict[str, str] = field(default_factory=dict)
    given: tuple[str, ...] = ()  # those whose value is not the file's own
    faults: list[tuple[Path, str, bool]] = field(default_factory=list)  # True: it is about the key


def read_variables(texts: Iterable[str]) -> dict[str, str]:
    """Read the `NAME=VALUE` texts of a command line; the last of one name counts. UsageFault: one is none."""
    given: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not re.fullmatch(_NAME, name):
            raise UsageFault(f"--var {text}: NAME=VALUE is wanted, such as --var devices=100")
        given[name] = value
    return given


def fill_in(root: tree.Node, given: Mapping[str, str]) -> Filled:
    """Replace the variables of a tree; `given` are values that count instead of the file's own."""
    filled = Filled(root)
    _, part = root.items.get(PART, (None, None)) if isinstance(root, tree.Mapping) else (None, None)
    declared = part.items if isinstance(part, tree.Mapping) else {}
    known: dict[str, tree.Scalar] = {}
    for name, (_, value) in declared.items():
        if not isinstance(value, tree.Scalar):
            continue  # the schema says so
        if _USE.search(value.text):
            text = "a variable is not made from others; write its value out"
            filled.faults.append(((PART, name), text, False))
        known[name] = replace(value, text=given[name], plain=True) if name in given else value
    filler = _Filler(known, filled)
    filled.root = filler.root(root)
    filled.values = {name: scalar.text for name, scalar in known.items()}
    filled.given = tuple(name for name in known if name in given)
    for name in known.keys() - filler.used:
        filled.faults.append(((PART, name), f"nothing uses the variable {name}; take it out", True))
    return filled


class _Filler:
    def __init__(self, known: Mapping[str, tree.Scalar], filled: Filled) -> None:
        self._known = known
        self._filled = filled
        self.used: set[str] = set()

    def root(self, node: tree.Node) -> tree.Node:
        """Fill in all but the variables themselves."""
        if not isinstance(node, tree.Mapping):
            return self.node(node, ())
        items = {
            key: entry if key == PART else (entry[0], self.node(entry[1], (key,)))
            for key, entry in node.items.items()
        }
        return tree.Mapping(node.mark, items)

    def node(self, node: tree.Node, path: Path) -> tree.Node:
        """Fill in a node; as deep as the tree, whose depth is bounded."""
        match node:
            case tree.Scalar():
                return self._scalar(node, path)
            case tree.Sequence():
                return tree.Sequence(
                    node.mark, [self.node(item, (*path, at)) for at, item in enumerate(node.items)]
                )
            case tree.Mapping():
                return tree.Mapping(node.mark, self._entries(node, path))

    def _entries(self, node: tree.Mapping, path: Path) -> dict[str, tuple[Mark, tree.Node]]:
        items: dict[str, tuple[Mark, tree.Node]] = {}
        for written, (mark, value) in node.items.items():
            key = self._text(written, (*path, written), at_key=True) if "${" in written else written
            if key in items:
                text = f"with the variable filled in {key!r} stands here twice"
                self._filled.faults.append(((*path, key), text, True))
            items[key] = (mark, self.node(value, (*path, key)))
        return items

    def _scalar(self, scalar: tree.Scalar, path: Path) -> tree.Scalar:
        if "${" not in scalar.text:
            return scalar
        whole = _WHOLE.fullmatch(scalar.text)
        if whole is not None and whole[1].strip() in self._known:
            name = whole[1].strip()
            self.used.add(name)
            return replace(self._known[name], mark=scalar.mark)
        return replace(scalar, text=self._text(scalar.text, path, at_key=False))

    def _text(self, text: str, path: Path, *, at_key: bool) -> str:
        def put_in(use: re.Match[str]) -> str:
            if use[0] == "$${":
                return "${"
            name = (use[1] or "").strip()
            if name in self._known:
                self.used.add(name)
                return self._known[name].text
            self._filled.faults.append((path, self._unknown(name), at_key))
            return use[0]

        return _USE.sub(put_in, text)

    def _unknown(self, name: str) -> str:
        if not re.fullmatch(_NAME, name):
            return "a variable is written ${name}; two dollars, $${, stand for the characters themselves"
        if not self._known:
            return f"no variable is named {name}, and the scenario has none; name it under vars"
        hint = nearest(name, self._known) or f"; there are {listing(self._known)}"
        return f"no variable is named {name}{hint}"
