"""Whole stories through the core, compared effect by effect."""

import pytest

from device_sim.core.effects import (
    Connect,
    Disconnect,
    Fetch,
    JobEnded,
    JobStarted,
    Noted,
    Outcome,
    StopFetch,
)
from device_sim.core.events import (
    Answered,
    CardReplaced,
    Chunk,
    FaultsSet,
    Fetched,
    FetchFailed,
    LinkDown,
    LinkUp,
    PowerOff,
    PowerOn,
    Received,
    Tick,
)
from device_sim.core.faults import FAILURE_TEXTS, STRIKES, Fault, Strike
from device_sim.core.mqtt_device import MqttDevice
from device_sim.core.profile import Profile
from device_sim.core.state import Link, Stage
from device_sim.core.wheel import NEVER
from platform_stub.protocol import topics
from tests.device_sim.core.story import (
    PACKAGE,
    PATH,
    PLAIN,
    Story,
    card,
    fails,
    inform_reply,
    partial,
    status,
    version,
)


def test_from_power_on_to_present():
    story = Story()
    assert story.tell(PowerOn()) == [Connect()]
    assert story.device.due_ms == NEVER
    assert story.tell(LinkUp(), 40) == [version(1)]
    assert (story.device.is_present, story.device.is_busy) == (False, True)
    assert story.device.due_ms == story.now_ms + PLAIN.reply_interval_ms
    assert story.reply(topics.VERSION_REPLY, 1) == []
    assert (story.device.is_present, story.device.is_busy, story.device.due_ms) == (True, False, NEVER)


def test_start_is_jittered_by_seed_and_device():
    profile = Profile(start_jitter_ms=1_000)
    due = []
    for device_id in range(50):
        each = MqttDevice(
            device_id=device_id, seed=3, profile=profile, f_version=None, s_version=None, iccid="", imsi=""
        )
        assert each.handle(PowerOn(), 10_000) in ([], [Connect()])
        due.append(each.link_due_ms)
    spread = {ms for ms in due if ms != NEVER}
    assert len(spread) > 40
    assert all(10_000 <= ms <= 11_000 for ms in spread)


def test_a_job_of_one_range():
    story = Story().present()
    assert story.inform() == [inform_reply("i41"), JobStarted(41), Fetch(PATH.format(41), 0, 1_000)]
    assert story.tell(Answered(200, "0", None, 1_000)) == []  # a range that is the whole file is 200
    assert story.tell(Chunk(PACKAGE[:300])) == []
    assert story.tell(Chunk(memoryview(PACKAGE)[300:])) == []
    assert story.tell(Fetched()) == [status(2, 41, 101)]
    assert story.step_replied() == [status(3, 41, 201)]
    assert story.device.f_version == "2.0"
    ended = JobEnded(41, Outcome.SUCCEEDED, 201)
    assert story.step_replied() == [version(4, "2.0"), ended]
    assert (story.device.last_job, story.device.is_busy) == (ended, True)
    assert story.reply(topics.VERSION_REPLY, 4) == []
    assert not story.device.is_busy


def test_a_job_of_three_ranges_reports_progress_once():
    story = Story(Profile(start_jitter_ms=0, chunk_bytes=400)).present()
    assert story.inform()[-1] == Fetch(PATH.format(41), 0, 400)
    assert story.range_arrives() == [status(2, 41, 40)]
    assert story.step_replied() == [Fetch(PATH.format(41), 400, 800)]
    assert story.range_arrives() == [Fetch(PATH.format(41), 800, 1_000)]
    assert story.range_arrives() == [status(3, 41, 101)]


def test_sota_replaces_the_other_version():
    story = Story(s_version="app-1").present()
    story.inform(type=2, target="app-2")
    story.range_arrives()
    story.step_replied()
    assert (story.device.f_version, story.device.s_version) == ("1.0", "app-2")
    assert story.step_replied()[0].payload == (
        b'{"id":"4","version":"1.0","params":{"f_version":"1.0","s_version":"app-2"}}'
    )


