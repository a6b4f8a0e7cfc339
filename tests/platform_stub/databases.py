"""The databases that a store can be in, the same to a test: a new place, opened, and opened a second time."""

from pathlib import Path

import pytest

from platform_stub.store.engine import SqliteStore, open_store


class SqlitePlaces:
    """New data folders."""

    name = "sqlite"

    def __init__(self, folder: Path):
        self._folder = folder
        self._count = 0

    def new(self):
        self._count += 1
        return self._folder / f"data-{self._count}"

    def twin(self, store):
        """Open a second engine on a store's database, past its lock."""
        return SqliteStore(store.path, None)

    def close(self):
        pass


class PostgresqlPlaces:
    """New schemas."""

    name = "postgresql"

    def __init__(self, cluster):
        self._cluster = cluster
        self._urls = []

    def new(self):
        self._urls.append(self._cluster.url())
        return self._urls[-1]

    def twin(self, store):
        from platform_stub.store.postgresql import PostgresqlStore

        return PostgresqlStore(store.link, lock=False)

    def close(self):
        if self._urls:
            names = ", ".join(url.schema for url in self._urls)
            self._cluster.ask(f"SET client_min_messages = error; DROP SCHEMA IF EXISTS {names} CASCADE")


@pytest.fixture(params=["sqlite", "postgresql"])
def places(request, tmp_path):
    """New places for stores, in each database."""
    made = (
        SqlitePlaces(tmp_path)
        if request.param == "sqlite"
        else PostgresqlPlaces(request.getfixturevalue("cluster"))
    )
    yield made
    made.close()


@pytest.fixture
def store(places):
    """A new store, in each database."""
    store = open_store(places.new())
    yield store
    store.close()
