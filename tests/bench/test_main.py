import pytest

import bench.__main__ as program
from bench.book import dump, load
from bench.figures import Goal, Line, Spread
from tests.bench.parts import line, part


class Module:
    """A part whose figures are given."""

    def __init__(self, *found, error=None):
        self.found, self.error, self.asked = found, error, []

    def run(self, **asked):
        self.asked.append(asked)
        yield from self.found
        if self.error is not None:
            raise self.error


def ours(cpu_us=50.0):
    return Line(what="100 devices", side="ours", who="ours", figures={"cpu_us": Spread((cpu_us,))})


def ratio(value, bound=1):
    return Goal(what="ours / mosquitto", seen=Spread((value,)), bound=bound)


def run(*words, **parts):
    """Run the program with parts whose figures are given."""
    return program.main([str(word) for word in words], parts.__getitem__)


def test_a_part_is_measured_shown_and_kept(tmp_path, capsys):
    kept, module = tmp_path / "new.json", Module(ours(), ratio(0.5))
    assert run("brokers", "--json", kept, brokers=module) == 0
    (found,) = load(kept)
    assert (found.name, found.form) == ("brokers", "quick")
    assert (found.lines[0].figures["cpu_us"].values, found.goals[0].seen.values) == ((50.0,), (0.5,))
    assert module.asked == [{"quick": True, "scale": 1.0}]
    out = capsys.readouterr().out
    assert "| 100 devices | **ours** | 50 |" in out
    assert "1 goal, 0 missed" in out


@pytest.mark.parametrize(("more", "code"), [([], 0), (["--fail"], 1)])
def test_what_got_worse_is_shown_and_fails_only_when_asked_to(tmp_path, capsys, more, code):
    against = tmp_path / "kept.json"
    run("brokers", "--json", against, brokers=Module(ours(50.0)))
    assert run("brokers", "--against", against, *more, brokers=Module(ours(100.0))) == code
    assert "brokers: 100 devices, ours, CPU a job, µs: 50 then, 100 now" in capsys.readouterr().out


def test_a_missed_goal_fails_only_when_asked_to(tmp_path):
    words = ["brokers"]
    assert run(*words, brokers=Module(ratio(2.0))) == 0
    assert run(*words, "--fail", brokers=Module(ratio(2.0))) == 1


def test_a_part_that_breaks_costs_the_others_nothing_and_is_not_kept(tmp_path, capsys):
    kept, broken = tmp_path / "new.json", Module(ours(), error=AssertionError("lost messages"))
    words = ["brokers", "clients", "--json", kept]
    assert run(*words, brokers=broken, clients=Module(ours())) == 1
    assert [each.name for each in load(kept)] == ["clients"]
    assert "broken: brokers: AssertionError: lost messages" in capsys.readouterr().out


def test_ctrl_c_shows_what_was_measured_until_then(tmp_path, capsys):
    kept, stopped = tmp_path / "new.json", Module(error=KeyboardInterrupt())
    words = ["brokers", "clients", "--json", kept]
    assert run(*words, brokers=Module(ours()), clients=stopped) == 130
    assert [each.name for each in load(kept)] == ["brokers"]
    assert "1 part in" in capsys.readouterr().out


def test_documents_and_plots_alone_measure_nothing(tmp_path):
    against, page, img = tmp_path / "kept.json", tmp_path / "page.md", tmp_path / "img"
    against.write_text(dump([part("tasks", [line(create_ms=(2.0,))])]))
    page.write_text("<!-- figures: tasks -->\n<!-- /figures -->\n")
    assert run("--docs", page, "--plots", img, "--against", against) == 0
    assert "**ours 1.0**" in page.read_text()
    assert (img / "creation.svg").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["brookers"], "brookers: no such part; there are tasks"),
        (["--scale", "2"], "--scale 2: more than 0 and at most 1 is wanted"),
        (["--scale", "0.1", "--write"], "--write is for real figures"),
        (["--against", "none.json"], "--against none.json: no such file"),
        (["--docs", "none.md"], "--docs none.md: no such file"),
        (["--json", "none/new.json"], "--json none/new.json: there is no folder none"),
        (["--plots", __file__], "a file, not a folder"),
    ],
)
def test_wrong_words_are_named(words, said, capsys):
    with pytest.raises(SystemExit) as ended:
        run(*words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_nothing_can_be_shown_where_nothing_is_kept(tmp_path, capsys):
    empty, page = tmp_path / "empty.json", tmp_path / "page.md"
    empty.write_text(dump([]))
    page.write_text("words")
    assert run("--docs", page, "--against", empty) == 2
    assert "no figures are kept there yet; --write measures them" in capsys.readouterr().err


def test_a_part_named_twice_is_measured_once(capsys):
    module = Module(ours())
    assert run("brokers", "brokers", brokers=module) == 0
    assert len(module.asked) == 1


def test_a_bad_file_of_figures_is_named_before_anything_is_measured(tmp_path, capsys):
    bad, module = tmp_path / "bad.json", Module(ours())
    bad.write_text("{")
    assert run("brokers", "--against", bad, brokers=module) == 2
    assert str(bad) in capsys.readouterr().err
    assert module.asked == []


def test_a_small_run_of_the_real_thing(tmp_path, capsys):
    kept = tmp_path / "new.json"
    assert program.main(["licences", "--scale", "0.01", "--json", str(kept)]) == 0
    assert {each.side for each in load(kept)[0].lines} == {"ours"}
    assert "licences: licence decisions alone" in capsys.readouterr().out


def test_ours_that_failed_ends_the_run_with_1_and_its_part_is_not_kept(tmp_path, capsys):
    kept = tmp_path / "new.json"
    lost = Line(
        what="100 devices", side="ours", who="ours", note="not measured: lost 3 messages", failed=True
    )
    assert run("brokers", "--json", kept, brokers=Module(lost)) == 1
    assert load(kept) == []
    assert "broken: brokers: 100 devices: not measured: lost 3 messages" in capsys.readouterr().out
