"""A second reading of the charging rules, written from their text and sharing no code with the platform.

`predict` says beforehand what each action must answer; `audit_database` recomputes afterwards, from a platform's
journal and tables, that nothing was lost, given away or charged twice (I1-I7).
"""

from scenarios.auditor.database import audit_database
from scenarios.auditor.findings import AuditReport, Finding

__all__ = ["AuditReport", "Finding", "audit_database"]