def test_an_empty_package_needs_no_request():
    story = Story().present()
    assert story.inform(package=b"") == [inform_reply("i41"), JobStarted(41), status(2, 41, 101)]


def test_install_takes_its_time():
    story = Story(Profile(start_jitter_ms=0, install_ms=700)).present()
    story.inform()
    story.range_arrives()
    assert story.step_replied() == []
    assert story.device.due_ms == story.now_ms + 700
    assert story.tell(Tick(), 699) == []
    assert story.device.f_version == "1.0"
    assert story.tell(Tick(), 1) == [status(3, 41, 201)]


def test_reboot_goes_offline_and_reports_after_it():
    story = Story(Profile(start_jitter_ms=0, reboot_ms=900)).present()
    story.inform()
    story.range_arrives()
    assert story.step_replied() == [Disconnect()]
    assert (story.device.link, story.device.due_ms) == (Link.WAITING, story.now_ms + 900)
    assert story.tick() == [Connect()]
    assert story.tell(LinkUp()) == [version(3, "2.0"), status(4, 41, 201)]
    # the version report has completed the job: `task finish` after the own 201 is a success
    assert story.step_replied(20) == [version(5, "2.0"), JobEnded(41, Outcome.SUCCEEDED, 201)]


@pytest.mark.parametrize("wait", [0, 5_000])
def test_an_inform_told_twice_is_one_job(wait):
    story = Story().present()
    story.inform()
    story.now_ms += wait
    assert story.inform() == [inform_reply("i41")]
    story.range_arrives()
    assert story.inform() == [inform_reply("i41")]
    story.step_replied()
    story.step_replied()
    assert story.inform() == [inform_reply("i41")]  # done, and not done again
    assert story.device.job is None


def test_a_second_job_waits_for_the_first():
    story = Story().present()
    story.inform(41)
    assert story.inform(42, type=2) == [inform_reply("i42")]
    assert story.inform(42, type=2) == [inform_reply("i42")]
    story.range_arrives()
    story.step_replied()
    assert story.step_replied() == [
        version(4, "2.0"),
        JobEnded(41, Outcome.SUCCEEDED, 201),
        JobStarted(42),
        Fetch(PATH.format(42), 0, 1_000),
    ]
    assert story.device.finished == (41, 0)


def test_too_many_jobs_are_refused():
    story = Story().present()
    for tid in range(1, 6):
        assert story.inform(tid)[0] == inform_reply(f"i{tid}")
    assert story.inform(6) == [inform_reply("i6", 100), Noted("inform of job 6 refused: too many jobs wait")]


def test_an_empty_inform_makes_it_report_its_version():
    story = Story().present()
    empty = b'{"id":"77","version":"1.0","params":{}}'
    assert story.tell(Received(topics.INFORM, empty)) == [inform_reply("77"), version(2)]
    assert story.tell(Received(topics.INFORM, empty)) == [inform_reply("77")]  # one is on its way


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"type": 3}, "type 3"),
        ({"size": -1}, "size -1"),
        ({"md5": "abc"}, "md5 'abc'"),
        ({"url": "http://elsewhere/x"}, "url 'http://elsewhere/x' is no path"),
        ({"url": "/a b"}, "url '/a b' is no path"),
        ({"url": "/a\r\nX: y"}, "url '/a\\r\\nX: y' is no path"),
    ],
)
def test_an_inform_that_can_not_be_is_refused(changes, why):
    story = Story().present()
    assert story.inform(**changes) == [inform_reply("i41", 100), Noted(f"inform of job 41 refused: {why}")]


