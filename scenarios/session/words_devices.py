"""The actions on devices as methods: their life cycle, their world, and what goes wrong with them."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack

from scenarios.session.spelling import Did, Selection, Size, Span, StepName, body
from scenarios.session.words import StepWords, Words

Flow = Literal["mqtt", "fuse", "studio", "south"]


class DeviceWords(Words):
    """What is done to devices, or happens to them. `devices` is a selection, or a list of selections."""

    async def register(  # noqa: PLR0913 - one argument a word
        self,
        *,
        fleet: str,
        count: int | None = None,
        file: str | None = None,
        product: str | None = None,
        f_version: str | None = None,
        s_version: str | None = None,
        connect: bool | None = None,
        flow: Flow | None = None,
        manufacturer: str | None = None,
        model: str | None = None,
        device: Mapping[str, Any] | None = None,
        faults: Sequence[Mapping[str, Any]] | None = None,
        **step: Unpack[StepWords],
    ) -> Did:
        """Register more devices, as a fleet of their own named `fleet`; the other words are those of a fleet."""
        return await self._do(
            "register",
            body(
                fleet=fleet,
                count=count,
                file=file,
                product=product,
                f_version=f_version,
                s_version=s_version,
                connect=connect,
                flow=flow,
                manufacturer=manufacturer,
                model=model,
                device=device,
                faults=faults,
            ),
            step,
        )

    async def replace_cards(self, *, devices: Selection, **step: Unpack[StepWords]) -> Did:
        """Put new cards in (B9)."""
        return await self._do("replace_cards", body(devices=devices), step)

    async def swap_cards(self, *, devices: Selection, **step: Unpack[StepWords]) -> Did:
        """Let devices swap their cards: the first with the second, the third with the fourth, and so on."""
        return await self._do("swap_cards", body(devices=devices), step)

    async def terminate(self, *, devices: Selection, **step: Unpack[StepWords]) -> Did:
        """Terminate devices (B10)."""
        return await self._do("terminate", body(devices=devices), step)

    async def create_again(self, *, devices: Selection, group: str, **step: Unpack[StepWords]) -> Did:
        """Register new devices under the names of terminated ones, as a group; each gets a new device ID (P12)."""
        return await self._do("create_again", body(devices=devices, group=group), step)

    async def move(self, *, devices: Selection, to: str, **step: Unpack[StepWords]) -> Did:
        """Move devices to another product of the account (P12)."""
        return await self._do("move", body(devices=devices, to=to), step)

    async def renew_keys(
        self, *, devices: Selection, told: bool | None = None, **step: Unpack[StepWords]
    ) -> Did:
        """Give devices new keys at the platform; with `told=False` they go on signing with the old ones."""
        return await self._do("renew_keys", body(devices=devices, told=told), step)

    async def reconnect(self, *, devices: Selection, **step: Unpack[StepWords]) -> Did:
        """Let devices go off and come back; they report their versions again."""
        return await self._do("reconnect", body(devices=devices), step)

    async def storm(self, *, devices: Selection, **step: Unpack[StepWords]) -> Did:
        """Cut the connections of devices; all come back at once."""
        return await self._do("storm", body(devices=devices), step)

    async def power_off(
        self, *, devices: Selection, for_: Span | None = None, **step: Unpack[StepWords]
    ) -> Did:
        """Take the power from devices; with `for_` they have it again after so much of their time."""
        return await self._do("power_off", body(devices=devices, for_=for_), step)

    async def power_on(self, *, devices: Selection, **step: Unpack[StepWords]) -> Did:
        """Give devices their power back."""
        return await self._do("power_on", body(devices=devices), step)

    async def set_devices(
        self,
        *,
        devices: Selection,
        battery: float | None = None,
        signal: float | None = None,
        storage: Size | None = None,
        mcu_storage: Size | None = None,
        **step: Unpack[StepWords],
    ) -> Did:
        """Change the world of devices from now on: battery and signal in per cent, storage as a size."""
        return await self._do(
            "set_devices",
            body(devices=devices, battery=battery, signal=signal, storage=storage, mcu_storage=mcu_storage),
            step,
        )

    async def fault(  # noqa: PLR0913 - one argument a word
        self,
        *,
        devices: Selection,
        what: str,
        at: Size | None = None,
        at_byte: Size | None = None,
        times: int | Literal["always"] | None = None,
        attempts: int | Literal["always"] | None = None,
        after: int | None = None,
        update: str | None = None,
        rate: Size | None = None,
        step: int | None = None,
        version: str | None = None,
        for_: Span | None = None,
        by: Span | None = None,
        boots: int | None = None,
        **words: Unpack[StepWords],
    ) -> Did:
        """Let something go wrong with devices from now on, beside what does already.

        `what` is a kind of fault, such as `cut` or `hang`; which of the other words it wants and takes is its own.
        """
        return await self._do(
            "fault",
            body(
                devices=devices,
                what=what,
                at=at,
                at_byte=at_byte,
                times=times,
                attempts=attempts,
                after=after,
                update=update,
                rate=rate,
                step=step,
                version=version,
                for_=for_,
                by=by,
                boots=boots,
            ),
            words,
        )

    async def clear_faults(
        self, *, by: StepName | None = None, devices: Selection | None = None, **step: Unpack[StepWords]
    ) -> Did:
        """Take off the faults of a step, or all of some devices, or, without both, all."""
        return await self._do("clear_faults", body(by=by, devices=devices), step)

    async def fail(
        self,
        *,
        devices: Selection,
        step: int | None = None,
        times: int | None = None,
        **words: Unpack[StepWords],
    ) -> Did:
        """Let the next `times` jobs of devices really fail with `step` (102-107 in the download, 202-207 after it)."""
        return await self._do("fail", body(devices=devices, step=step, times=times), words)

    async def inject(  # noqa: PLR0913 - one argument a word
        self,
        *,
        call: str | None = None,
        flow: Flow | Literal["any"] | None = None,
        devices: Selection | None = None,
        share: str | None = None,
        times: int | None = None,
        delay: Span | None = None,
        status: int | None = None,
        code: int | None = None,
        cut_at: Size | None = None,
        wrong_md5: bool | None = None,
        silent: bool | None = None,
        **step: Unpack[StepWords],
    ) -> Did:
        """Let the stub itself go wrong towards devices, until `clear_injected`."""
        return await self._do(
            "inject",
            body(
                call=call,
                flow=flow,
                devices=devices,
                share=share,
                times=times,
                delay=delay,
                status=status,
                code=code,
                cut_at=cut_at,
                wrong_md5=wrong_md5,
                silent=silent,
            ),
            step,
        )

    async def clear_injected(self, *, by: StepName | None = None, **step: Unpack[StepWords]) -> Did:
        """Let the stub go right again: take off what a step injected, or all of it."""
        return await self._do("clear_injected", body(by=by), step)
