"""Fixtures: a stub, its operator, a fleet, a session. Each lives in a loop of its own, so any kind of test has them.

In an `async def` test, whatever runs it, calls are awaited; in a plain test they are not.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from scenarios.pytest_plugin.bridge import Bridge, Remote
from scenarios.pytest_plugin.settings import BRIDGE, ERROR, SECTION, Settings

if TYPE_CHECKING:
    from platform_stub.server import Stub
    from scenarios.session import Session


@pytest.fixture
def ota_stub(request: pytest.FixtureRequest) -> "Iterator[Stub]":
    """Give a running stub with nothing in it: `http_url`, `http_address` and `mqtt_address` say where."""
    from platform_stub.server import Stub  # noqa: PLC0415 - heavy, and few tests need it

    bridge = request.config.stash[BRIDGE]
    config = request.config
    stub = Stub(broker=config.getoption("ota_broker"), strict=config.getoption("ota_strict"))
    bridge.wait(stub.__aenter__())
    yield stub
    bridge.wait(stub.__aexit__(None, None, None))


@pytest.fixture
def ota_operator(request: pytest.FixtureRequest, ota_stub: "Stub") -> Iterator[Any]:
    """Give the operator's side of `ota_stub`: a `scenarios.operator.HttpOperator`."""
    from scenarios.operator import HttpOperator  # noqa: PLC0415 - heavy too

    bridge = request.config.stash[BRIDGE]
    operator = HttpOperator(ota_stub.http_url)
    bridge.wait(operator.__aenter__())
    yield Remote(bridge, operator)
    bridge.wait(operator.__aexit__(None, None, None))


@pytest.fixture
def ota_fleet(request: pytest.FixtureRequest, ota_stub: "Stub") -> Iterator[Callable[..., Any]]:
    """Give what registers and connects devices at `ota_stub`.

    `fleet = await ota_fleet(10)`: they are of an account and a product of their own, which is subscribed. What it takes
    is in `fleets.Fleets.connect`.
    """
    from scenarios.pytest_plugin.fleets import Fleets  # noqa: PLC0415 - and too

    bridge = request.config.stash[BRIDGE]
    fleets = Fleets(ota_stub, seed=request.config.getoption("ota_seed") or 1)

    def fleet(count: int = 1, **habits: Any) -> Any:
        __tracebackhide__ = True
        return bridge.hand(_remote(bridge, fleets.connect(count, **habits)))

    yield fleet
    bridge.wait(fleets.close())


@pytest.fixture
def ota_session(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Give what begins a session on a stub of its own.

    `s = await ota_session(fleets=...)`: it takes what `scenarios.session.Session` takes. It ends with the test, and
    then its books are audited; a test that failed leaves evidence.
    """
    from scenarios.session import Session  # noqa: PLC0415 - as above

    bridge, settings = request.config.stash[BRIDGE], Settings(request.config)
    opened: list[Session] = []

    def session(**words: Any) -> Any:
        __tracebackhide__ = True
        number = f"-{len(opened) + 1}" if opened else ""
        begun = Session(**{**settings.session(request.node, number), **words})
        opened.append(begun)
        return bridge.hand(_remote(bridge, _begun(begun)))

    yield session
    error = request.node.stash.get(ERROR, None)
    failures: list[Exception] = []
    for begun in reversed(opened):
        try:
            bridge.wait(begun.close(error))
        except Exception as exc:  # noqa: BLE001 - the others are ended all the same; raised below
            failures.append(exc)
        if begun.result is not None and begun.result.evidence:
            request.node.add_report_section("teardown", SECTION, f"evidence: {begun.result.evidence}")
    if failures:
        raise failures[0]


async def _begun(session: "Session") -> "Session":
    from scenarios.session import SessionSkipped  # noqa: PLC0415 - it is there by now

    __tracebackhide__ = True
    try:
        return await session.__aenter__()
    except SessionSkipped as exc:
        pytest.skip(str(exc))


async def _remote(bridge: Bridge, coming: Any) -> Remote:
    __tracebackhide__ = True
    return Remote(bridge, await coming)