def test_an_inform_that_lacks_something_is_refused():
    story = Story().present()
    effects = story.tell(Received(topics.INFORM, b'{"id":"5","params":{"tid":9,"type":1,"size":4}}'))
    assert effects == [
        inform_reply("5", 100),
        Noted("inform of job 9 refused: params without target, md5, url"),
    ]


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"id":7}', b"\xff", b'{"id":"1"}', b"[" * 9_000])
@pytest.mark.parametrize(
    "suffix", [topics.INFORM, topics.STATUS_REPLY, topics.VERSION_REPLY, topics.PROPERTY_POST_REPLY]
)
def test_what_is_no_message_is_noted_and_changes_nothing(suffix, payload):
    story = Story().present()
    effects = story.tell(Received(suffix, payload))
    if payload == b'{"id":"1"}' and suffix != topics.INFORM:
        assert effects == []  # a good reply, to nothing
    else:
        (noted,) = effects
        assert noted.what.startswith(suffix)
    assert not story.device.is_busy


def test_a_foreign_topic_is_noted():
    story = Story().present()
    assert story.tell(Received("/ota/else", b"")) == [
        Noted("a message on /ota/else, which means nothing to a device")
    ]


# reports and their replies


def test_a_report_without_reply_is_sent_again_with_the_same_id_and_doubled_waits():
    story = Story().present()
    story.inform()
    story.range_arrives()
    waits = []
    for _ in range(6):
        before = story.now_ms
        assert story.tick() == [status(2, 41, 101, again=True)]
        waits.append(story.now_ms - before)
    assert waits == [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]
    assert story.step_replied() == [status(3, 41, 201)]


def test_a_reply_to_something_else_is_no_reply():
    story = Story().present()
    story.inform()
    story.range_arrives()
    assert story.reply(topics.STATUS_REPLY, 999) == []
    assert story.reply(topics.VERSION_REPLY, 2) == []
    assert story.device.stage is Stage.DOWNLOADED
    assert story.reply(topics.STATUS_REPLY, 2) == [status(3, 41, 201)]
    assert story.reply(topics.STATUS_REPLY, 2) == []  # told twice


def test_an_internal_error_is_no_answer():
    story = Story().present()
    story.inform()
    story.range_arrives()
    assert story.step_replied(10500) == []
    assert story.tick() == [status(2, 41, 101, again=True)]


def test_a_refused_version_report_is_noted_and_repeated():
    story = Story()
    story.tell(PowerOn())
    story.tell(LinkUp())
    assert story.reply(topics.VERSION_REPLY, 1, 12015, "bad") == [
        Noted("/ota/version was refused: code 12015 bad")
    ]
    assert not story.device.is_present
    assert story.tick() == [version(1, again=True)]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(20, Outcome.ENDED), (12012, Outcome.ENDED), (12014, Outcome.ENDED), (12013, Outcome.ENDED)],
)
@pytest.mark.parametrize("step", [40, 101])
def test_a_job_that_is_over_at_the_platform_ends_without_a_report(code, outcome, step):
    story = Story(Profile(start_jitter_ms=0, chunk_bytes=400 if step == 40 else 1_000)).present()
    story.inform()
    assert story.range_arrives() == [status(2, 41, step)]
    assert story.step_replied(code) == [
        JobEnded(41, outcome, step, f"step {step} was answered {code} success")
    ]
    assert story.device.f_version == "1.0"
    assert story.inform()[1] == JobStarted(41)  # told again (after arrears, say), it is taken up again


@pytest.mark.parametrize(("step", "failure"), [(40, 107), (101, 107), (201, 206)])
def test_a_refused_step_fails_the_job(step, failure):
    story = Story(Profile(start_jitter_ms=0, chunk_bytes=400 if step == 40 else 1_000)).present()
    story.inform()
    story.range_arrives()
    if step == 201:
        story.step_replied()
    (failed,) = story.step_replied(12016)
    assert failed == status(4 if step == 201 else 3, 41, failure)
    assert story.step_replied() == [
        JobEnded(
            41, Outcome.FAILED, failure, f"{FAILURE_TEXTS[failure]}: step {step} was answered 12016 success"
        )
    ]


