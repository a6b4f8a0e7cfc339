"""What the platform's codes mean to a device, one table a flow.

A code that is in no table refuses. Source: onenet-protocol, sections 4 and 5, and the official device library's habits;
the platform's own tables are `platform_stub.protocol.calls`.
"""

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType

from platform_stub.protocol.codes import FuseCode
from platform_stub.protocol.messages import ACCEPTED


class Answer(Enum):
    """What an answer means to whoever asked."""

    GO_ON = auto()
    OVER = auto()  # nothing to do, or the job has ended at the platform: it is let go, no failure is reported
    DONE = auto()  # the job has ended as a success
    REFUSED = auto()
    SIGN_ANEW = auto()  # the token, or the device, is not accepted: asked again with a token signed anew
    CHECK_AGAIN = auto()  # the job's own token is too old: a check gives another one
    TRY_AGAIN = auto()  # the platform can't, for now: the same is asked again later


MQTT: Mapping[int, Answer] = MappingProxyType(
    {
        ACCEPTED: Answer.GO_ON,
        FuseCode.OK: Answer.GO_ON,
        FuseCode.TASK_FINISHED: Answer.OVER,
        FuseCode.NO_TASK: Answer.OVER,  # held by arrears (P10): it is told again later
        FuseCode.TASK_EXPIRED: Answer.OVER,
        FuseCode.ALREADY_AT_TARGET: Answer.DONE,
    }
)
"""`code` of a status reply."""

FUSE: Mapping[int, Answer] = MappingProxyType(
    {
        FuseCode.OK: Answer.GO_ON,
        FuseCode.TASK_FINISHED: Answer.OVER,  # succeeded, failed, cancelled
        500: Answer.TRY_AGAIN,  # other
        FuseCode.BAD_PARAMETER: Answer.REFUSED,
        FuseCode.AUTHENTICATION: Answer.SIGN_ANEW,
        FuseCode.NO_SUCH_DEVICE: Answer.SIGN_ANEW,  # it may be registered meanwhile
        FuseCode.INTERNAL: Answer.TRY_AGAIN,
        FuseCode.PARAMETER_REQUIRED: Answer.REFUSED,
        FuseCode.NOT_FOUND: Answer.OVER,  # there is nobody to report a failure to
        FuseCode.FORMAT: Answer.REFUSED,
        FuseCode.TASK_TYPE: Answer.REFUSED,
        FuseCode.START_VERSION: Answer.REFUSED,
        FuseCode.NO_TASK: Answer.OVER,  # or held by arrears (P10), or paused: it is offered again later
        FuseCode.ALREADY_AT_TARGET: Answer.DONE,
        FuseCode.TASK_EXPIRED: Answer.OVER,
        FuseCode.INVALID_PARAMETER: Answer.REFUSED,
        FuseCode.INVALID_STEP: Answer.REFUSED,
    }
)
"""`code` of generation C."""

SOUTH: Mapping[int, Answer] = MappingProxyType(
    {
        0: Answer.GO_ON,
        1: Answer.SIGN_ANEW,
        2: Answer.REFUSED,
        4: Answer.OVER,  # no such job token, or another device's
        7: Answer.TRY_AGAIN,
        8: Answer.OVER,  # manufacturer or model: the platform has failed the job
        9: Answer.OVER,  # start version: the same
        10: Answer.OVER,  # signal or power, in older texts
        11: Answer.OVER,
        12: Answer.CHECK_AGAIN,
        13: Answer.REFUSED,
        15: Answer.CHECK_AGAIN,  # not the newest token
        17: Answer.REFUSED,
        18: Answer.CHECK_AGAIN,
        19: Answer.OVER,  # suspended
        20: Answer.OVER,
        21: Answer.REFUSED,
        22: Answer.OVER,  # cancelled
        23: Answer.OVER,
        24: Answer.REFUSED,
        27: Answer.REFUSED,
        32: Answer.OVER,
        5116: Answer.OVER,
    }
)
"""`errno` of generation A."""

STUDIO: Mapping[int, Answer] = MappingProxyType(
    {**SOUTH, 12: Answer.OVER, 15: Answer.REFUSED, 18: Answer.REFUSED}
)
"""`errno` of generation B: its jobs have no token that could be too old, so 12 is the job's own end."""
