"""A load run as one HTML page that needs nothing else: verdict, percentiles, curves over time, errors, audit. Pure.

It has the letters and colours of `scenarios.report`'s page.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from typing import Final

from scenarios.load.curves import Curves
from scenarios.load.result import LoadResult, Measurement
from scenarios.load.thresholds import show_us
from scenarios.report.markup import Html, Right, row, table, tag
from scenarios.show.wording import DOT, seconds_text

_HEADS: Final = [
    ("what", ""),
    *(
        (head, "number")
        for head in ("done", "failed", "a second", "mean", "p50", "p90", "p95", "p99", "p99.9", "max")
    ),
]
_EXACTNESS: Final = {
    "create-task": "Durations, exact to the microsecond",
    "fleet": "Durations, rounded to three digits",
}
_KINDS: Final = {"passed": "passed", "failed": "failed", "broken": "failed", "stopped": "stopped"}


def make_html(result: LoadResult) -> bytes:
    """Make the page."""
    body = tag("main", *_parts(result))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{result.title}: {result.verdict}"),
        tag(
            "style",
            Html(files("scenarios.report").joinpath("page", "report.css").read_text(encoding="utf-8")),
        ),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', body), lang='en')}\n".encode("utf-8", "replace")


def _parts(result: LoadResult) -> Iterator[Html]:
    yield _verdict(result)
    yield from _judged(result)
    yield tag("h2", "How long it took", id="times")
    yield table(_EXACTNESS[result.kind], _HEADS, [_row(each) for each in result.measurements])
    curves = Curves()
    for each in result.measurements:
        if each.points:
            about = f": {each.about}" if each.about else ""
            yield tag("h3", f"{each.name}{about}")
            yield curves.over_time(each, result.seconds)
    if any(each.histogram for each in result.measurements):
        yield tag("h3", "Which share was done within which time")
        yield curves.shares(result.measurements)
    if result.errors:
        yield tag("h2", "Errors", id="errors")
        rows = [row(each.name, each.count, each.what) for each in result.errors]
        yield table("What went wrong", [("what", ""), ("times", "number"), ("why", "")], rows)
    yield tag("h2", "The run", id="run")
    yield _facts(result)
    yield tag(
        "footer",
        tag("p", f"Written by ota-sim {result.version}. This file needs nothing else.", class_="soft"),
    )


def _verdict(result: LoadResult) -> Html:
    began = datetime.fromtimestamp(result.started_ms / 1_000, UTC)
    said = [
        f"ota-sim {result.version}",
        f"begun {began:%Y-%m-%d %H:%M:%S} UTC",
        f"took {seconds_text(result.seconds)}",
        f"exit code {result.exit_code}",
    ]
    figures = list(_figures(result))
    return tag(
        "header",
        tag("h1", f"{result.title}: {result.verdict}"),
        tag("p", DOT.join(said), class_="soft"),
        tag("ul", *(tag("li", tag("b", value), name) for name, value in figures), class_="figures"),
        class_=f"verdict {_KINDS[result.verdict]}",
    )


def _figures(result: LoadResult) -> Iterator[tuple[str, str]]:
    main = result.measured(result.main)
    if main is None:
        return
    yield f"{main.name}: done", f"{main.count:,}"
    yield "failed", f"{main.errors:,}"
    yield "a second", f"{main.rate:,.1f}"
    known = main.percentiles
    for name, us in (("p50", known.p50_us), ("p95", known.p95_us), ("p99", known.p99_us)):
        if us is not None:
            yield name, show_us(us)


def _judged(result: LoadResult) -> Iterator[Html]:
    bad = [*result.trouble, *result.failures]
    if bad:
        yield tag("h2", "What failed", id="failed")
        yield tag("ul", *(tag("li", text, class_="bad") for text in bad))
    if result.thresholds:
        yield tag("h2", "Thresholds", id="thresholds")
        rows = [
            row(each.option, tag("span", "kept" if each.held else "missed", class_="good" if each.held else "bad"),
                Right(each.seen), each.wanted)
            for each in result.thresholds
        ]  # fmt: skip
        heads = [("threshold", ""), ("verdict", ""), ("seen", "number"), ("wanted", "")]
        yield table("What the run had to keep to", heads, rows)
    audit = result.audit
    yield tag("h2", "Licences", id="audit")
    word = "broken" if audit.is_broken else "all holds" if audit.audited else "not audited"
    kind = "bad" if audit.is_broken else "good" if audit.audited else "known"
    yield tag("p", tag("span", word, class_=kind), f": {audit.how}" if audit.how else "")
    if audit.findings:
        rows = [row(each.rule, each.where, each.expected, each.seen) for each in audit.findings]
        heads = [("rule", ""), ("where", ""), ("expected", ""), ("seen", "")]
        yield table(f"{audit.findings_count:,} findings", heads, rows)
    if result.notes:
        yield tag("ul", *(tag("li", note) for note in result.notes))


def _row(each: Measurement) -> Html:
    known = each.percentiles
    times = (
        known.mean_us, known.p50_us, known.p90_us, known.p95_us, known.p99_us, known.p999_us, known.max_us,
    )  # fmt: skip
    cells = (Right("-" if us is None else show_us(us)) for us in times)
    return row(each.name, each.count, each.errors, Right(f"{each.rate:,.1f}"), *cells)


def _facts(result: LoadResult) -> Html:
    pairs = [("target", result.target), *((fact.name, fact.text) for fact in result.settings)]
    pairs += [(figure.name, figure.text) for figure in result.figures]
    inner = [part for name, text in pairs for part in (tag("dt", name), tag("dd", text))]
    if result.command:
        inner += [tag("dt", "again"), tag("dd", tag("code", result.command))]
    return tag("dl", *inner, class_="facts")
