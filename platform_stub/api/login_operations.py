"""The operation by which a broker that is not ours has devices' logins judged: EMQX, or mosquitto with a plugin.

The answer is always 200: EMQX takes 4xx and 5xx for no answer, and asks its next authenticator. It opens no session.
"""

from typing import Final

from platform_stub.api.call import Call
from platform_stub.api.operation import Operation, Outcome
from platform_stub.protocol import operator as api
from platform_stub.service.ports import ConnectRefusal


async def _check(call: Call) -> Outcome:
    login = call.read(api.CheckLogin)
    refusal = call.platform.uplink.check(login.username, login.clientid, login.password)
    if refusal is None:
        return api.LoginChecked(result="allow", ok=True)
    code, why = refusal
    is_unknown = code is ConnectRefusal.UNAVAILABLE
    return api.LoginChecked(result="ignore" if is_unknown else "deny", ok=False, error=why)


OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation("POST", "/v1/mqtt/auth", "Judge a device's login for a broker that asks: product ID, device name, token",
        api.LoginChecked, _check, body=api.CheckLogin),
)  # fmt: skip
