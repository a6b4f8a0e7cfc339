"""The example adapter: our own stub, served elsewhere (`ota-sim serve`), spoken to over its operator API.

    adapter: scenarios.adapters.served:Served
    options: {url: http://127.0.0.1:8080}

An adapter of your own is another class with the methods that your platform has; `docs/adapters.md` says what each must
do. This one has them all from `HttpOperator`, and changes the one that a shared platform answers otherwise: a product's
id may be taken there by an earlier run.
"""

from platform_stub.protocol import operator as api
from scenarios.operator import TIMEOUT_S, HttpOperator, Refusal


class Served(HttpOperator):
    """A stub at `url`. With `own_ids` products get the ids that a scenario wants; a second run may find them taken."""

    def __init__(self, url: str, *, own_ids: bool = False, timeout_s: int = int(TIMEOUT_S)) -> None:
        super().__init__(url, timeout_s)
        self._own_ids = own_ids

    async def create_product(
        self, account_id: int, name: str, product_id: str | None, access_key: str | None = None
    ) -> api.Product | Refusal:
        """Make a product, under an id of the platform's choice unless the scenario's own are wanted."""
        wanted = product_id if self._own_ids else None
        return await super().create_product(account_id, name, wanted, access_key)
