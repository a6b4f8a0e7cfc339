"""Card numbers of simulated devices: a hash of (seed, device, how many cards it had), so that a run is its seed."""

import hashlib
from typing import Final

_ICCID_DIGITS: Final = 20
_IMSI_DIGITS: Final = 15


def card_of(seed: int, device: int, generation: int) -> tuple[str, str]:
    """Give the (ICCID, IMSI) of a device's n-th card, 0 for the first."""
    digest = hashlib.sha256(f"card/{seed}/{device}/{generation}".encode()).digest()
    digits = str(int.from_bytes(digest)).zfill(70)
    return ("898604" + digits[:14])[:_ICCID_DIGITS], ("46004" + digits[20:30])[:_IMSI_DIGITS]
