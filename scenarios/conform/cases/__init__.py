"""All cases, in the order in which they are played and shown."""

from typing import Final

from scenarios.conform.case import Case
from scenarios.conform.cases import answers, content, endings, failing, hostile, informs, links, updates

CASES: Final[tuple[Case, ...]] = (
    *updates.CASES,
    *links.CASES,
    *endings.CASES,
    *failing.CASES,
    *content.CASES,
    *answers.CASES,
    *hostile.CASES,
    *informs.CASES,
)
