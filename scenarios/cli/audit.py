"""`ota-sim audit`: whether a platform's database keeps the charging rules, for a person or a program."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click
import msgspec

from platform_stub.database_url import DatabaseUrl
from scenarios.auditor import AuditReport, Finding, audit_database
from scenarios.auditor.findings import CHECKED


@click.command(short_help="Recompute the licence invariants from a data folder.")
@click.argument("place", metavar="DIR|URL")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_context
def audit(ctx: click.Context, place: str, *, as_json: bool) -> None:
    """Recompute I1-I7 and the rules around them from the journal and tables in DIR (or its ota-sim.db), or at URL.

    Works on the folder of a stub that runs, or ran, or was killed, and on a PostgreSQL database, such as
    postgresql://user@host/db; changes nothing. Exit 0 when all holds, 1 when something does not, 2 when it is no
    database of ours, 3 when it can't be read.
    """
    report = audit_database(DatabaseUrl.parse(place) if "://" in place else Path(place))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(_as_data(report))))
    else:
        for line in _lines(report):
            click.echo(line)
    ctx.exit(0 if report.ok else 1)


def _as_data(report: AuditReport) -> dict[str, object]:
    rules = {rule: {"text": text, "findings": report.counts.get(rule, 0)} for rule, text in CHECKED.items()}
    return {"ok": report.ok, **asdict(report), "path": str(report.path), "rules": rules}


def _lines(report: AuditReport) -> Iterator[str]:
    yield str(report.path)
    yield ", ".join(
        _counted(count, noun)
        for count, noun in (
            (report.accounts, "account"),
            (report.devices, "device"),
            (report.tasks, "task"),
            (report.jobs, "job"),
            (report.entitlements, "entitlement"),
            (report.rows, "journal line"),
        )
    )
    yield ""
    for rule, text in CHECKED.items():
        count = report.counts.get(rule, 0)
        mark = (
            click.style(f"broken {count:,}x", fg="red", bold=True)
            if count
            else click.style("holds", fg="green")
        )
        yield f"{rule:<4} {text}: {mark}"
        kept = [finding for finding in report.findings if finding.rule == rule]
        yield from map(_line, kept)
        if count > len(kept):
            yield f"       and {count - len(kept):,} more"
    yield ""
    yield _verdict(report)


def _line(finding: Finding) -> str:
    return f"       {finding.where}: expected {finding.expected}; seen {finding.seen}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _verdict(report: AuditReport) -> str:
    if report.ok:
        return click.style(f"all {len(CHECKED)} hold", fg="green", bold=True)
    broken, findings = len(report.counts), sum(report.counts.values())
    return click.style(
        f"{broken} of {len(CHECKED)} broken, {_counted(findings, 'finding')}", fg="red", bold=True
    )
