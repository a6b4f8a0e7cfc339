"""All devices of a run and what happened to them, packed small for the page's script. Pure.

JSON, deflated, as base64 text, which `report.js` reads. Texts stand once, in `texts`; a device is a row of `COLUMNS`,
numbers that point there; an entry is three numbers: milliseconds since the one before it, a row of `keys` (what, step,
text), and how the job's id differs from the one before.
"""

import base64
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from device_sim.recorder import ANSWER, REPORT
from scenarios.results import DeviceStory, PlayResult, StoryEntry

COLUMNS: Final = (
    "id", "play", "name", "fleet", "flow", "f_version", "s_version", "state", "stage", "why", "is_cut", "entries",
)  # fmt: skip
ENTRIES_MAX: Final = 600_000
"""So many entries a page holds. With more, each device has its share, and one that is well no reports and answers."""
ENTRIES_MIN: Final = 12
"""So many of a device are kept in any case."""
_TALK: Final = frozenset({REPORT, ANSWER})


class _Texts:
    """Texts by number, each once."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def of(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))


class _Keys:
    """What entries say, by number: most devices say the same."""

    def __init__(self, texts: _Texts) -> None:
        self._texts = texts
        self._numbers: dict[tuple[str, int, str], int] = {}
        self.rows: list[tuple[int, int, int]] = []

    def of(self, entry: StoryEntry) -> int:
        key = (entry.what, entry.step, entry.text)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.rows)
            self.rows.append((self._texts.of(entry.what), entry.step, self._texts.of(entry.text)))
        return number


def pack_devices(plays: Sequence[PlayResult]) -> str:
    """Pack the devices of all plays; the text needs no escaping in HTML."""
    texts = _Texts()
    keys = _Keys(texts)
    counts = [len(device.entries) for play in plays for device in play.story.devices]
    most = None if sum(counts) <= ENTRIES_MAX else max(ENTRIES_MIN, ENTRIES_MAX // len(counts))
    rows = list(_rows(plays, texts, keys, most))
    document = {
        "columns": COLUMNS,
        "plays": [play.name for play in plays],
        "ends": [_end_ms(play) for play in plays],
        "keys": keys.rows,
        "texts": list(texts.numbers),
        "devices": rows,
    }
    body = msgspec.json.encode(document)
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(packer.compress(body) + packer.flush()).decode()


def _end_ms(play: PlayResult) -> int:
    """Give when the play was over, or the last that happened in it, if that was later."""
    last = [device.entries[-1].ms for device in play.story.devices if device.entries]
    return max([int(play.seconds * 1_000), *last])


def _rows(
    plays: Sequence[PlayResult], texts: _Texts, keys: _Keys, most: int | None
) -> Iterator[tuple[object, ...]]:
    number = texts.of
    for at, play in enumerate(plays):
        for device in play.story.devices:
            entries = device.entries if most is None else _thinned(device, most)
            yield (
                device.device_id,
                at,
                device.name,
                number(device.fleet),
                number(device.flow),
                number(device.f_version),
                number(device.s_version),
                number(device.state),
                number(device.stage),
                number(device.why),
                int(device.is_cut or len(entries) < len(device.entries)),
                _entries(entries, keys),
            )


def _thinned(device: DeviceStory, most: int) -> Sequence[StoryEntry]:
    """Leave out what is missed least: the talk of a device that is well, and the oldest of a story that is too long."""
    if device.is_well:
        return [entry for entry in device.entries if entry.what not in _TALK][-most:]
    return device.entries[-most:]


def _entries(entries: Iterable[StoryEntry], keys: _Keys) -> list[int]:
    flat: list[int] = []
    ms = tid = 0
    for entry in entries:
        flat += (entry.ms - ms, keys.of(entry), entry.tid - tid)
        ms, tid = entry.ms, entry.tid
    return flat
