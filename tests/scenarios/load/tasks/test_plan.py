import pytest

from platform_stub.protocol.errors import UsageFault
from scenarios.load.tasks.plan import TASKS_UNKNOWN, TaskPlan, read_plan


def plan(keeps_open=False, **said):
    return read_plan({name.replace("_", "-"): text for name, text in said.items()}, keeps_open=keeps_open)


def test_what_is_not_said_has_its_default():
    assert plan() == TaskPlan()


def test_every_option_is_read():
    said = plan(
        devices="100-1,000", licensed="90%", accounts="3", again="12.5%", reads="0.5", purchases="1%", rate="90/min",
        duration="1 min", count="7", warm_up="2s", timeout="500ms", seed="11", keeps_open=True,
    )  # fmt: skip
    assert said == TaskPlan(
        devices_min=100, devices_max=1_000, licensed=0.9, accounts=3, again=0.125, reads=0.5, purchases=0.01, rate=1.5,
        duration_s=60, count=7, warm_up_s=2, timeout_s=0.5, seed=11, keeps_open=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("devices", "many", "a count or a range"),
        ("devices", "9-3", "the smaller count comes first"),
        ("devices", "2000000", "at most 1,000,000"),
        ("licensed", "0.9", "a share from 0% to 100%"),
        ("again", "101%", "a share from 0% to 100%"),
        ("reads", "-1", "a number is wanted"),
        ("accounts", "0", "from 1 to 1,000"),
        ("count", "1.5", "a whole number"),
        ("rate", "0/s", "a rate is wanted"),
        ("duration", "long", "a span of time"),
        ("duration", "0s", "longer than nothing"),
        ("seed", "x", "a whole number"),
    ],
)
def test_what_can_not_be_is_named(name, text, wanted):
    with pytest.raises(UsageFault, match=wanted) as caught:
        read_plan({name: text}, keeps_open=False, prefix="--task-")
    assert str(caught.value).startswith(f"--task-{name}: ")
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("said", "creators", "own", "fresh"),
    [
        ({}, 20, 1_000, 0),
        ({"licensed": "100%"}, 20, 1_000, 0),
        ({"licensed": "90%", "devices": "100", "count": "50"}, 10, 100, 70),  # 5 each, and 20 % more, and one
        (
            {"licensed": "90%", "devices": "100", "rate": "10/s", "duration": "8s", "warm-up": "2s"},
            10,
            100,
            130,
        ),
        ({"licensed": "90%", "devices": "100"}, 10, 100, TASKS_UNKNOWN * 10),
        ({"devices": "100", "count": "10", "open": "x"}, 10, 0, 300),
    ],
)
def test_devices_suffice_for_what_is_planned(said, creators, own, fresh):
    keeps_open = said.pop("open", None) is not None
    made = read_plan(said, keeps_open=keeps_open)
    made.check(creators)
    assert (made.own_each, made.fresh_each(creators)) == (own, fresh)


@pytest.mark.parametrize(
    ("said", "creators", "wanted"),
    [
        ({}, 0, "--creators: 1 to 10,000"),
        ({"accounts": "3"}, 2, "--accounts: 3 for 2 creators"),
        ({"devices": "1000000"}, 3, "3,000,000 in all, and at most 2,000,000"),
    ],
)
def test_more_than_can_be_is_refused_before_anything_starts(said, creators, wanted):
    with pytest.raises(UsageFault, match=wanted):
        read_plan(said, keeps_open=False).check(creators)
