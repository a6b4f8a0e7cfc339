"""What a database's URL says, what it never shows, and what is refused without repeating it."""

import pytest

from platform_stub.database_url import NAME_MAX, DatabaseUrl, schema_name
from platform_stub.protocol.errors import UsageFault


@pytest.mark.parametrize(
    ("text", "shown", "schema"),
    [
        ("postgresql://u:secret@h:5432/db", "postgresql://u@h:5432/db", None),
        ("postgres://h", "postgresql://h", None),
        ("postgresql+psycopg://u@h/db", "postgresql://u@h/db", None),
        ("postgresql://u@[::1]:5/db", "postgresql://u@[::1]:5/db", None),
        ("postgresql://h1:1,h2:2/db", "postgresql://h1:1,h2:2/db", None),
        ("postgresql:///db?host=/tmp&password=secret", "postgresql:///db?host=/tmp", None),
        ("postgresql://h/d?sslpassword=secret&sslmode=require", "postgresql://h/d?sslmode=require", None),
        ("postgresql://h/d?options=-csearch_path%3Da", "postgresql://h/d?options=-csearch_path%3Da", "a"),
        ("postgresql://h/d?options=-csearch_path=a", "postgresql://h/d?options=-csearch_path%3Da", "a"),
        (
            "postgresql://h/d?options=--search_path%3DBoth",
            "postgresql://h/d?options=--search_path%3DBoth",
            "both",
        ),
        (
            "postgresql://h/d?options=-c+search_path%3D%22A%22,b",
            "postgresql://h/d?options=-c%20search_path%3D%22A%22%2Cb",
            "A",
        ),
    ],
)
def test_what_is_shown(text, shown, schema):
    url = DatabaseUrl.parse(text)
    assert (str(url), url.schema) == (shown, schema)
    assert "secret" not in repr(url)
    assert DatabaseUrl.parse(url.secret) == url
    assert url.secret.count("secret") == text.count("secret")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mysql://u:secret@h/db", "mysql: is no database's URL, such as postgresql://"),
        ("data/folder", "wanted is a database's URL"),
        ("postgresql:db", "wanted is a database's URL"),
        ("postgresql://u:se@cret@h/db", "write %40 for @"),
        ("postgresql://u:se:cret@h/db", "%3A for :"),
        ("postgresql://u:se/cret@h/db", "%2F for /"),
        ("postgresql://u:12/secret@h/db", "%2F for /"),
        ("postgresql://u:12#secret@h/db", "%23 for #"),
        ("postgresql://u:12?secret@h/db", "%3F for \\?"),
        ("postgresql://[::1/secret", "can't be read"),
    ],
)
def test_what_is_refused(text, says):
    with pytest.raises(UsageFault, match=says) as seen:
        DatabaseUrl.parse(text)
    assert "cret" not in str(seen.value)
    assert seen.value.exit_code == 2


def test_another_schema_takes_the_place_of_the_one_there_was():
    url = DatabaseUrl.parse("postgresql://u:p@h/d?options=-cjit%3Doff%20-csearch_path%3Da&sslmode=require")
    other = url.in_schema("b")
    assert other.schema == "b"
    assert other.secret == "postgresql://u:p@h/d?sslmode=require&options=-cjit%3Doff%20-csearch_path%3Db"


@pytest.mark.parametrize(
    ("name", "schema"),
    [("examples-tenth F", "mine_examples_tenth_f"), ("B1: überall", None), ("x" * 80, None)],
)
def test_a_schema_s_name_is_made_of_any_name(name, schema):
    made = schema_name("mine", name)
    assert schema is None or made == schema
    assert len(made) <= NAME_MAX
    assert made.replace("_", "a").isalnum()
    assert made != schema_name("mine", name + "y")
