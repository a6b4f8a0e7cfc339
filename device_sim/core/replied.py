"""The platform's answer, as a job takes it."""

from msgspec import Struct

from device_sim.core.answers import Answer


class Replied(Struct, frozen=True, gc=False):
    """The answer to a step, or to the question before the download, came."""

    meaning: Answer
    code: int
    text: str = ""

    @property
    def said(self) -> str:
        """What it said, for a reason."""
        return f"{self.code} {self.text}".rstrip()
