"""What a run came to: values that reports are made of, and that travel between processes.

Counts are None where a step has none. Times are in seconds of real time where they measure the run, in milliseconds
of the account's clock elsewhere; money is in fen.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from platform_stub.protocol.operator import Policy
from scenarios.brokers import facts_of, shown_broker
from scenarios.play import Play, PlayStep, spell_wanted
from scenarios.target import Address
from scenarios.versions import versions_in_use

StepVerdict = Literal["passed", "failed", "xfailed", "unchecked", "not_played", "planned"]
PlayVerdict = Literal["passed", "failed", "skipped", "broken", "stopped"]


class _Value(Struct, frozen=True):
    """A frozen value."""


class Seen(_Value, frozen=True, kw_only=True):
    """What a step came to, in the language's words; the same for what was seen and for what was predicted."""

    outcome: str = "done"
    reason: str | None = None
    message: str = ""
    devices: int | None = None
    needed: int | None = None
    available: int | None = None
    missing: int | None = None
    deducted: int | None = None
    deducted_purchased: int | None = None
    deducted_free: int | None = None
    grandfathered: int | None = None
    left: int | None = None
    purchased_left: int | None = None
    free_left: int | None = None
    balance_fen: int | None = None
    fee_fen: int | None = None
    cards: int | None = None
    jobs: dict[str, int] | None = None
    notices: dict[str, int] | None = None
    task_state: str | None = None
    auto_added: dict[str, int] | None = None
    deliveries: dict[str, int] | None = None
    pushes: int | None = None
    struck: dict[str, int] | None = None
    journal: dict[str, int] | None = None


Fact = str | int | None
"""What an expectation is about: a count, fen where its name ends in `_fen`, or words; None: there is none."""


class Difference(_Value, frozen=True, kw_only=True):
    """Something that is not as it must be: by an expectation of the scenario, or by the prediction."""

    what: str
    expected: Fact
    seen: Fact
    by: Literal["expectation", "prediction"] = "expectation"


class StepResult(_Value, frozen=True, kw_only=True):
    """What one step came to; `note` says why it could not be done or did not end, `remark` what was not predicted."""

    id: str
    title: str
    action: str
    verdict: StepVerdict
    expected: dict[str, str | int] = {}
    seen: Seen = Seen()
    differences: tuple[Difference, ...] = ()
    note: str = ""
    remark: str = ""
    at_ms: int = 0
    seconds: float = 0.0
    began: float = 0.0  # seconds since the play began
    xfail: str = ""
    parallel: "tuple[StepResult, ...]" = ()


class AuditResult(_Value, frozen=True, kw_only=True):
    """The auditor's verdict on the database that the run left."""

    ok: bool
    rows: int
    findings: tuple[str, ...] = ()
    seconds: float = 0.0


class FlowFigures(_Value, frozen=True, kw_only=True):
    """What the devices of one flow did; `devices` are those there are at the end.

    `jobs_ended` were ended by the platform: cancelled, out of time, held. `calls` are HTTP requests but for downloads.
    """

    devices: int
    jobs_succeeded: int
    jobs_failed: int
    jobs_ended: int
    calls: int


class FleetFigures(_Value, frozen=True, kw_only=True):
    """What the devices did, all of them and by flow."""

    devices: int
    jobs_succeeded: int
    jobs_failed: int
    downloads: int
    downloaded_bytes: int
    messages_sent: int
    messages_received: int
    reconnects: int
    connect_failures: int
    repeats: int
    flows: dict[str, FlowFigures] = {}


class Sample(_Value, frozen=True, kw_only=True):
    """How the account stood at a moment of the run: licences left, and jobs of all tasks by state."""

    seconds: float  # since the play began
    clock_ms: int  # of the account
    purchased_left: int
    free_left: int
    jobs: dict[str, int]


class StoryEntry(_Value, frozen=True, kw_only=True):
    """Something that happened to a device. `what` is one of `device_sim.recorder`'s words."""

    ms: int  # since the play began
    what: str
    tid: int = 0
    step: int = 0
    text: str = ""


class DeviceStory(_Value, frozen=True, kw_only=True):
    """All that happened to a device, oldest first, where it is now, and why."""

    device_id: int
    name: str
    fleet: str
    flow: str
    f_version: str
    s_version: str
    state: str  # of its last job: success, failed, ..., or none; as the platform knows
    stage: str  # what it is at by itself
    why: str  # the reason it is where it is, in words; empty when its job went well
    entries: tuple[StoryEntry, ...] = ()
    is_cut: bool = False  # whether older entries were dropped

    @property
    def is_well(self) -> bool:
        """Whether nothing is to be said about it."""
        return not self.why and self.state in {"success", "none", ""}


class Story(_Value, frozen=True, kw_only=True):
    """What a play looked like over time."""

    samples: tuple[Sample, ...] = ()
    devices: tuple[DeviceStory, ...] = ()


