from scenarios.load.tally import OPEN_SECONDS, OTHERS, WHATS_MAX, Tally


def test_durations_are_counted_as_a_whole_and_by_the_second():
    tally = Tally()
    tally.take("create task", {1_000: 2, 5_000: 1}, 0.4)
    tally.take("create task", {9_000: 1}, 1.0, {"refused": 2})
    (measured,) = tally.measurements(2.0, {"create task": "what it is"})
    assert (measured.name, measured.about, measured.count, measured.errors, measured.rate) == (
        "create task", "what it is", 4, 2, 2.0,
    )  # fmt: skip
    assert (measured.percentiles.p50_us, measured.percentiles.max_us) == (1_000, 9_000)
    assert [(each.second, each.count, each.errors, each.p99_us) for each in measured.points] == [
        (0, 3, 0, 5_000),
        (1, 1, 2, 9_000),
    ]
    assert [(each.name, each.what, each.count) for each in tally.error_counts()] == [
        ("create task", "refused", 2)
    ]


def test_what_comes_late_is_in_the_oldest_second_that_is_open_and_nothing_is_lost():
    tally = Tally()
    for second in range(OPEN_SECONDS + 3):
        tally.take("job", {100: 1}, second)
    tally.take("job", {200: 1}, 0)
    points = tally.measurements(1.0)[0].points
    assert [each.count for each in points] == [1, 1, 1, 2, *(1,) * (OPEN_SECONDS - 1)]
    assert sum(each.count for each in points) == tally.count("job") == OPEN_SECONDS + 4


def test_measurements_stand_in_the_order_that_is_wanted():
    tally = Tally()
    for name in ("late start", "buy", "create task"):
        tally.take(name, {1: 1}, 0)
    assert [each.name for each in tally.measurements(1.0, {"create task": "", "buy": ""})] == [
        "create task", "buy", "late start",
    ]  # fmt: skip


def test_kinds_of_errors_are_bounded():
    tally = Tally()
    tally.take("job", {}, 0, {f"error {at}": 1 for at in range(WHATS_MAX + 7)})
    counts = {each.what: each.count for each in tally.error_counts()}
    assert (len(counts), counts[OTHERS], tally.errors_of("job")) == (WHATS_MAX + 1, 7, WHATS_MAX + 7)
