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
        int(FuseCode.OK): Answer.GO_ON,
        int(FuseCode.TASK_FINISHED): Answer.OVER,
        int(FuseCode.NO_TASK): Answer.OVER,  # held by arrears (P10): it is told again later
        int(FuseCode.TASK_EXPIRED): Answer.OVER,
        int(FuseCode.ALREADY_AT_TARGET): Answer.DONE,
    }
)
"""`code` of a status reply."""

FUSE: Mapping[int, Answer] = MappingProxyType(
    {
        0: Answer.GO_ON,
        20: Answer.OVER,  # task finish: succeeded, failed, cancelled
        500: Answer.TRY_AGAIN,
        10001: Answer.REFUSED,
        10403: Answer.SIGN_ANEW,
        10410: Answer.SIGN_ANEW,  # no such device: it may be registered meanwhile
        10500: Answer.TRY_AGAIN,
        12001: Answer.REFUSED,
        12002: Answer.OVER,  # no such job: there is nobody to report a failure to
        12004: Answer.REFUSED,
        12010: Answer.REFUSED,
        12011: Answer.REFUSED,
        12012: Answer.OVER,  # no task, held by arrears (P10), or paused: it is offered again later
        12013: Answer.DONE,
        12014: Answer.OVER,
        12015: Answer.REFUSED,
        12016: Answer.REFUSED,
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