class PlayResult(_Value, frozen=True, kw_only=True):
    """What one play came to. `reason` is set when it was skipped, broke down or was stopped."""

    scenario: str
    variant: str
    title: str
    variant_title: str
    file: str
    covers: tuple[str, ...]
    verdict: PlayVerdict
    reason: str = ""
    exit_code: int = 0
    seed: int
    policy: Policy
    clock_ms: int | None
    broker: str
    strict: bool = False
    flow: str
    cannot_check: tuple[str, ...] = ()
    delivery: str = ""  # what went through a broker that is not ours; empty with one that is
    devices: int
    connected: int
    steps: tuple[StepResult, ...] = ()
    teardown: tuple[StepResult, ...] = ()
    audit: AuditResult | None = None
    story: Story = Story()
    evidence: str = ""  # the folder with what a failed run left, where one was asked for
    target: str = ""  # the platform under test; empty: the stub
    target_file: str = ""  # the file that describes it
    variables: dict[str, str] = {}  # the values that were in force
    given: tuple[str, ...] = ()  # those of them that are not the scenario's own
    is_session: bool = False  # a program's; `file` is that program
    versions: dict[str, str] = {}  # of this program, Python and the system
    fleet: FleetFigures | None = None
    fee_fen: int = 0
    started_ms: int = 0
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """The scenario's name, with the variant's if it has one."""
        return f"{self.scenario} {self.variant}".rstrip()

    @property
    def failed_steps(self) -> tuple[StepResult, ...]:
        """The steps that failed, those at the end too."""
        return tuple(step for step in (*self.steps, *self.teardown) if step.verdict == "failed")

    @property
    def all_steps(self) -> tuple[StepResult, ...]:
        """Its steps and those at the end, each followed by those that are done at once in it."""
        return tuple(one for step in (*self.steps, *self.teardown) for one in (step, *step.parallel))


def result_of(
    play: Play,
    broker: str,
    verdict: PlayVerdict,
    *,
    reason: str = "",
    exit_code: int = 0,
    done: Sequence[StepResult] = (),
) -> PlayResult:
    """Make the result of a play of which some first steps were done, or none yet; the rest is not played."""
    return PlayResult(
        scenario=play.scenario,
        variant=play.variant,
        title=play.title,
        variant_title=play.variant_title,
        file=play.file,
        covers=play.covers,
        verdict=verdict,
        reason=reason,
        exit_code=exit_code,
        seed=play.seed,
        policy=play.policy,
        clock_ms=play.clock_ms,
        broker=shown_broker(broker),
        strict=play.strict,
        flow=", ".join(play.flows) or "none",
        cannot_check=facts_of(broker).cannot_check,
        devices=play.device_count,
        connected=play.connected_count,
        steps=(*done, *map(not_played, play.steps[len(done) :])),
        variables=play.variables,
        given=play.given,
        is_session=play.is_session,
        versions=versions_in_use(),
    )


def not_played(step: PlayStep) -> StepResult:
    """Make the result of a step that was not come to."""
    return StepResult(
        id=step.id,
        title=step.title,
        action=str(step.action.__struct_config__.tag),
        verdict="not_played",
        expected=expected_of(step),
    )


def expected_of(step: PlayStep) -> dict[str, str | int]:
    """Give a step's expectations by the names of `Seen`; those about single devices in words."""
    expected = step.expected
    facts: dict[str, str | int] = {}
    if expected.reason is not None:
        facts["outcome"] = f"refused ({expected.reason})"
    elif expected.outcome is not None:
        facts["outcome"] = expected.outcome
    if expected.task_state is not None:
        facts["task_state"] = expected.task_state
    facts |= {name: spell_wanted(wanted) for name, wanted in expected.counts.items()}
    facts |= {f"{name}_fen": amount_fen for name, amount_fen in expected.amounts.items()}
    for versions in expected.versions:
        where = ", ".join(selection.text for selection in versions.devices)
        wanted = [f"f_version {versions.f_version}"] if versions.f_version else []
        wanted += [f"s_version {versions.s_version}"] if versions.s_version else []
        facts[f"versions of {where}"] = ", ".join(wanted)
    for entitlements in expected.entitlements:
        where = ", ".join(selection.text for selection in entitlements.devices)
        named = {name: getattr(entitlements, name) for name in ("source", "valid", "support")}
        wanted = [f"{name} {str(value).lower()}" for name, value in named.items() if value is not None]
        facts[f"entitlements of {where}"] = ", ".join(wanted)
    for distribution in expected.distribution:
        for name in ("f_versions", "s_versions"):
            if (counts := getattr(distribution, name)) is not None:
                facts[f"{name} of {distribution.product}"] = spread_text(counts)
    return facts


def spread_text(counts: Mapping[str, int]) -> str:
    """Spell how many devices have which version, the most frequent first."""
    spread = sorted(counts.items(), key=lambda part: (-part[1], part[0]))
    return ", ".join(f"{version}: {count:,}" for version, count in spread if count) or "none"


class Holding(_Value, frozen=True, kw_only=True):
    """What stays up after the last step of a play that is not over: where it is, and what the account's number is."""

    result: PlayResult
    http: Address
    mqtt: Address | None
    account_id: int
    database: str | None


class RunResult(_Value, frozen=True, kw_only=True):
    """What a whole run came to: all plays, in their order. `stopped_by` is what interrupted it, where that is known.

    `was_held`: it was kept up after a step to be looked at, and its reports were written before.
    """

    version: str
    plays: tuple[PlayResult, ...]
    seconds: float
    interrupted: bool = False
    stopped_by: Literal["", "Ctrl-C", "SIGTERM"] = ""
    was_held: bool = False

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 3 or 2 when a play broke down by that, 1 when an expectation failed, else 0."""
        if self.interrupted:
            return 130
        codes = [play.exit_code for play in self.plays]
        return next((code for code in (3, 2, 1) if code in codes), 0)