@pytest.mark.parametrize("code", [200, 20, 12016])
def test_a_reported_failure_ends_the_job_whatever_is_answered(code):
    story = Story().present()
    story.tell(FaultsSet((Fault(what="fails", step=102),)))
    story.inform()
    assert story.step_replied(code) == [JobEnded(41, Outcome.FAILED, 102, FAILURE_TEXTS[102])]


# the link


def test_reconnect_repeats_what_had_no_answer_and_the_download_goes_on():
    story = Story(Profile(start_jitter_ms=0, chunk_bytes=400)).present()
    story.inform()
    assert story.range_arrives() == [status(2, 41, 40)]
    assert story.tell(LinkDown()) == []
    assert story.device.is_busy
    assert story.tick() == [Connect()]
    assert story.tell(LinkUp()) == [version(3), status(2, 41, 40, again=True)]
    assert story.step_replied() == [Fetch(PATH.format(41), 400, 800)]
    assert story.tell(LinkDown()) == []  # HTTP does not depend on MQTT
    assert story.range_arrives() == [Fetch(PATH.format(41), 800, 1_000)]
    assert story.range_arrives() == []  # 101 waits for the link
    assert story.tick() == [Connect()]
    assert story.tell(LinkUp()) == [version(5), status(4, 41, 101)]


def test_backoff_doubles_with_jitter_up_to_its_cap_and_begins_anew_after_a_stable_time():
    story = Story(Profile(start_jitter_ms=0, backoff_base_ms=1_000, backoff_max_ms=8_000, stable_ms=5_000))
    story.tell(PowerOn())
    for span in (1_000, 2_000, 4_000, 8_000, 8_000):
        assert story.tell(LinkDown()) == []
        assert span // 2 <= story.device.due_ms - story.now_ms <= span
        assert story.tick() == [Connect()]
    story.tell(LinkUp())
    story.reply(topics.VERSION_REPLY, 1)
    story.tell(LinkDown(), 4_999)
    assert story.device.due_ms - story.now_ms >= 4_000  # it was not up long enough to be trusted
    story.tick()
    story.tell(LinkUp())
    story.reply(topics.VERSION_REPLY, 2)
    story.tell(LinkDown(), 5_000)
    assert story.device.due_ms - story.now_ms <= 1_000


def test_a_refused_device_waits_longer():
    story = Story()
    story.tell(PowerOn())
    story.tell(LinkDown(refused=True))
    assert story.device.due_ms - story.now_ms >= PLAIN.refused_base_ms // 2


def test_a_card_is_posted_until_the_reply_comes():
    story = Story().present()
    assert story.tell(CardReplaced("0111", "0222")) == [Disconnect()]
    assert story.device.card_unposted
    assert story.device.is_busy
    assert story.device.due_ms == story.now_ms + PLAIN.card_swap_ms
    assert story.tick() == [Connect()]
    assert story.tell(LinkUp()) == [version(2), card(3, "0111", "0222")]
    story.reply(topics.VERSION_REPLY, 2)
    assert story.tick() == [card(3, "0111", "0222", again=True)]
    story.tell(LinkDown())
    story.tick()
    assert story.tell(LinkUp()) == [version(4), card(3, "0111", "0222", again=True)]
    assert story.reply(topics.PROPERTY_POST_REPLY, 3) == []
    assert not story.device.card_unposted


def test_a_card_that_was_replaced_twice_is_posted_once_as_it_is():
    story = Story().present()
    story.tell(CardReplaced("1", "1"))
    assert story.tell(CardReplaced("2", "2")) == []
    story.tick()
    assert story.tell(CardReplaced("3", "3")) == [Disconnect()]  # while it connects
    story.tick()
    assert story.tell(LinkUp()) == [version(2), card(3, "3", "3")]


def test_a_refused_card_is_noted_and_repeated():
    story = Story().present()
    story.tell(CardReplaced("1", "1"))
    story.tick()
    story.tell(LinkUp())
    assert story.reply(topics.PROPERTY_POST_REPLY, 3, 12015) == [
        Noted("/thing/property/post was refused: code 12015 success")
    ]
    assert story.device.card_unposted


