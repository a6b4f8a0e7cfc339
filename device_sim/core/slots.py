"""Where a device's software is: two slots in the module, one in the MCU behind it.

An install writes the module's other slot, and a boot tries it. If it does not boot, the module goes back to the slot
that it came from. The MCU has room for one application: while that is overwritten there is none, so whoever takes its
power away then leaves it without one, until the module installs it anew. What the MCU runs is known to the module
from its last boot: until an install has ended, the module tells the version from before it.
"""

from device_sim.core.state import Job, State
from platform_stub.protocol.codes import UpdateKind


def runs(state: State, kind: UpdateKind) -> str | None:
    """Say what runs, of a kind; None for nothing, or nothing that has a version."""
    return state.f_version if kind is UpdateKind.FOTA else state.s_version


def write(state: State, job: Job) -> None:
    """Have the job's package where a boot will find it."""
    if job.kind is UpdateKind.FOTA:
        state.spare = job.target


def boot(state: State, job: Job, version: str) -> None:
    """Run what was installed, which calls itself so; the slot from before is the other one now."""
    if job.kind is UpdateKind.FOTA:
        state.spare, state.f_version = state.f_version, version
    else:
        state.s_version = version


def give_up(state: State, job: Job) -> str:
    """Leave what does not boot; says what runs now."""
    if job.kind is UpdateKind.FOTA:
        return f"back to {state.f_version or 'what ran before'}"
    state.s_version = None
    return "the MCU runs no application"


def break_off(state: State, job: Job) -> None:
    """Lose the power in the middle of an install."""
    if job.kind is UpdateKind.FOTA:
        state.spare = None  # half of it is written
    else:
        state.s_version = None
