"""The actions on packages, tasks and jobs as methods, auto-add and webhook included."""

from collections.abc import Mapping
from typing import Any, Literal, Unpack

from scenarios.session.spelling import Did, Moment, Selection, Size, Span, StepName, body
from scenarios.session.words import StepWords, Words

Kind = Literal["FOTA", "SOTA"]


class TaskWords(Words):
    """What an operator does with packages and tasks. `of` is a step that created one: its id, or what it returned."""

    async def upload(
        self,
        *,
        kind: Kind,
        target: str,
        product: str | None = None,
        package: Size | None = None,
        from_: str | None = None,
        manufacturer: str | None = None,
        model: str | None = None,
        skip: bool | None = None,
        **step: Unpack[StepWords],
    ) -> Did:
        """Upload a package that no task uses yet; `skip` has its verification skipped.

        `package` is its size, such as `64 KiB`; with `from_` it is a differential one from that version.
        """
        return await self._do(
            "upload",
            body(
                kind=kind,
                target=target,
                product=product,
                package=package,
                from_=from_,
                manufacturer=manufacturer,
                model=model,
                skip=skip,
            ),
            step,
        )

    async def create_task(  # noqa: PLR0913 - one argument a word
        self,
        *,
        kind: Kind,
        target: str,
        devices: Selection | None = None,
        scope: Literal["chosen", "all"] | None = None,
        product: str | None = None,
        start_versions: str | list[str] | None = None,
        package: Size | None = None,
        from_: str | None = None,
        manufacturer: str | None = None,
        model: str | None = None,
        verification: Literal["skip", "open", "first"] | None = None,
        start_in: Span | None = None,
        start_at: Moment | None = None,
        expires: Span | None = None,
        retry: Mapping[str, Any] | None = None,
        signal: int | None = None,
        battery: int | None = None,
        notification: Literal["platform", "webhook"] | None = None,
        key: str | None = None,
        **step: Unpack[StepWords],
    ) -> Did:
        """Create an update task (B11) for `devices`, or with `scope="all"` for all of `product` that it fits.

        Its package is uploaded when no earlier step has done so. `retry` is `{"count": 3, "interval": "60s"}`, `key`
        the request's Idempotency-Key (P13).
        """
        return await self._do(
            "create_task",
            body(
                kind=kind,
                target=target,
                devices=devices,
                scope=scope,
                product=product,
                start_versions=start_versions,
                package=package,
                from_=from_,
                manufacturer=manufacturer,
                model=model,
                verification=verification,
                start_in=start_in,
                start_at=start_at,
                expires=expires,
                retry=retry,
                signal=signal,
                battery=battery,
                notification=notification,
                key=key,
            ),
            step,
        )

    async def retry_task(self, *, of: StepName, **step: Unpack[StepWords]) -> Did:
        """Create a task for the failed devices of a step's task (B12)."""
        return await self._do("retry_task", body(of=of), step)

    async def cancel_task(self, *, of: StepName, **step: Unpack[StepWords]) -> Did:
        """Cancel the open jobs of a step's task (P9)."""
        return await self._do("cancel_task", body(of=of), step)

    async def pause_task(self, *, of: StepName, **step: Unpack[StepWords]) -> Did:
        """Hold a step's task back: devices don't begin with it any more."""
        return await self._do("pause_task", body(of=of), step)

    async def resume_task(self, *, of: StepName, **step: Unpack[StepWords]) -> Did:
        """Let a step's paused task go on."""
        return await self._do("resume_task", body(of=of), step)

    async def cancel_jobs(self, *, of: StepName, devices: Selection, **step: Unpack[StepWords]) -> Did:
        """Cancel some devices' jobs of a step's task (P9)."""
        return await self._do("cancel_jobs", body(of=of, devices=devices), step)

    async def wait_jobs(
        self, *, of: StepName | None = None, devices: Selection | None = None, **step: Unpack[StepWords]
    ) -> Did:
        """Wait until no device that is there has an open job: of a step's task, or of any; of some devices, or all."""
        return await self._do("wait_jobs", body(of=of, devices=devices), step)

    async def auto_add(
        self,
        *,
        of: StepName | None = None,
        kind: Kind | None = None,
        target: str | None = None,
        product: str | None = None,
        package: Size | None = None,
        from_: str | None = None,
        start_versions: str | list[str] | None = None,
        off: bool | None = None,
        **step: Unpack[StepWords],
    ) -> Did:
        """Let the package of a step's task, or one by kind and target, take in every later device that fits (P15)."""
        return await self._do(
            "auto_add",
            body(
                of=of,
                kind=kind,
                target=target,
                product=product,
                package=package,
                from_=from_,
                start_versions=start_versions,
                off=off,
            ),
            step,
        )

    async def set_webhook(
        self,
        *,
        passes: bool | None = None,
        failing: int | None = None,
        off: bool | None = None,
        **step: Unpack[StepWords],
    ) -> Did:
        """Name a webhook of the session's own; `failing` is how many pushes it answers with HTTP 503 first."""
        return await self._do("set_webhook", body(passes=passes, failing=failing, off=off), step)

    async def parallel(self, *steps: Mapping[str, Any], **step: Unpack[StepWords]) -> Did:
        """Do several steps at once, each written as in `step`; each is judged by itself."""
        return await self._do("parallel", [dict(each) for each in steps], step)
