"""The run as JUnit XML, as GitLab, GitHub's reporters and Jenkins read it.

A testsuite is a play, a testcase a step, also one of a parallel block or of the teardown, and one more is the audit.
What was skipped, not played, or fails as it is known to is `skipped`, what broke down an `error`, what is not as
expected a `failure` with both values.
"""

from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement

from scenarios.junit_xml import make_case, make_document, make_suite, xml_text
from scenarios.results import PlayResult, RunResult, Seen, StepResult
from scenarios.show.wording import again_text, flow_texts, outcome_lines, policy_text
from scenarios.units import show_fen


def make_junit(run: RunResult) -> bytes:
    """Make the document."""
    return make_document("ota-sim", run.seconds, (_suite(play, run.version) for play in run.plays))


def _suite(play: PlayResult, version: str) -> Element:
    cases = [case for step in play.steps for case in _step_cases(play, step)]
    cases += [case for step in play.teardown for case in _step_cases(play, step, "teardown: ")]
    cases += [case for case in (_audit_case(play), _play_case(play)) if case is not None]
    return make_suite(play.name, play.seconds, play.started_ms, _properties(play, version), cases)


def _properties(play: PlayResult, version: str) -> dict[str, str]:
    return {
        "version": version,
        "seed": str(play.seed),
        "policy": policy_text(play.policy),
        "scenario": play.scenario,
        "variant": play.variant,
        "title": play.title,
        "file": play.file,
        "covers": " ".join(play.covers),
        "broker": play.broker,
        "strict": str(play.strict).lower(),
        "flow": play.flow,
        **{f"flow.{name}": did for name, did in flow_texts(play).items()},
        "not_checked": "; ".join(play.cannot_check),
        "devices": str(play.devices),
        "connected": str(play.connected),
        "fee_yuan": show_fen(play.fee_fen).replace(",", ""),
        **{f"version.{name}": of for name, of in play.versions.items() if name != "ota-sim"},
        **{f"variable.{name}": value for name, value in play.variables.items()},
        "again": again_text(play),
        **({"delivery": play.delivery} if play.delivery else {}),
        **({"target": play.target} if play.target else {}),
        **({"evidence": play.evidence} if play.evidence else {}),
    }


def _case(play: PlayResult, name: str, seconds: float) -> Element:
    return make_case(f"ota-sim.{play.name.replace(' ', '.')}", name, seconds)


def _step_cases(play: PlayResult, step: StepResult, before: str = "") -> Iterator[Element]:
    yield _step_case(play, step, before)
    for inner in step.parallel:
        yield _step_case(play, inner, f"{before}{step.id}, at once: ")


def _step_case(play: PlayResult, step: StepResult, before: str) -> Element:
    case = _case(play, f"{before}{step.id} {step.title}".rstrip(), step.seconds)
    if step.verdict == "failed":
        lines = [xml_text(line) for line in outcome_lines(step)]
        failure = SubElement(case, "failure", message=lines[0] if lines else "failed", type="expectation")
        failure.text = "\n".join(lines)
    elif step.verdict == "xfailed":
        SubElement(
            case, "skipped", message=xml_text(f"known to fail: {step.xfail}"), type="xfail"
        ).text = "\n".join(xml_text(line) for line in outcome_lines(step))
    elif step.verdict == "unchecked":
        SubElement(case, "skipped", message="played, not checked (--only)")
    elif step.verdict == "not_played":
        SubElement(case, "skipped", message="not played")
    if step.verdict != "not_played":
        SubElement(case, "system-out").text = xml_text(_seen_text(step.seen))
    return case


def _seen_text(seen: Seen) -> str:
    known = {name: getattr(seen, name) for name in seen.__struct_fields__}
    for name, value in known.items():
        if isinstance(value, dict):
            known[name] = ", ".join(f"{count} {what}" for what, count in value.items())
    return "\n".join(f"{name}: {value}" for name, value in known.items() if value not in (None, ""))


def _audit_case(play: PlayResult) -> Element | None:
    if play.audit is None:
        return None
    case = _case(play, "audit of the journal and the tables (I1-I7)", play.audit.seconds)
    if not play.audit.ok:
        failure = SubElement(case, "failure", message=xml_text(play.audit.findings[0]), type="audit")
        failure.text = xml_text("\n".join(play.audit.findings))
    return case


def _play_case(play: PlayResult) -> Element | None:
    """Make a case of a play that ended early, or never began."""
    if play.verdict not in {"skipped", "broken", "stopped"}:
        return None
    case = _case(play, "run", play.seconds)
    if play.verdict == "skipped":
        SubElement(case, "skipped", message=xml_text(play.reason))
    else:
        SubElement(
            case, "error", message=xml_text(play.reason.partition("\n")[0]), type=play.verdict
        ).text = xml_text(play.reason)
    return case
