"""Tasks, policies and injected faults as they are written, read into what is asked of the platform.

Whether they can be is judged before, in `scenarios.loader.task_steps`.
"""

from typing import TypeVar

from msgspec import UnsetType

from platform_stub.protocol import operator as api
from scenarios import model, play, terms, units
from scenarios.selection import parse_selection

T = TypeVar("T")


def or_default(value: T | UnsetType, default: T) -> T:
    """Take a value, or what stands for it when it was left out."""
    return default if isinstance(value, UnsetType) else value


def read_devices(texts: terms.DeviceList) -> play.Devices:
    """Read one selection or several."""
    return tuple(parse_selection(text) for text in ([texts] if isinstance(texts, str) else texts))


def read_create_task(task: model.CreateTask) -> play.CreateTask:
    """Read a task."""
    return play.CreateTask(
        package=play.PackageFacts(
            product=or_default(task.product, play.DEFAULT_PRODUCT) if task.scope == "all" else None,
            kind=task.kind,
            target=task.target,
            size_bytes=units.read_size(str(task.package)),
            start_version=or_default(task.start_version, None),
            manufacturer=or_default(task.manufacturer, ""),
            model=or_default(task.model, ""),
        ),
        devices=() if isinstance(task.devices, UnsetType) else read_devices(task.devices),
        verification=task.verification,
        scope=task.scope,
        start_versions=read_start_versions(task.start_versions),
        start_in_ms=_span(task.start_in),
        start_at_ms=None if isinstance(task.start_at, UnsetType) else units.read_moment_ms(task.start_at),
        expires_ms=units.read_span_ms(task.expires),
        retry=None if isinstance(task.retry, UnsetType) else read_retry(task.retry),
        signal=task.signal,
        battery=task.battery,
        notification=task.notification,
        key=or_default(task.key, ""),
    )


def read_upload(upload: model.Upload) -> play.Upload:
    """Read a package to upload."""
    return play.Upload(
        package=play.PackageFacts(
            product=or_default(upload.product, play.DEFAULT_PRODUCT),
            kind=upload.kind,
            target=upload.target,
            size_bytes=units.read_size(str(upload.package)),
            start_version=or_default(upload.start_version, None),
            manufacturer=or_default(upload.manufacturer, ""),
            model=or_default(upload.model, ""),
        ),
        skip=upload.skip,
    )


def read_auto_add(policy: model.AutoAdd) -> play.AutoAdd:
    """Read an auto-add policy."""
    package = None
    if isinstance(policy.of, UnsetType):
        assert not isinstance(policy.kind, UnsetType)
        assert not isinstance(policy.target, UnsetType)
        package = play.PackageFacts(
            product=or_default(policy.product, play.DEFAULT_PRODUCT),
            kind=policy.kind,
            target=policy.target,
            size_bytes=units.read_size(str(or_default(policy.package, terms.PACKAGE_DEFAULT))),
            start_version=or_default(policy.start_version, None),
        )
    return play.AutoAdd(
        package_of=or_default(policy.of, None),
        package=package,
        start_versions=read_start_versions(policy.start_versions),
        off=policy.off,
    )


def read_start_versions(versions: terms.StartVersionList | UnsetType) -> play.StartVersions:
    """Read versions that devices may come from."""
    if isinstance(versions, UnsetType):
        return None
    listed = [versions] if isinstance(versions, str) else versions
    return tuple(None if version == terms.NEVER else version for version in listed)


def read_retry(retry: model.Retry) -> api.Retry:
    """Read what devices may try again."""
    return api.Retry(count=retry.count, interval_s=units.read_span_ms(retry.interval) // 1_000)


def read_fault(fault: model.Inject) -> api.InjectFault:
    """Read an injected fault; whom it is for is told apart, share included, as device IDs are not known yet."""
    return api.InjectFault(
        call=fault.call,
        generation=fault.flow,
        times=or_default(fault.times, None),
        delay_ms=_span(fault.delay) or 0,
        status=or_default(fault.status, None),
        code=or_default(fault.code, None),
        cut_at_bytes=None if isinstance(fault.cut_at, UnsetType) else _bytes(fault.cut_at),
        wrong_md5=fault.wrong_md5,
        silent=fault.silent,
    )


def _bytes(size: terms.WireSize) -> int:
    return size if isinstance(size, int) else units.read_size(size)


def _span(text: str | UnsetType) -> int | None:
    return None if isinstance(text, UnsetType) else units.read_span_ms(text)
