"""A picture that was drawn as a file of its own, made part of a page. Pure.

Its colours become the page's own, for the page's light and its dark form; its text takes the page's letters.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from scenarios.report.markup import Html, tag

COLOURS: Final[Mapping[str, str]] = {
    "#010101": "currentColor",
    "#010102": "var(--line)",
    "#010103": "var(--faint)",
    "#020201": "var(--success)",
    "#020202": "var(--failed)",
    "#020203": "var(--cancelled)",
    "#020204": "var(--upgrading)",
    "#020205": "var(--downloading)",
    "#020206": "var(--pending)",
    "#020207": "var(--other)",
}
"""Colours as matplotlib is given them, and what they are in the page."""
BY_NAME: Final = {value.removeprefix("var(--").removesuffix(")"): key for key, value in COLOURS.items()}
"""The same by the page's names: success, line and so on."""
_NUMBERS: Final = re.compile(r' (?:d|x|y|width|height|transform)="[^"]*"')
_LONG: Final = re.compile(r"\d+\.\d\d+")
_LONE: Final = re.compile(
    r"<g>\s*(<(?:path|use)[^>]*/>|<text[^>]*>[^<]*</text>|<defs>(?:(?!</?defs>).)*</defs>|)\s*</g>", re.DOTALL
)
_NESTED_MAX: Final = 3


def inline(svg: str, title: str, prefix: str) -> Html:
    """Make a picture part of a page: no prolog, colours of the page, names that no other picture has, and a title."""
    body = svg[svg.index("<svg") :]
    inner = body[body.index(">") + 1 : body.rindex("</svg>")]
    for kind, instead in _LEFT_OUT:
        inner = kind.sub(instead, inner)
    used = set(re.findall(r"(?:url\(#|href=\"#)([\w.-]+)", inner))
    inner = re.sub(
        r' id="([\w.-]+)"', lambda found: f' id="{prefix}-{found[1]}"' if found[1] in used else "", inner
    )
    inner = re.sub(r"(url\(#|href=\"#)", rf"\1{prefix}-", inner)
    for drawn, shown in COLOURS.items():
        inner = inner.replace(drawn, shown)
    for _ in range(_NESTED_MAX):
        inner = _LONE.sub(r"\1", inner)
    view = re.search(r'viewBox="([\d. ]+)"', body)
    assert view is not None
    return tag(
        "svg",
        tag("title", title, id=f"{prefix}-title"),
        Html(inner),
        viewBox=view[1],
        role="img",
        aria_labelledby=f"{prefix}-title",
        class_="plot",
    )


def _rounded(found: re.Match[str]) -> str:
    """Spell the numbers of an attribute with what an eye can see of them, on one line."""
    return " ".join(
        _LONG.sub(lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), found[0]).split("\n")
    )


_LEFT_OUT: Final[Sequence[tuple[re.Pattern[str], Any]]] = (
    (re.compile(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", re.DOTALL), ""),
    (re.compile(r"xlink:href"), "href"),
    (re.compile(r"font-family: [^;\"]*;? ?"), ""),
    (_NUMBERS, _rounded),
    (re.compile(r" *\n\s*"), "\n"),
)
"""What a picture in a page does without, and what stands there instead."""
