"""Scenario files as items: what is collected, what a failure says, what is left of it."""

import xml.etree.ElementTree as ET

import pytest

from tests.scenarios.pytest_plugin.conftest import BAD, GOOD, VARIANTS

pytest_plugins = ["pytester"]


def lines_of(result):
    return "\n".join(result.outlines)


def test_a_variant_is_an_item_and_a_failure_is_told_in_words(project):
    project.files(good=GOOD, bad=BAD, both=VARIANTS)
    result = project.run("-v", "--ota-evidence", "evidence", "--junitxml", "junit.xml")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines_random(
        [
            "bad.ota.yaml::bad FAILED*",
            "good.ota.yaml::good PASSED*",
            "both.ota.yaml::both-F PASSED*",
            "both.ota.yaml::both-P PASSED*",
        ]
    )
    said = lines_of(result)
    assert "step task (create_task), all three: jobs.success: expected 3, seen 2" in said
    assert "meters-2 (device 2): failed; " in said
    assert "Captured ota-sim call" in said  # the table
    assert "the books hold (I1-I7)" in said
    assert "Traceback" not in said
    assert ".py:" not in said
    assert "bad.ota.yaml --seed 1" in said  # how to run it again
    (place,) = (project.path / "evidence").rglob("README.txt")
    assert str(place.parent) in said
    cases = {case.get("name"): case for case in ET.parse(project.path / "junit.xml").iter("testcase")}  # noqa: S314 - our own
    assert cases["bad"].get("classname") == "bad.ota.yaml"
    assert "expected 3, seen 2" in cases["bad"].find("failure").text
    facts = {each.get("name"): each.get("value") for each in cases["both-P"].iter("property")}
    assert (facts["ota.scenario"], facts["ota.variant"], facts["ota.seed"]) == ("both", "P", "1")


def test_a_step_is_an_item(project):
    project.files(bad=BAD)
    result = project.run("-v", "--ota-items", "step", "--ota-evidence", "evidence")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(
        [
            "bad.ota.yaml::bad::fault PASSED*",
            "bad.ota.yaml::bad::task FAILED*",
            "bad.ota.yaml::bad::later PASSED*",
            "bad.ota.yaml::bad::audit PASSED*",
            "step task (create_task), all three: jobs.success: expected 3, seen 2",
        ]
    )
    assert "meters-2 (device 2): failed; " in lines_of(result)
    assert list((project.path / "evidence").rglob("wire.jsonl"))


def test_one_step_alone_is_played_with_what_comes_before_it_and_last_failed_knows_it(project):
    project.files(bad=BAD, good=GOOD)
    result = project.run("-v", "--ota-items", "step", "-k", "later or three")
    result.assert_outcomes(passed=2, deselected=5)  # what fails before is not asked for
    project.run("--ota-items", "step").assert_outcomes(passed=6, failed=1)
    again = project.run("-v", "--ota-items", "step", "--lf")
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["bad.ota.yaml::bad::task FAILED*"])
    one = project.run("-v", "--ota-items", "step", "bad.ota.yaml::bad::later")
    one.assert_outcomes(passed=1)


def test_after_a_step_that_did_not_end_the_others_are_not_played(project):
    project.files(
        stuck=BAD.replace("fail: {devices", "inject: {devices")
        .replace("step: 205", "silent: true")
        .replace("{id: task,", "{id: task, wait: 300 ms,")
    )
    result = project.run("-v", "-rs", "--ota-items", "step")
    result.assert_outcomes(passed=2, failed=1, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "*::task FAILED*",
            "*::later SKIPPED*",
            "*::audit PASSED*",
            "*not played: step task did not come to its end*",
        ]
    )
    alone = project.run("--ota-items", "step", "-k", "later")
    alone.assert_outcomes(failed=1, deselected=3)  # nobody has told of it
    alone.stdout.fnmatch_lines(["not played: step task did not come to its end: after 0.3 s 1 of 3 jobs*"])