def test_a_card_replaced_in_the_middle_of_a_job_lets_it_finish():
    story = Story().present()
    story.inform()
    story.tell(CardReplaced("1", "1"))
    assert story.range_arrives() == []
    story.tick()
    assert story.tell(LinkUp()) == [version(3), status(2, 41, 101), card(4, "1", "1")]


def test_power_off_leaves_nothing_behind():
    story = Story().present()
    story.inform()
    assert story.tell(PowerOff()) == [Disconnect(), StopFetch()]
    assert (story.device.link, story.device.stage, story.device.due_ms) == (Link.OFF, Stage.IDLE, NEVER)
    assert not story.device.is_busy


def test_after_a_loss_of_power_a_job_that_is_told_again_is_begun_again():
    """M-26: the platform tells a present device of its download; one that has its memory passes over that."""
    story = Story().present()
    story.inform()
    assert story.device.stage is Stage.FETCHING
    assert not any(isinstance(effect, Fetch) for effect in story.inform())  # told twice, done once
    story.tell(PowerOff())
    story.present()
    story.inform()
    assert story.device.stage is Stage.FETCHING
    assert story.device.job.tid == 41


# downloads that go wrong


def test_a_cut_download_has_the_digest_of_the_whole():
    story = Story().present()
    story.inform()
    for at in range(0, 1_000, 250):
        story.tell(partial(at, 1_000, 1_000))
        story.tell(Chunk(PACKAGE[at : at + 250]))
        effects = story.tell(FetchFailed("cut"))
        if at < 750:
            assert effects == []
            assert story.tick() == [Fetch(PATH.format(41), at + 250, 1_000)]
    assert effects == [status(2, 41, 101)]  # the last cut came after the last byte


def test_without_new_bytes_the_download_fails_in_the_end():
    story = Story(Profile(start_jitter_ms=0, download_tries=3, download_retry_ms=100)).present()
    story.inform()
    assert story.tell(FetchFailed("no connection")) == []
    assert 50 <= story.device.due_ms - story.now_ms <= 100
    story.tick()
    assert story.tell(FetchFailed("no connection")) == []
    assert 100 <= story.device.due_ms - story.now_ms <= 200
    story.tick()
    assert story.tell(FetchFailed("no connection")) == [status(2, 41, 107)]
    assert story.step_replied() == [JobEnded(41, Outcome.FAILED, 107, "download failed: no connection")]


def test_a_download_that_times_out_is_104():
    story = Story(Profile(start_jitter_ms=0, download_tries=1)).present()
    story.inform()
    assert story.tell(FetchFailed("no answer", timed_out=True)) == [status(2, 41, 104)]


def test_new_bytes_give_new_tries():
    story = Story(Profile(start_jitter_ms=0, download_tries=2)).present()
    story.inform()
    for at in range(5):
        story.tell(partial(at, 1_000, 1_000))
        story.tell(Chunk(PACKAGE[at : at + 1]))
        assert story.tell(FetchFailed("cut")) == []
        assert story.tick() == [Fetch(PATH.format(41), at + 1, 1_000)]


def test_the_whole_file_for_a_range_begins_anew_and_gains_nothing_by_it():
    story = Story(Profile(start_jitter_ms=0, download_tries=3)).present()
    story.inform()
    story.tell(Answered(200, "0", None, 1_000))
    story.tell(Chunk(PACKAGE[:600]))
    story.tell(FetchFailed("cut"))  # the first 600 were new
    story.tick()
    story.tell(Answered(200, "0", None, 1_000))
    story.tell(Chunk(PACKAGE[:600]))
    assert story.tell(FetchFailed("cut")) == []
    story.tick()
    story.tell(Answered(200, "0", None, 1_000))
    story.tell(Chunk(PACKAGE[:600]))
    assert story.tell(FetchFailed("cut")) == [status(2, 41, 107)]


