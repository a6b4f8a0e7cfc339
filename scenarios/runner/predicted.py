"""The book's predictions in the words of what is seen. Pure."""

from platform_stub.protocol.operator import ErrorCode
from scenarios.auditor.holder import Prediction
from scenarios.results import Seen


def seen_of(prediction: Prediction, devices: int) -> Seen:
    """Spell a prediction about a task as what is seen of one."""
    if prediction.accepted:
        return Seen(
            outcome="created",
            devices=devices,
            needed=prediction.needed,
            available=prediction.available,
            missing=0,
            deducted=prediction.deducted,
            deducted_purchased=prediction.deducted_purchased,
            deducted_free=prediction.deducted_free,
            left=prediction.left,
        )
    reason = prediction.reason
    assert reason is not None
    if reason is not ErrorCode.LICENCES_INSUFFICIENT:
        return Seen(outcome="refused", reason=reason.value, devices=devices)
    return Seen(
        outcome="refused",
        reason=reason.value,
        devices=devices,
        needed=prediction.needed,
        available=prediction.available,
        missing=prediction.missing,
    )


def plain(prediction: Prediction) -> Seen:
    """Spell a prediction about anything else."""
    if prediction.reason is None:
        return Seen()
    return Seen(outcome="refused", reason=prediction.reason.value)
