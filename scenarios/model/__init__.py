"""What an author writes, as structs: the scenario language, version 1.

Amounts, spans, moments and selections are still text here, and an expectation may be given per variant;
`scenarios.play` is what becomes of it. The JSON Schema for editors and for the loader is made from these definitions,
so each field has its meaning here. What spans several fields (an undefined group, say) is judged by
`scenarios.loader.meaning`.
"""

from scenarios.model.actions import (
    AutoAdd,
    CancelJobs,
    ClearInjected,
    CreateAgain,
    CreateTask,
    Fail,
    Grant,
    Inject,
    MaybeOfStep,
    Move,
    OfStep,
    OnDevices,
    Posting,
    Retry,
    SetWebhook,
    WaitJobs,
)
from scenarios.model.expect import (
    Expect,
    ExpectDeliveries,
    ExpectDistribution,
    ExpectEntitlements,
    ExpectJobs,
    ExpectNotices,
    ExpectVersions,
)
from scenarios.model.scenario import ACTIONS, COUNTS, CREATING, STATES, Scenario, Step
from scenarios.model.start import Account, CsvDevice, Fleet, Policy, Product, Variant

__all__ = [
    "ACTIONS",
    "COUNTS",
    "CREATING",
    "STATES",
    "Account",
    "AutoAdd",
    "CancelJobs",
    "ClearInjected",
    "CreateAgain",
    "CreateTask",
    "CsvDevice",
    "Expect",
    "ExpectDeliveries",
    "ExpectDistribution",
    "ExpectEntitlements",
    "ExpectJobs",
    "ExpectNotices",
    "ExpectVersions",
    "Fail",
    "Fleet",
    "Grant",
    "Inject",
    "MaybeOfStep",
    "Move",
    "OfStep",
    "OnDevices",
    "Policy",
    "Posting",
    "Product",
    "Retry",
    "Scenario",
    "SetWebhook",
    "Step",
    "Variant",
    "WaitJobs",
]
