from scenarios.load.tasks.recorder import Recorder


def test_what_was_begun_in_the_warm_up_is_not_counted():
    recorder = Recorder()
    recorder.took("create task", 5, 1.0, 1.1)
    recorder.start(10.0)
    recorder.took("create task", 6, 9.9, 10.2)
    recorder.took("create task", 7, 10.0, 11.5)
    (sample,) = recorder.drain()
    assert (sample.second, sample.name, sample.counts) == (1, "create task", {7: 1})
    assert recorder.drain() == []


def test_errors_of_a_kind_are_shown_as_the_first_was():
    recorder = Recorder()
    recorder.start(0.0)
    for number in range(3):
        recorder.failed("create task", "HTTP 409 devices_busy", f"device {number} is busy", 0.0, 0.5)
    (sample,) = recorder.drain()
    assert sample.errors == {"device 0 is busy": 3}


def test_what_workers_counted_is_added_up():
    one, other, master = Recorder(), Recorder(), Recorder()
    for each in (one, other):
        each.start(0.0)
        each.took("buy", 3, 0.0, 0.1)
    other.failed("buy", "x", "no", 0.0, 0.2)
    master.absorb(one.drain())
    master.absorb(other.drain())
    (sample,) = master.drain()
    assert (sample.counts, sample.errors) == ({3: 2}, {"no": 1})
