"""The scenario language as a Python API: `async with Session(...) as s`, and each action a method of it.

- `session`: what a program holds; `words*`: the actions as methods; `spelling`: Python's values in the language's words
- `script`: the scenario that is written step by step; `place`: where in a program its words stand
- `live_play`: the stub, the devices and the book between steps
- `errors`: what is raised
"""

from scenarios.session.errors import AuditFailed, SessionOver, SessionSkipped, StepFailed
from scenarios.session.session import Session
from scenarios.session.spelling import Did

__all__ = ["AuditFailed", "Did", "Session", "SessionOver", "SessionSkipped", "StepFailed"]
