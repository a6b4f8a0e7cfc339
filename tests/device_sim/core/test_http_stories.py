"""Whole stories of the HTTP flows through the core, compared effect by effect."""

import pytest

from device_sim.core.answers import FUSE, SOUTH, STUDIO, Answer
from device_sim.core.effects import (
    CallRefused,
    CallsAccepted,
    Fetch,
    JobEnded,
    JobStarted,
    Noted,
    Outcome,
    StopCall,
    StopFetch,
)
from device_sim.core.events import (
    Answered,
    CallAnswered,
    CardReplaced,
    Chunk,
    FaultsSet,
    Fetched,
    FetchFailed,
    PowerOff,
    PowerOn,
    Tick,
)
from device_sim.core.faults import FAILURE_TEXTS, STRIKES, Fault, Strike
from device_sim.core.http_state import Asked
from device_sim.core.profile import Profile
from device_sim.core.state import Link, Stage
from device_sim.core.wheel import NEVER
from tests.device_sim.core.http_story import CUT, FLOWS, NO_TASK, TOKEN, HttpStory
from tests.device_sim.core.story import PACKAGE, PLAIN, fails, partial

THREE = Profile(start_jitter_ms=0, chunk_bytes=400)  # three ranges, so one per cent is told
OTHER = "ota_BBBBBBBBBBBBBBBBBBBB"
MEANINGS = {"fuse": FUSE, "studio": STUDIO, "south": SOUTH}
CODES = [(flow, code) for flow in FLOWS for code in MEANINGS[flow]]
INTERNAL = {"fuse": 10500, "studio": 7, "south": 7}
AUTHENTICATION = {"fuse": 10403, "studio": 1, "south": 1}
CANCELLED = {"fuse": 20, "studio": 22, "south": 22}
PAUSED = {"fuse": 12012, "studio": 10, "south": 19}
OUT_OF_PLACE = {"fuse": 12016, "studio": 21, "south": 21}

every_flow = pytest.mark.parametrize("flow", FLOWS)
numbered = pytest.mark.parametrize("flow", ["fuse", "studio"])


# coming in, and asking


@every_flow
def test_from_power_on_to_present(flow):
    story = HttpStory(flow)
    assert story.tell(PowerOn()) == [story.version()]
    assert (story.device.is_present, story.device.is_busy, story.device.due_ms) == (False, True, NEVER)
    assert story.answer() == [story.check(1)]
    assert (story.device.is_present, story.device.is_busy) == (True, False)
    assert story.no_task() == [story.check(2, "0")]
    assert story.no_task() == []
    assert (story.device.asked, story.device.link) == (Asked.NOTHING, Link.PRESENT)


@every_flow
def test_it_asks_again_for_each_kind_in_turn_within_the_time_of_a_poll(flow):
    story = HttpStory(flow, Profile(start_jitter_ms=0, poll_ms=2_000), s_version="app-1").present()
    waits = set()
    for kind, version in [(1, "1.0"), (2, "app-1")] * 4:
        before = story.now_ms
        assert story.tick() == [story.check(kind, version)]
        waits.add(story.now_ms - before)
        assert story.no_task() == []
        assert not story.device.is_busy
    assert len(waits) > 4  # jittered
    assert all(1_000 <= wait <= 2_000 for wait in waits)


def test_what_a_device_says_of_its_versions():
    assert HttpStory("fuse", s_version="b").tell(PowerOn())[0].body == b'{"s_version":"b","f_version":"1.0"}'
    assert HttpStory("fuse").tell(PowerOn())[0].body == b'{"s_version":"0","f_version":"1.0"}'  # C wants both
    assert HttpStory("studio").tell(PowerOn())[0].body == b'{"f_version":"1.0"}'
    assert HttpStory("south", f_version=None).tell(PowerOn())[0].body == b"{}"


def test_start_is_jittered_by_seed_and_device():
    story = HttpStory("fuse", Profile(start_jitter_ms=1_000))
    assert story.tell(PowerOn()) == []
    assert (story.device.link, 1_000 < story.device.due_ms <= 2_000) == (Link.WAITING, True)
    assert story.tell(Tick(), story.device.due_ms - story.now_ms - 1) == []
    assert story.tick() == [story.version()]


