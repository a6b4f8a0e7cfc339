"""That the suite can fail: a device that is right passes, one that is wrong in one way fails what is about that.

Many are played at once, since a case mostly waits. Each plays what it must fail, and cases near by that it must pass. `WRONG=trusting ota-sim conform --entrypoint "python
tests/scenarios/conform/device_program.py" --flow fuse` shows all that one of them fails.
"""

import pytest

from tests.scenarios.conform.suites import BY_ID, failed_cases, order, together, wrong_in

DEVICES_AT_ONCE = 10
PATIENCE_TO_FAIL = 0.6
"""What must fail mostly waits its limit out: a short one loses nothing."""
PATIENCE_TO_PASS = 6.0
"""What must pass ends when all has come: a long one costs nothing, and a busy machine is no fault of the device's."""

NEAR = ["versions-first", "fota", "step-order", "cancelled-in-download", "resume"]
NEAR_MQTT = [*NEAR, "version-after-update", "informs-tripled", "reconnect", "reply-of-another"]

# (flow, how it is wrong): what it must fail
WRONG = {
    ("fuse", ""): [],
    ("mqtt", ""): [],
    ("fuse", "trusting"): ["wrong-md5", "spoilt-content", "other-bytes", "longer-file"],
    ("fuse", "restarting"): ["resume"],
    ("fuse", "wordy"): ["step-order", "step-unanswered"],
    ("fuse", "complaining"): [
        "cancelled-in-download",
        "expired-in-download",
        "no-task-in-job",
        "expired-in-job",
    ],
    ("fuse", "boastful"): [
        "fota",
        "one-byte",
        "resume",
        "cancelled-in-download",
        "spoilt-content",
        "wrong-md5",
    ],
    ("fuse", "curious"): ["versions-first"],
    ("fuse", "restless"): ["quiet-when-idle"],
    ("fuse", "giving-up"): ["step-unanswered", "version-unanswered", "busy-platform", "internal-error"],
    ("fuse", "brittle"): ["garbled-json", "half-a-message", "empty-answers"],
    ("mqtt", "forgetful"): ["version-after-update"],
    ("mqtt", "hammering"): ["no-storm"],
    ("mqtt", "leaving"): ["reconnect", "told-while-offline", "no-mqtt"],
    ("mqtt", "pulseless"): ["keep-alive"],
    ("mqtt", "credulous"): ["reply-of-another"],
    ("mqtt", "renaming"): ["step-unanswered", "version-unanswered", "reply-of-another"],
    ("mqtt", "doubling"): ["informs-tripled"],
    ("mqtt", "mute"): ["inform-answered"],
    ("mqtt", "generous"): ["url-elsewhere"],
    ("mqtt", "smuggling"): ["url-with-line-breaks", "url-elsewhere"],
}
QUICK = [("fuse", "restless"), ("mqtt", "hammering")]
"""How often they call in 2 s or 3 s must not hang on what else is played."""


async def failures_of(flow, way, folder):
    near = NEAR_MQTT if flow == "mqtt" else NEAR
    to_fail = WRONG[flow, way]
    to_pass = [name for name in near if name not in to_fail]
    parts = [(to_fail, PATIENCE_TO_FAIL), (to_pass, PATIENCE_TO_PASS)]
    failed = []
    for names, patience in parts:
        cases = [(name, flow) for name in names]
        if cases:
            place = folder / f"{flow}-{way or 'right'}-{patience}"
            failed += await failed_cases(wrong_in(way), cases, place, patience=patience, jobs=2)
    return sorted(failed)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_each_fails_what_is_about_it_and_no_more(tmp_path):
    many = [which for which in WRONG if which not in QUICK]
    failed = await together(*(failures_of(*which, tmp_path) for which in many), most=DEVICES_AT_ONCE)
    failed += await together(*(failures_of(*which, tmp_path) for which in QUICK), most=1)
    found = dict(zip([*many, *QUICK], failed, strict=True))
    assert found == {which: sorted(names) for which, names in WRONG.items()}


def test_the_cases_that_are_named_are_there():
    for (flow, _), names in WRONG.items():
        assert all(flow in BY_ID[name].flows for name in names)
    assert order(("x",), [("fota", "mqtt")], "folder").cases == ((BY_ID["fota"], "mqtt"),)
