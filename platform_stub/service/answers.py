"""What a use case answers when it does not do what was asked, and how the rules' refusals are worded.

The rules give a `Refusal`, which the operator reads as a `Rejection`; a device reads a `protocol.calls.Refused`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from platform_stub.protocol.operator import ErrorCode
from platform_stub.rules.refusals import TEXT_EN, TEXT_ZH, Offenders, Reason, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """An answer that is no: a code, a text for a person, details for a program. Nothing has changed."""

    code: ErrorCode
    message: str
    details: Mapping[str, object] = field(default_factory=dict)


_CODES: Final = MappingProxyType(
    {
        Reason.IDEMPOTENCY_CONFLICT: ErrorCode.IDEMPOTENCY_CONFLICT,
        Reason.MALFORMED: ErrorCode.MALFORMED,
        Reason.NOT_SUBSCRIBED: ErrorCode.NOT_SUBSCRIBED,
        Reason.ARREARS: ErrorCode.ARREARS,
        Reason.PACKAGE_UNKNOWN: ErrorCode.PACKAGE_UNKNOWN,
        Reason.PACKAGE_NOT_VERIFIED: ErrorCode.PACKAGE_NOT_VERIFIED,
        Reason.DEVICES_UNUSABLE: ErrorCode.DEVICES_UNUSABLE,
        Reason.DEVICES_BUSY: ErrorCode.DEVICES_BUSY,
        Reason.LICENCES_INSUFFICIENT: ErrorCode.LICENCES_INSUFFICIENT,
        Reason.BALANCE_INSUFFICIENT: ErrorCode.BALANCE_INSUFFICIENT,
        Reason.NOT_REFUNDABLE: ErrorCode.NOT_REFUNDABLE,
        Reason.ALREADY_SUBSCRIBED: ErrorCode.CONFLICT,
    }
)
_TEXTS: Final = MappingProxyType(
    {
        Reason.IDEMPOTENCY_CONFLICT: "this Idempotency-Key was used with another body (P13); use a new key",
        Reason.MALFORMED: "the request is malformed",
        Reason.NOT_SUBSCRIBED: "the account has not subscribed to the OTA service (B5); subscribing costs nothing",
        Reason.ARREARS: "the account is in arrears and can't use the OTA service (B16); top up first",
        Reason.PACKAGE_UNKNOWN: "the account has no such package",
        Reason.PACKAGE_NOT_VERIFIED: "the package is not verified; verify it on one device, or skip that on purpose",
        Reason.NOT_REFUNDABLE: "a purchased licence can't be cancelled or refunded (B15)",
        Reason.ALREADY_SUBSCRIBED: "the account is subscribed already",
    }
)


def reject(refusal: Refusal) -> Rejection:
    """Word a refusal of the rules for the operator."""
    code = _CODES[refusal.reason]
    match refusal.reason:
        case Reason.LICENCES_INSUFFICIENT:
            return Rejection(code=code, message=_licences_text(refusal), details=_licence_details(refusal))
        case Reason.BALANCE_INSUFFICIENT:
            message = f"the purchase costs {refusal.needed} fen, the balance is {refusal.available} fen (P11)"
            details = {"needed_fen": refusal.needed, "available_fen": refusal.available}
            return Rejection(code=code, message=message, details=details)
        case Reason.DEVICES_UNUSABLE:
            return _reject_devices(code, "can't be in this task (P7)", refusal.offenders)
        case Reason.DEVICES_BUSY:
            return _reject_devices(code, "have an open job of this kind (P8)", refusal.offenders)
        case reason:
            return Rejection(code=code, message=_TEXTS[reason])


def _licences_text(refusal: Refusal) -> str:
    return (
        f"{TEXT_ZH}: {TEXT_EN}: needed {refusal.needed}, available {refusal.available}, "
        f"missing {refusal.missing} (B13); nothing was deducted"
    )


def _licence_details(refusal: Refusal) -> dict[str, object]:
    return {
        "needed": refusal.needed,
        "available": refusal.available,
        "missing": refusal.missing,
        "text_zh": TEXT_ZH,
        "text_en": TEXT_EN,
    }


def _reject_devices(code: ErrorCode, what: str, offenders: Offenders) -> Rejection:
    shown = ", ".join(f"{device} ({why})" for device, why in offenders.first[:3])
    more = offenders.count - min(3, len(offenders.first))
    message = f"{offenders.count} of the devices {what}: {shown}{f' and {more} more' if more else ''}"
    details: dict[str, object] = {
        "device_ids": [device for device, _ in offenders.first],
        "reasons": {str(device): why for device, why in offenders.first},
        "more": offenders.count - len(offenders.first),
    }
    return Rejection(code=code, message=message, details=details)


def not_found(what: str, which: object) -> Rejection:
    """Answer that a thing named in the path does not exist."""
    return Rejection(code=ErrorCode.NOT_FOUND, message=f"there is no {what} {which}", details={what: which})


def conflict(message: str) -> Rejection:
    """Answer that the present state does not allow it."""
    return Rejection(code=ErrorCode.CONFLICT, message=message)


def malformed(message: str, **details: object) -> Rejection:
    """Answer that the request says something that can't be."""
    return Rejection(code=ErrorCode.MALFORMED, message=message, details=details)