# a job


@every_flow
def test_a_job_of_one_range(flow):
    story = HttpStory(flow)
    story.tell(PowerOn())
    story.answer()
    effects = story.offer()
    if flow == "south":
        assert effects == [JobStarted(0), story.token_check()]
        assert story.device.stage is Stage.CHECKING
        effects = [JobStarted(0), *story.answer()]
    assert effects == [JobStarted(story.tid()), Fetch(story.path(), 0, 1_000)]
    assert story.device.is_busy
    assert story.range_arrives() == [story.step(101)]
    assert story.answer() == [story.step(201)]
    assert story.device.f_version == "2.0"
    ended = JobEnded(story.tid(), Outcome.SUCCEEDED, 201)
    assert story.answer() == [story.version("2.0"), ended]
    assert story.device.is_busy
    assert story.answer() == [story.check(2, "0")]  # the other kind has waited longest
    assert not story.device.is_busy
    assert story.no_task() == [story.check(1, "2.0")]
    assert story.no_task() == []


@every_flow
def test_a_job_of_three_ranges_reports_progress_once(flow):
    story = HttpStory(flow, THREE).begin()
    assert story.range_arrives() == [story.step(40)]
    assert story.answer() == [Fetch(story.path(), 400, 800)]
    assert story.range_arrives() == [Fetch(story.path(), 800, 1_000)]
    assert story.range_arrives() == [story.step(101)]


@every_flow
def test_sota_replaces_the_other_version(flow):
    story = HttpStory(flow, s_version="app-1")
    story.tell(PowerOn())
    story.answer()
    assert story.no_task() == [story.check(2, "app-1")]
    story.offer(target="app-2")
    if flow == "south":
        story.answer()
    story.range_arrives()
    story.answer()
    assert (story.device.f_version, story.device.s_version) == ("1.0", "app-2")
    assert story.answer()[0] == story.version("1.0", "app-2")


@every_flow
def test_install_and_reboot_take_their_time(flow):
    story = HttpStory(flow, Profile(start_jitter_ms=0, install_ms=700, reboot_ms=900)).begin()
    story.range_arrives()
    assert story.answer() == []
    assert (story.device.stage, story.device.due_ms) == (Stage.INSTALLING, story.now_ms + 700)
    assert story.tick() == []
    assert (story.device.link, story.device.due_ms) == (Link.WAITING, story.now_ms + 900)
    assert story.tick() == [story.step(201)]
    assert story.answer()[0] == story.version("2.0")


@every_flow
def test_an_empty_package_needs_no_download(flow):
    story = HttpStory(flow)
    story.tell(PowerOn())
    story.answer()
    effects = story.offer(package=b"")
    if flow == "south":
        effects = story.answer()
    assert effects[-1] == story.step(101)


@numbered
def test_a_job_that_the_platform_has_upgrading_takes_no_per_cent_any_more(flow):
    story = HttpStory(flow, THREE).begin(status=3)
    assert story.range_arrives() == [Fetch(story.path(), 400, 800)]
    story.range_arrives()
    assert story.range_arrives() == [story.step(101)]  # repeated, which is a success


@every_flow
def test_a_per_cent_out_of_place_does_not_stop_the_download(flow):
    story = HttpStory(flow, THREE).begin()
    story.range_arrives()
    assert story.answer(OUT_OF_PLACE[flow], "invalid state") == [Fetch(story.path(), 400, 800)]


@every_flow
@pytest.mark.parametrize(("step", "failure"), [(101, 107), (201, 206)])
def test_a_refused_step_fails_the_job(flow, step, failure):
    story = HttpStory(flow).begin()
    story.range_arrives()
    if step == 201:
        story.answer()
    assert story.answer(OUT_OF_PLACE[flow], "invalid state") == [story.step(failure)]
    (ended,) = story.answer()
    assert (ended.outcome, ended.step) == (Outcome.FAILED, failure)
    assert story.device.due_ms != NEVER  # it asks again after a pause


