"""Whether the charging rules held in a load of devices: by the database where it is at hand, else by the journal."""

from scenarios.load.audit import audit_elsewhere, audit_journals, audit_place, not_audited
from scenarios.load.far_end import FarEnd
from scenarios.load.fleet.course import Course
from scenarios.load.result import Audit
from scenarios.operator import HttpOperator


async def audit_of(far: FarEnd, operator: HttpOperator, course: Course) -> Audit:
    """Hold I1-I7 and the rules around them against what the run left, as far as it can be read."""
    if far.database is not None and far.process is None and course.ground is not None:
        audit, wrong = await audit_elsewhere(far.database, operator, [course.ground.account_id])
        course.trouble += [wrong] if wrong else []
        return audit
    if far.database is not None:
        return await audit_place(far.database, is_running=True)
    if far.is_gateway:
        return not_audited(f"{far.name} may charge by other rules than these")
    if course.ground is None:
        return not_audited("the run did not come so far")
    return await audit_journals(operator, [course.ground.account_id])
