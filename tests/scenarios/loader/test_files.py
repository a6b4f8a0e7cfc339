"""Which files a name stands for."""

import pytest

from platform_stub.protocol.errors import EnvironmentFault, UsageFault
from scenarios.loader import LIBRARY, find_files, load_file


def test_the_library_by_name():
    assert find_files(["examples"]) == [LIBRARY / "examples.yaml"]
    assert find_files(["b13-insufficient", "b13", "B13"]) == [LIBRARY / "b13-insufficient.yaml"]
    assert find_files(["library"]) == sorted(LIBRARY.glob("*.yaml"))


def test_a_file_and_a_folder(tmp_path):
    for name in ("b.yaml", "a.yml", "c.txt"):
        (tmp_path / name).touch()
    assert find_files([str(tmp_path)]) == [tmp_path / "a.yml", tmp_path / "b.yaml"]
    assert find_files([str(tmp_path / "c.txt")]) == [tmp_path / "c.txt"]


@pytest.mark.parametrize("name", ["exmples", "nothing-like-it", "x" * 5_000, "a\0b", "/", ""])
def test_what_is_not_there(name):
    with pytest.raises(UsageFault, match=r"no such file|in this folder|an empty name"):
        find_files([name])


def test_the_nearest_name():
    with pytest.raises(UsageFault, match=r"did you mean examples\?"):
        find_files(["exmples"])


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(EnvironmentFault, match="can't be read: No such file"):
        load_file(tmp_path / "x.yaml")