@every_flow
@pytest.mark.parametrize("step", [40, 101])
@pytest.mark.parametrize("codes", [CANCELLED, PAUSED], ids=["cancelled", "paused"])
def test_a_job_that_is_over_or_paused_is_let_go_without_a_report(flow, step, codes):
    story = HttpStory(flow, THREE if step == 40 else PLAIN).begin()
    assert story.range_arrives() == [story.step(step)]
    why = f"step {step} was answered {codes[flow]} no"
    assert story.answer(codes[flow], "no") == [JobEnded(story.tid(), Outcome.ENDED, step, why)]
    assert (story.device.job, story.device.is_busy, story.device.f_version) == (None, False, "1.0")
    assert story.tick() == [story.check(2, "0")]
    story.no_task()
    story.tick()
    assert (
        JobStarted(story.tid()) in story.offer()
    )  # offered again (after a pause, say), it is taken up again


@every_flow
def test_finished_after_the_own_201_is_a_success(flow):
    story = HttpStory(flow).begin()
    story.range_arrives()
    story.answer()
    assert story.answer(20, "task finish") == [
        story.version("2.0"),
        JobEnded(story.tid(), Outcome.SUCCEEDED, 201),
    ]


def test_already_at_the_target_after_the_own_201_is_a_success():
    story = HttpStory("fuse").begin()
    story.range_arrives()
    story.answer()
    assert story.answer(12013, "task succ")[-1] == JobEnded(41, Outcome.SUCCEEDED, 201)


@every_flow
def test_a_failure_that_meets_a_cancelled_job_is_no_failure(flow):
    story = HttpStory(flow)
    story.tell(FaultsSet((Fault(what="fails", step=107),)))
    story.begin()
    assert story.range_arrives() == [fails(107), story.step(107)]
    (ended,) = story.answer(CANCELLED[flow], "cancelled")
    assert ended.outcome is Outcome.ENDED


@every_flow
@pytest.mark.parametrize("step", sorted(STRIKES))
def test_each_fault_strikes_in_its_place_and_the_old_version_stays(flow, step):
    story = HttpStory(flow, Profile(start_jitter_ms=0, chunk_bytes=500))
    story.tell(PowerOn())
    story.tell(FaultsSet((Fault(what="fails", step=step),)))
    story.answer()
    effects = story.offer()
    if STRIKES[step] is Strike.BEFORE_DOWNLOAD:
        assert effects == [JobStarted(story.tid()), fails(step), story.step(step)]
    else:
        if flow == "south":
            story.answer()
        effects = story.range_arrives()
        if STRIKES[step] is not Strike.AFTER_FIRST_RANGE:
            assert effects == [story.step(50)]
            story.answer()
            effects = story.range_arrives()
        if STRIKES[step] in {Strike.BEFORE_INSTALL, Strike.AFTER_INSTALL}:
            assert effects == [story.step(101)]
            effects = story.answer()
        assert effects == [fails(step), story.step(step)]
    assert story.answer() == [JobEnded(story.tid(), Outcome.FAILED, step, FAILURE_TEXTS[step])]
    assert story.device.f_version == "1.0"


@every_flow
def test_a_job_to_what_runs_already_is_not_done_again_and_again(flow):
    story = HttpStory(flow)
    story.tell(PowerOn())
    story.answer()
    assert story.offer(target="1.0") == [
        Noted("a job to 1.0 is offered, which runs already"),
        story.check(2, "0"),
    ]
    assert story.no_task() == []


# codes


@pytest.mark.parametrize(("flow", "code"), CODES)
def test_each_code_of_a_check(flow, code):
    story = HttpStory(flow)
    story.tell(PowerOn())
    story.answer()
    meaning = MEANINGS[flow][code]
    effects = story.answer(code, "text")
    device = story.device
    if meaning is Answer.SIGN_ANEW:
        assert effects == [CallRefused(code, "text")]
        assert story.tick() == [story.check(again=True)]
    elif meaning is Answer.TRY_AGAIN:
        assert effects == [Noted(f"check was answered {code} text")]
        assert story.tick() == [story.check(again=True)]
    elif code == 0:
        assert effects[0].what.startswith("check found what is no job: ")
        assert effects[1] == story.check(2, "0")
    elif code in device.dialect.quiet:
        assert effects == [story.check(2, "0")]
    else:
        assert effects == [Noted(f"check was answered {code} text"), story.check(2, "0")]


