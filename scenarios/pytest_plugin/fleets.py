"""Devices for a test at a running stub: an account, a product, and a fleet that is connected. No pytest in here."""

import itertools
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, TypeVar

from msgspec import structs

from device_sim import Fault, Fleet, Flow, Identity, Profile
from platform_stub.protocol import operator as api
from platform_stub.protocol.errors import UsageFault
from platform_stub.server import Stub
from scenarios.cards import card_of
from scenarios.operator import HttpOperator, Refusal

T = TypeVar("T")

READY_S: Final = 120.0


class FleetAtStub:
    """A fleet at a stub: everything that a `device_sim.Fleet` has, and where its devices are at home."""

    def __init__(self, fleet: Fleet, account_id: int, product_id: str, device_ids: tuple[int, ...]) -> None:
        self.fleet = fleet
        self.account_id = account_id
        self.product_id = product_id
        self.device_ids = device_ids

    def __getattr__(self, name: str) -> Any:
        return getattr(self.fleet, name)


class Fleets:
    """Fleets at a stub that is somebody else's, in a test; they are closed together."""

    def __init__(self, stub: Stub, seed: int) -> None:
        self._stub = stub
        self._seed = seed
        self._stack = AsyncExitStack()
        self._operator: HttpOperator | None = None
        self._numbers = itertools.count(1)
        self._cards = itertools.count()

    async def connect(
        self,
        count: int,
        *,
        flow: Flow = "mqtt",
        f_version: str = "1.0",
        s_version: str = "1.0",
        faults: Sequence[Fault] = (),
        profile: Profile | None = None,
    ) -> FleetAtStub:
        """Register and connect so many devices, under an account and a product of their own; all are there then."""
        if count < 1:
            raise UsageFault(f"a fleet of {count} devices: at least 1 is wanted")
        operator, number = await self._host(), next(self._numbers)
        account = await operator.open_account(f"ota_fleet {number}", api.Policy(), None)
        _sure(await operator.subscribe(account.account_id))
        product = _sure(await operator.create_product(account.account_id, f"ota_fleet {number}", None))
        new = [self._device(f"device-{at}", f_version, s_version) for at in range(1, count + 1)]
        made = _sure(await operator.register(product.product_id, new))
        identities = [structs.replace(Identity.of(device), flow=flow) for device in made]
        fleet = Fleet(self._stub, identities, seed=self._seed, profile=profile)
        await self._stack.enter_async_context(fleet)
        device_ids = tuple(device.device_id for device in made)
        if faults:
            fleet.set_faults(device_ids, faults)
        await fleet.ready(READY_S)
        return FleetAtStub(fleet, account.account_id, product.product_id, device_ids)

    async def close(self) -> None:
        """Let all devices go."""
        await self._stack.aclose()

    async def _host(self) -> HttpOperator:
        if self._operator is None:
            self._operator = await self._stack.enter_async_context(HttpOperator(self._stub.http_url))
        return self._operator

    def _device(self, name: str, f_version: str, s_version: str) -> api.RegisterDevice:
        iccid, imsi = card_of(self._seed, next(self._cards), 0)
        return api.RegisterDevice(name=name, f_version=f_version, s_version=s_version, iccid=iccid, imsi=imsi)


def _sure(answer: T | Refusal) -> T:
    if isinstance(answer, Refusal):
        raise UsageFault(f"the stub refused: {answer.code.value}: {answer.message}")
    return answer
