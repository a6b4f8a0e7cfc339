"""Operations on an account's webhook and on the log of its deliveries."""

from http import HTTPStatus
from typing import Final

from platform_stub.api.call import Call
from platform_stub.api.operation import ACCOUNT, CURSOR_MAX, Operation, Outcome, reads, writes
from platform_stub.protocol import operator as api
from platform_stub.service import webhook

_WEBHOOK: Final = f"{ACCOUNT}/webhook"


async def _configure(call: Call) -> Outcome:
    return await call.platform.webhooks.configure(call.id("account"), call.read(api.SetWebhook))


OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation("PUT", _WEBHOOK, "Set the webhook; its receiver must answer PASSED to the check", api.Webhook, _configure,
        body=api.SetWebhook),
    Operation("GET", _WEBHOOK, "Show the webhook", api.Webhook,
        reads(lambda conn, call: webhook.show(conn, call.id("account")))),
    Operation("DELETE", _WEBHOOK, "Remove the webhook; what was not delivered yet fails", api.Webhook,
        writes(HTTPStatus.OK, lambda tx, call: webhook.remove(tx, call.id("account")))),
    Operation("GET", f"{_WEBHOOK}/deliveries", "List pushes of tasks, oldest first", api.Deliveries,
        reads(lambda conn, call: webhook.show_deliveries(
            conn, call.id("account"), call.number("after", 0, CURSOR_MAX), call.limit())),
        query=("after", "limit")),
)  # fmt: skip