@pytest.mark.parametrize(("flow", "code"), [(flow, code) for flow, code in CODES if code])
def test_each_code_of_a_step(flow, code):
    story = HttpStory(flow).begin()
    story.range_arrives()
    effects = story.answer(code, "text")
    why = f"step 101 was answered {code} text"
    match MEANINGS[flow][code]:
        case Answer.OVER | Answer.DONE:
            assert effects == [JobEnded(story.tid(), Outcome.ENDED, 101, why)]
        case Answer.REFUSED:
            assert effects == [story.step(107)]
        case Answer.SIGN_ANEW:
            assert effects == [CallRefused(code, "text")]
            assert story.tick() == [story.step(101, again=True)]
        case Answer.TRY_AGAIN:
            assert effects == [Noted(f"step was answered {code} text")]
            assert story.tick() == [story.step(101, again=True)]
        case Answer.CHECK_AGAIN:
            assert effects == [story.check(1)]


@every_flow
def test_an_unknown_code_is_a_refusal(flow):
    story = HttpStory(flow).begin()
    story.range_arrives()
    assert story.answer(31_337, "?") == [story.step(107)]


@every_flow
def test_a_refused_version_report_is_noted_and_repeated(flow):
    story = HttpStory(flow)
    story.tell(PowerOn())
    bad = 12004 if flow == "fuse" else 27
    assert story.answer(bad, "bad") == [Noted(f"version was answered {bad} bad")]
    assert not story.device.is_present
    assert story.tick() == [story.version(again=True)]
    assert story.answer() == [story.check()]


@every_flow
def test_a_refused_token_is_signed_anew_and_the_wait_grows(flow):
    story = HttpStory(flow)
    story.tell(PowerOn())
    code = AUTHENTICATION[flow]
    for span in (2_000, 4_000, 8_000):
        assert story.answer(code, "expired") == [CallRefused(code, "expired")]
        assert span // 2 <= story.device.due_ms - story.now_ms <= span
        assert story.tick() == [story.version(again=True)]
    assert story.answer() == [CallsAccepted(), story.check()]


# answers that do not come, or make no sense


@every_flow
def test_a_call_without_an_answer_is_asked_again_with_growing_waits(flow):
    story = HttpStory(flow, Profile(start_jitter_ms=0, backoff_base_ms=1_000, backoff_max_ms=4_000)).begin()
    story.range_arrives()
    for span in (1_000, 2_000, 4_000, 4_000):
        assert story.tell(CUT) == []
        assert not story.device.is_present
        assert span // 2 <= story.device.due_ms - story.now_ms <= span
        assert story.tick() == [story.step(101, again=True)]
    assert story.answer() == [story.step(201)]
    assert story.device.is_present
    story.tell(CUT)
    assert story.device.due_ms - story.now_ms <= 1_000  # an answer begins the waits anew


@every_flow
@pytest.mark.parametrize("status", [500, 502, 503, 408, 429])
def test_a_server_in_trouble_is_asked_again_whatever_it_says(flow, status):
    story = HttpStory(flow).begin()
    story.range_arrives()
    assert story.answer(0, "succ", status=status) == [Noted(f"step was answered {status} HTTP")]
    assert story.tick() == [story.step(101, again=True)]


@every_flow
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html>",
        b"[]",
        b'{"code":"0","errno":"0"}',
        b'{"code":0,"errno":0',
        b"\xff\xfe",
        b"[" * 9_000,
    ],
)
def test_what_is_no_answer_is_asked_again(flow, body):
    story = HttpStory(flow).begin()
    story.range_arrives()
    (noted,) = story.tell(CallAnswered(200, body))
    assert noted.what.startswith(f"step was answered 200 HTTP, and no answer of {flow}: ")
    assert len(noted.what) <= 200
    assert story.tick() == [story.step(101, again=True)]