@pytest.mark.parametrize(
    ("errno", "effects"),
    [
        ("5", [StopFetch(), JobEnded(41, Outcome.ENDED, 0, "Ota-Errno 5")]),
        ("1", [StopFetch(), status(2, 41, 107)]),
        ("2", [StopFetch(), status(2, 41, 107)]),
        ("4", [StopFetch(), status(2, 41, 107)]),
        ("99", [StopFetch(), status(2, 41, 107)]),
        ("3", [StopFetch()]),
        ("6", [StopFetch()]),
    ],
)
def test_each_ota_errno(errno, effects):
    story = Story().present()
    story.inform()
    assert story.tell(Answered(200, errno, None, 0)) == effects
    if effects == [StopFetch()]:
        assert story.tick() == [Fetch(PATH.format(41), 0, 1_000)]


def test_more_bytes_than_announced_are_not_taken():
    story = Story().present()
    story.inform()
    story.tell(partial(0, 1_000, 1_000))
    assert story.tell(Chunk(PACKAGE + b"x")) == [StopFetch()]
    assert story.device.stage is Stage.RETRYING


def test_fewer_bytes_than_announced_are_asked_for_again():
    story = Story().present()
    story.inform()
    story.tell(partial(0, 1_000, 1_000))
    story.tell(Chunk(PACKAGE[:10]))
    assert story.tell(Fetched()) == []
    assert story.tick() == [Fetch(PATH.format(41), 10, 1_000)]


def test_a_wrong_digest_is_205():
    story = Story().present()
    story.inform(md5="0" * 32)
    assert story.range_arrives() == [status(2, 41, 205)]
    assert story.step_replied() == [JobEnded(41, Outcome.FAILED, 205, "digest mismatch")]
    assert story.device.f_version == "1.0"


# faults


@pytest.mark.parametrize("step", sorted(STRIKES))
def test_each_fault_strikes_in_its_place_and_the_old_version_stays(step):
    story = Story(Profile(start_jitter_ms=0, chunk_bytes=500)).present()
    assert story.tell(FaultsSet((Fault(what="fails", step=step),))) == []
    effects = story.inform()
    if STRIKES[step] is Strike.BEFORE_DOWNLOAD:
        assert effects == [inform_reply("i41"), JobStarted(41), fails(step), status(2, 41, step)]
    elif STRIKES[step] is Strike.AFTER_FIRST_RANGE:
        assert story.range_arrives() == [fails(step), status(2, 41, step)]
    else:
        assert story.range_arrives() == [status(2, 41, 50)]
        story.step_replied()
        effects = story.range_arrives()
        if STRIKES[step] is not Strike.IN_DIGEST:
            assert effects == [status(3, 41, 101)]
            effects = story.step_replied()
        assert effects == [fails(step), status(story.device.serial, 41, step)]
    assert story.step_replied() == [JobEnded(41, Outcome.FAILED, step, FAILURE_TEXTS[step])]
    assert story.device.f_version == "1.0"


def test_a_fault_lasts_for_so_many_jobs():
    story = Story().present()
    story.tell(FaultsSet((Fault(what="fails", step=102, attempts=2),)))
    for tid in (41, 42):
        assert story.inform(tid)[2:] == [fails(102), status(story.device.serial, tid, 102)]
        story.step_replied()
    assert story.inform(43)[2] == Fetch(PATH.format(43), 0, 1_000)


def test_a_fault_is_taken_back():
    story = Story().present()
    story.tell(FaultsSet((Fault(what="fails", step=102),)))
    story.tell(FaultsSet())
    assert story.inform()[2] == Fetch(PATH.format(41), 0, 1_000)


def test_the_same_seed_tells_the_same_story():
    def run():
        story = Story(Profile(start_jitter_ms=500))
        out = [story.tell(PowerOn())]
        for _ in range(20):
            if story.device.link is Link.WAITING:
                out.append((story.tick(), story.now_ms))
            out.append((story.tell(LinkDown()), story.device.due_ms))
        return out

    assert run() == run()
