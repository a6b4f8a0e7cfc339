"""A load of creators as the command wants it."""

from msgspec import Struct

from scenarios.load.tasks.plan import TaskPlan
from scenarios.load.thresholds import Threshold


class TaskLoad(Struct, frozen=True, kw_only=True):
    """What is wanted. `words` are for Locust, `web` is the port of its web page.

    `options` is the plan as options of Locust, `command` what plays it again; empty where that holds a secret.
    """

    plan: TaskPlan
    creators: int
    thresholds: tuple[Threshold, ...] = ()
    words: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    web: int | None = None
    command: str = ""
