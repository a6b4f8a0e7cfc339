"""What is compiled once a process: the schema as SQLAlchemy would make it, statements of one store for the next."""

from sqlalchemy import create_engine, inspect, select, text

from platform_stub.store.compiled import COMPILED
from platform_stub.store.schema import metadata, schema_info
from platform_stub.store.sqlite import open_sqlite

MADE = text("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name")


def test_the_schema_is_the_one_that_sqlalchemy_makes(tmp_path):
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as conn:
        wanted = conn.execute(MADE).all()
    engine.dispose()
    store = open_sqlite(tmp_path / "data")
    with store.read() as conn:
        assert conn.execute(MADE).all() == wanted
        assert set(inspect(conn).get_table_names()) == set(metadata.tables)
    store.close()


def test_a_statement_is_compiled_once_for_all_stores_and_asks_its_own(tmp_path):
    statement = select(schema_info.c.version, schema_info.c.product.label("asked_in_this_test"))
    stores = [open_sqlite(tmp_path / name) for name in "ab"]
    with stores[1].write() as conn:
        conn.execute(schema_info.update().values(version=77))
    compiled, versions = [], []
    for store in stores:
        with store.read() as conn:
            versions.append(conn.execute(statement).one().version)
        compiled.append([each for key, each in COMPILED.items() if "asked_in_this_test" in str(each)])
        store.close()
    assert versions[0] != versions[1] == 77
    assert len(compiled[0]) == len(compiled[1]) == 1
    assert compiled[0][0] is compiled[1][0]