@every_flow
@pytest.mark.parametrize("status", [401, 403])
def test_a_proxy_that_wants_another_token(flow, status):
    story = HttpStory(flow)
    story.tell(PowerOn())
    (refused,) = story.tell(CallAnswered(status, b"no"))
    assert (type(refused), refused.code) == (CallRefused, status)


@every_flow
def test_a_call_that_is_not_there_fails_the_job(flow):
    story = HttpStory(flow).begin()
    story.range_arrives()
    assert story.tell(CallAnswered(404, b"Not Found")) == [story.step(107)]
    (ended,) = story.tell(CallAnswered(404, b"Not Found"))
    assert ended.outcome is Outcome.FAILED


@every_flow
@pytest.mark.parametrize(
    "changes",
    [
        {"size": -1},
        {"size": "9"},
        {"md5": "abc"},
        {"md5": "x" * 32},
        {"target": ""},
        {"target": "a b"},
        {"tid": -1, "token": ""},
        {"tid": "41", "token": "a/../b"},
        {"tid": None, "token": None},
    ],
)
def test_a_job_that_can_not_be_is_not_begun(flow, changes):
    story = HttpStory(flow)
    story.tell(PowerOn())
    story.answer()
    noted, check = story.offer(**changes)
    assert noted.what.startswith("check found what is no job: ")
    assert check == story.check(2, "0")


@every_flow
@pytest.mark.parametrize("data", [None, [], "x", 7])
def test_data_that_is_no_object(flow, data):
    story = HttpStory(flow)
    story.tell(PowerOn())
    story.answer()
    noted, _ = story.answer(data=data)
    assert noted.what.startswith("check found what is no job: ")


# downloads


@every_flow
def test_a_cut_download_goes_on_where_it_was(flow):
    story = HttpStory(flow).begin()
    story.tell(partial(0, 1_000, 1_000))
    story.tell(Chunk(PACKAGE[:300]))
    assert story.tell(FetchFailed("cut")) == []
    assert story.device.is_present
    assert story.tick() == [Fetch(story.path(), 300, 1_000)]
    assert story.range_arrives() == [story.step(101)]


def whole_answer(flow, code):
    """A failed download: one byte, no Content-Length, and in B no Ota-Errno either."""
    return [Answered(200), Chunk(code), Fetched()]


@pytest.mark.parametrize("flow", ["studio", "south"])
@pytest.mark.parametrize("code", [b"1", b"2", b"5", b"6"])
def test_the_byte_of_a_failed_download_is_107(flow, code):
    story = HttpStory(flow).begin()
    head, byte, end = whole_answer(flow, code)
    assert (story.tell(head), story.tell(byte)) == ([], [])
    assert story.tell(end) == [story.step(107)]


@pytest.mark.parametrize("flow", ["studio", "south"])
@pytest.mark.parametrize("code", [b"4", b"9", b""])
def test_the_byte_that_means_not_now_and_what_is_no_byte(flow, code):
    story = HttpStory(flow).begin()
    story.tell(Answered(200))
    assert story.tell(Chunk(code)) == []
    assert story.tell(Fetched()) == []
    assert story.tick() == [Fetch(story.path(), 0, 1_000)]


@pytest.mark.parametrize("flow", ["studio", "south"])
def test_a_body_that_is_neither_part_nor_error_is_not_taken(flow):
    story = HttpStory(flow).begin()
    story.tell(Answered(200))
    assert story.tell(Chunk(PACKAGE)) == [StopFetch()]
    assert story.device.stage is Stage.RETRYING


def test_studio_reads_the_header_before_the_byte():
    story = HttpStory("studio").begin()
    stop, ended = story.tell(Answered(200, "5"))
    assert (stop, ended.outcome) == (StopFetch(), Outcome.ENDED)
    assert HttpStory("studio").begin().tell(Answered(200, None, None, 1_000)) == [
        StopFetch(),
        story.step(107),  # a good download has Ota-Errno: 0
    ]


