"""How long a connection may keep the stub waiting, and how much it may send; seconds and bytes.

What they are held to, `Connection.sweep` sees. The figures are ours; what devices send: onenet-protocol, section 6.
"""

from dataclasses import dataclass

DEVICE_BODY_MAX_BYTES = 4_096
"""No device's JSON comes near it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """What connections are held to.

    A request's head must be there `head_s` after its first byte. A body must go on at least every `body_s`, and an
    answer be taken at least every `answer_s`: a device erases flash between reads, and of what a slow one reads nothing
    is seen here until a third of the kernel's buffer is free. A connection that has not made a good request yet may be
    idle for `idle_s`, one that has for `keepalive_s`. `linger_s` is how long what a peer still sends is thrown away
    after the last answer, so that the answer is not lost with it.
    """

    head_s: float = 10.0
    body_s: float = 15.0
    answer_s: float = 300.0
    idle_s: float = 15.0
    keepalive_s: float = 75.0
    linger_s: float = 5.0
    head_max_bytes: int = 16_384
    headers_max: int = 64
    body_max_bytes: int = DEVICE_BODY_MAX_BYTES


LIMITS = HttpLimits()
