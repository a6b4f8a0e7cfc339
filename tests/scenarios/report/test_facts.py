"""Stories taken apart: jobs, durations, failures."""

import pytest
from msgspec import structs

from scenarios.report.durations import durations, quantile, spans_of
from scenarios.report.facts import facts_of
from scenarios.report.failures import PLATFORM, Failure, failures
from scenarios.report.jobs import JobStory, jobs_of_story
from scenarios.results import Sample, Story, StoryEntry
from tests.scenarios.report.test_reports import STORY, UNWELL, WELL, play_result, story


def test_a_job_that_went_well():
    (job,) = jobs_of_story(WELL)
    assert job == JobStory(
        tid=7, told_ms=100, began_ms=110, asked_ms=120, first_ms=130, downloaded_ms=160, install_ms=180,
        updated_ms=380, ended_ms=400, stage="updated", step=201, outcome="succeeded",
    )  # fmt: skip


def test_a_job_that_failed_stands_where_it_was():
    (job,) = jobs_of_story(UNWELL)
    assert (job.stage, job.step, job.outcome, job.reason) == ("fetching", 105, "failed", "battery too low")


def entry(ms, what, tid=0, step=0, text=""):
    return StoryEntry(ms=ms, what=what, tid=tid, step=step, text=text)


def test_jobs_follow_each_other_and_the_last_may_be_open():
    entries = (
        entry(1, "online"),
        entry(2, "told", 8),
        entry(3, "told", 7),
        entry(4, "job", 7),
        entry(5, "ended", 7, 107, "failed: no answer"),
        entry(6, "job", 8),
        entry(7, "stage", 8, 0, "installing"),
        entry(8, "stage", 8, 0, "hanging"),
    )
    first, second = jobs_of_story(structs.replace(WELL, entries=entries))
    assert (first.tid, first.told_ms, first.reason) == (7, 3, "no answer")
    assert (second.tid, second.told_ms, second.stage, second.outcome) == (8, 2, "installing", "")


def test_a_story_that_is_cut_begins_anywhere():
    """What belongs to a job that the story does not begin is left out; the next job counts."""
    entries = (*story((1, "stage", 0, "updated"), (2, "ended", 201, "succeeded")), entry(9, "job", 9))
    (job,) = jobs_of_story(structs.replace(WELL, entries=entries, is_cut=True))
    assert (job.tid, job.began_ms, job.told_ms) == (9, 9, None)


def test_a_device_that_asks_is_told_without_a_number():
    entries = (entry(5, "told"), entry(8, "told"), entry(9, "job", 3))
    (job,) = jobs_of_story(structs.replace(WELL, entries=entries))
    assert job.told_ms == 5


@pytest.mark.parametrize(
    ("lengths", "percent", "expected"),
    [
        ([5], 50, 5),
        ([5], 99, 5),
        ([1, 2], 50, 1),
        ([1, 2], 51, 2),
        (range(1, 101), 50, 50),
        (range(1, 101), 95, 95),
        (range(1, 101), 99, 99),
        (range(1, 1_002), 99, 991),
        ([0, 0, 7], 100, 7),
    ],
)
def test_quantiles_occurred(lengths, percent, expected):
    assert quantile(lengths, percent) == expected


def test_durations_are_of_what_ended():
    jobs = [job for device in STORY.devices for job in jobs_of_story(device)]
    spans = spans_of(jobs)
    assert spans == {"first_byte": [30, 30], "download": [40], "install": [200], "whole": [300]}
    assert [(each.what, each.jobs, each.p99_ms) for each in durations(spans)] == [
        ("first_byte", 2, 30), ("download", 1, 40), ("install", 1, 200), ("whole", 1, 300),
    ]  # fmt: skip
    assert durations(spans_of([])) == ()


def test_failures_are_counted_by_stage_step_and_reason():
    jobs = [
        JobStory(tid=1, began_ms=0, stage="progressing", outcome="failed", step=107, reason="cut"),
        JobStory(tid=2, began_ms=0, stage="retrying", outcome="failed", step=107, reason="cut"),
        JobStory(tid=3, began_ms=0, stage="rebooting", outcome="failed", step=206, reason="rolled back"),
        JobStory(tid=4, began_ms=0, stage="updated", outcome="succeeded", step=201),
        JobStory(tid=5, began_ms=0, stage="fetching", outcome="ended"),
    ]
    assert failures(jobs) == (
        Failure(stage="download", step=107, reason="cut", jobs=2),
        Failure(stage="reboot", step=206, reason="rolled back", jobs=1),
    )
    later = [structs.replace(job, tid=9) for job in jobs if job.step == 206] * 2
    first, second = failures([*jobs, *later])
    assert ((first.step, first.jobs), (second.step, second.jobs)) == ((206, 3), (107, 2)), (
        "the most frequent first"
    )


def test_what_only_the_platform_calls_failed_is_said_to_be_so():
    expired = structs.replace(UNWELL, entries=(), why="it is off")
    facts = facts_of(play_result(story=Story(devices=(WELL, expired, expired))))
    assert facts.failures == (Failure(stage=PLATFORM, step=0, reason="it is off", jobs=2),)
    assert facts.states == {"failed": 2, "success": 1}
    assert facts.unwell == (expired, expired)


def test_jobs_that_expired_are_counted_though_a_later_one_went_well():
    sample = Sample(seconds=1.0, clock_ms=0, purchased_left=0, free_left=0, jobs={"failed": 4, "success": 9})
    facts = facts_of(play_result(story=Story(samples=(sample,), devices=(WELL, UNWELL))))
    told, rest = facts.failures
    assert (told.step, told.jobs) == (105, 1)
    assert (rest.stage, rest.jobs) == (PLATFORM, 3)


@pytest.mark.parametrize(
    ("state", "why", "expected"),
    [
        ("success", "", True),
        ("none", "", True),
        ("failed", "", False),
        ("cancelled", "", False),
        ("none", "not connected", False),
    ],
)
def test_who_is_well(state, why, expected):
    assert structs.replace(WELL, state=state, why=why).is_well is expected