def test_a_bad_token_in_studio_is_107():
    story = HttpStory("studio").begin()
    story.tell(Answered(200))
    story.tell(Chunk(b"3"))
    assert story.tell(Fetched()) == [story.step(107)]


def test_south_needs_no_ota_errno():
    story = HttpStory("south").begin()
    assert story.tell(Answered(206, None, "bytes 0-999/1000", 1_000)) == []
    story.tell(Chunk(PACKAGE))
    assert story.tell(Fetched()) == [story.step(101)]
    story = HttpStory("south").begin()
    assert story.tell(Answered(200, None, None, 1_000)) == []  # the whole file
    story.tell(Chunk(PACKAGE))
    assert story.tell(Fetched()) == [story.step(101)]


@every_flow
def test_a_download_that_is_refused_by_status(flow):
    story = HttpStory(flow).begin()
    assert story.tell(Answered(404, None, None, 9)) == [StopFetch(), story.step(107)]
    story = HttpStory(flow).begin()
    assert story.tell(Answered(503, None, None, 9)) == [StopFetch()]
    assert story.tick() == [Fetch(story.path(), 0, 1_000)]


# job tokens of generation A


def test_a_token_that_is_too_old_is_checked_for_again_and_the_step_said_with_the_new_one():
    story = HttpStory("south").begin()
    story.range_arrives()
    assert story.answer(12, "token expired") == [story.check(1)]
    assert story.device.is_busy
    assert story.offer(token=OTHER) == [story.step(101, token=OTHER)]
    assert story.answer() == [story.step(201, token=OTHER)]


def test_a_token_that_is_too_old_in_the_middle_of_the_download_loses_no_byte():
    story = HttpStory("south", THREE).begin()
    story.range_arrives()
    story.answer()
    story.tell(Answered(200))
    story.tell(Chunk(b"3"))
    assert story.tell(Fetched()) == [story.check(1)]
    assert story.offer(token=OTHER) == [story.token_check(OTHER)]
    assert story.answer() == [Fetch(story.path(token=OTHER), 400, 800)]
    assert story.range_arrives() == [Fetch(story.path(token=OTHER), 800, 1_000)]
    assert story.range_arrives() == [story.step(101, token=OTHER)]


@pytest.mark.parametrize("code", [12, 15, 18])
def test_a_token_that_the_check_refuses_as_too_old(code):
    story = HttpStory("south")
    story.tell(PowerOn())
    story.answer()
    story.offer()
    assert story.answer(code, "old") == [story.check(1)]
    assert story.offer(token=OTHER) == [story.token_check(OTHER)]
    assert story.answer() == [Fetch(story.path(token=OTHER), 0, 1_000)]


def test_a_job_that_is_not_offered_with_a_new_token_is_let_go():
    story = HttpStory("south").begin()
    story.range_arrives()
    story.answer(12, "token expired")
    (ended,) = story.no_task()
    assert (ended.outcome, ended.step) == (Outcome.ENDED, 101)
    assert ended.reason == "step 101 was answered 12 token expired; it is not offered any more"
    story = HttpStory("south").begin()
    story.range_arrives()
    story.answer(12, "token expired")
    (ended,) = story.offer(token=OTHER, target="3.0")
    assert ended.outcome is Outcome.ENDED


def test_bad_tokens_without_end_are_107():
    story = HttpStory("south").begin()
    for fetch in range(2):
        story.tell(Answered(200))
        story.tell(Chunk(b"3"))
        assert story.tell(Fetched()) == [story.check(1)]
        effects = story.offer(token=TOKEN)
        if fetch == 0:
            assert effects == [story.token_check()]
            assert story.answer() == [Fetch(story.path(), 0, 1_000)]
    assert effects == [story.step(107)]


def test_a_step_whose_token_is_never_good_ends_the_job():
    story = HttpStory("south", Profile(start_jitter_ms=0, download_tries=3)).begin()
    story.range_arrives()
    for at in range(2):
        assert story.answer(12, "token expired") == [story.check(1)]
        assert story.offer(token=f"{OTHER}{at}") == [story.step(101, token=f"{OTHER}{at}")]
    assert story.answer(12, "token expired") == [story.step(107, token=f"{OTHER}1")]
    (ended,) = story.answer(12, "token expired")
    assert (ended.outcome, story.device.job) == (Outcome.FAILED, None)