@pytest.mark.parametrize(
    ("options", "passed"),
    [
        (("-n", "2"), 3),
        (("-n", "2", "--dist", "loadgroup", "--ota-items", "step"), 10),
        (("-n", "2", "--dist", "loadscope", "--ota-items", "step"), 10),
    ],
)
def test_with_xdist(project, options, passed):
    project.files(good=GOOD, bad=BAD, both=VARIANTS)
    result = project.run("-v", *options)
    result.assert_outcomes(passed=passed, failed=1)
    if "step" in options:  # each play stays on one worker
        told = [line for line in result.outlines if "::bad::" in line and line.startswith("[gw")]
        assert not any("Traceback" in line for line in result.outlines)
        assert len(told) == 4
        assert len({line.split("]")[0] for line in told}) == 1


def test_known_failures_are_strict(project):
    known = BAD.replace('title: "all three"', 'title: "all three", xfail: "bug 7"')
    project.files(
        known=known,
        passes=GOOD.replace("{id: two,", '{id: two, xfail: "bug 8",').replace("name: good", "name: passes"),
    )
    result = project.run("-v", "-rx")
    result.assert_outcomes(xfailed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["known.ota.yaml::bad XFAIL*", "passes.ota.yaml::passes FAILED*", "*step task: bug 7*"]
    )
    assert "bug 8" in lines_of(result)
    project.run("--ota-items", "step").assert_outcomes(passed=5, xfailed=1, failed=1)


def test_what_a_broker_can_t_give_is_skipped(project):
    pytest.importorskip("amqtt")
    project.files(good=GOOD.replace("name: good", "name: good\nneeds: [keepalive]"))
    for items in ("scenario", "step"):
        result = project.run("-rs", "--ota-broker", "amqtt", "--ota-items", items)
        assert result.parseoutcomes() == {"skipped": 1 if items == "scenario" else 3}
        assert "the amqtt broker can't give keepalive" in lines_of(result)


def test_mistakes_are_told_with_their_place_and_nothing_is_started(project):
    project.files(bad=BAD.replace("devices: meters}", "devices: metres}").replace("left: 8", "lefd: 8"))
    result = project.run()
    result.assert_outcomes(errors=1)
    said = lines_of(result)
    assert "bad.ota.yaml:9:" in said
    assert "did you mean meters?" in said
    assert "bad.ota.yaml:10:" in said
    assert "Traceback" not in said


def test_seed_and_variables(project):
    project.files(good=GOOD, both=VARIANTS)
    result = project.run("--ota-seed", "77", "--ota-var", "count=3", "--junitxml", "junit.xml")
    result.assert_outcomes(passed=1, failed=2)
    assert "left: expected 102, seen 103" in lines_of(result)
    junit = ET.parse(project.path / "junit.xml")  # noqa: S314 - our own
    seeds = {each.get("value") for each in junit.iter("property") if each.get("name") == "ota.seed"}
    assert seeds == {"77"}


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--ota-var=cuont=3", "no scenario has a variable of that name; there are count"),
        ("--ota-var=count", "NAME=VALUE is wanted"),
        ("--ota-seed=x", "a number from 0 to"),
        ("--ota-target=nowhere.yaml", "nowhere.yaml"),
    ],
)
def test_wrong_options_are_told_in_a_line(project, option, said):
    project.files(both=VARIANTS)
    result = project.run(option)
    assert result.ret != 0
    text = lines_of(result) + "\n".join(result.errlines)
    assert said in text
    assert "Traceback" not in text


def test_which_files_are_scenarios(project):
    project.files(good=GOOD)
    (project.path / "other.yaml").write_text(GOOD.replace("name: good", "name: other"))
    project.run().assert_outcomes(passed=1)
    project.run("other.yaml").assert_outcomes(passed=1)  # it is named
    ini = project.path / "pytest.ini"
    ini.write_text(ini.read_text() + "\nota_files = flows/*.yaml\n")
    (project.path / "flows").mkdir()
    (project.path / "other.yaml").rename(project.path / "flows" / "x.yaml")
    result = project.run("-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["flows/x.yaml::other PASSED*"])


def test_ctrl_c_ends_the_run(project):
    """A signal in the middle of a play is the user's, not a failure of the play."""
    project.files(bad=BAD.replace("fail: {devices", "inject: {devices").replace("step: 205", "silent: true"))
    project.pytester.makeconftest(
        """
        import os, signal, threading
        from scenarios.runner import run

        def pytest_runtest_call(item):
            threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
        """
    )
    result = project.run()
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*KeyboardInterrupt*"])