def test_a_success_that_the_token_is_too_old_for_is_told_by_the_version():
    story = HttpStory("south").begin()
    story.range_arrives()
    story.answer()
    assert story.answer(12, "token expired") == [
        story.version("2.0"),
        JobEnded(0, Outcome.SUCCEEDED, 201),
    ]


@pytest.mark.parametrize(
    ("code", "stage"), [(17, Stage.FETCHING), (2, Stage.FAILING), (22, Stage.IDLE), (4, Stage.IDLE)]
)
def test_other_answers_to_a_token_check(code, stage):
    story = HttpStory("south")
    story.tell(PowerOn())
    story.answer()
    story.offer()
    story.answer(code, "no")
    assert story.device.stage is stage  # 17: it is upgrading already, and may be downloaded again


# power and cards


@every_flow
def test_power_off_leaves_nothing_behind_and_the_device_can_come_again(flow):
    story = HttpStory(flow).begin()
    assert story.tell(PowerOff()) == [StopFetch()]
    assert (story.device.link, story.device.stage, story.device.due_ms) == (Link.OFF, Stage.IDLE, NEVER)
    assert not story.device.is_busy
    assert story.tell(PowerOn()) == [story.version()]
    assert story.tell(PowerOff()) == [StopCall()]
    assert HttpStory(flow).present().tell(PowerOff()) == []


@every_flow
def test_a_replaced_card_is_not_reported_and_the_device_starts_anew(flow):
    story = HttpStory(flow).present()
    assert story.tell(CardReplaced("0111", "0222")) == []
    assert (story.device.iccid, story.device.imsi) == ("0111", "0222")
    assert (story.device.card_unposted, story.device.is_busy, story.device.is_present) == (True, True, False)
    assert story.device.due_ms == story.now_ms + PLAIN.card_swap_ms
    assert story.tick() == [story.version()]
    assert story.answer() == [story.check()]
    assert (story.device.card_unposted, story.device.is_busy) == (False, False)


@every_flow
def test_a_card_replaced_in_the_middle_of_a_download(flow):
    story = HttpStory(flow, THREE).begin()
    story.range_arrives()
    story.answer()
    story.tell(partial(400, 800, 1_000))
    story.tell(Chunk(PACKAGE[400:600]))
    assert story.tell(CardReplaced("1", "2")) == [StopFetch()]
    assert story.tell(CardReplaced("3", "4"), 10) == []
    assert story.device.due_ms == story.now_ms + PLAIN.card_swap_ms
    assert story.tick() == [Fetch(story.path(), 600, 1_000)]
    assert (story.device.is_present, story.device.card_unposted, story.device.iccid) == (True, False, "3")


@every_flow
def test_a_card_replaced_while_a_step_is_unanswered(flow):
    story = HttpStory(flow).begin()
    story.range_arrives()
    assert story.tell(CardReplaced("1", "2")) == [StopCall()]
    assert story.tick() == [story.step(101)]
    assert story.answer() == [story.step(201)]
    assert not story.device.card_unposted


@every_flow
def test_a_card_replaced_during_the_install(flow):
    story = HttpStory(flow, Profile(start_jitter_ms=0, install_ms=40, card_swap_ms=100)).begin()
    story.range_arrives()
    story.answer()
    story.tell(CardReplaced("1", "2"))
    assert story.tick() == []  # installed, and offline
    assert story.device.f_version == "2.0"
    assert story.tick() == [story.step(201)]


@every_flow
def test_the_same_seed_tells_the_same_story(flow):
    def run():
        story = HttpStory(flow, Profile(start_jitter_ms=500))
        out = [story.tell(PowerOn())]
        for at in range(20):
            out.append((story.tick(), story.now_ms))
            out.append((story.tell(CUT) if at % 3 else story.answer(NO_TASK[flow], ""), story.device.due_ms))
            while story.device.is_calling:
                out.append(story.answer(NO_TASK[flow], ""))
        return out

    assert run() == run()
