"""Card numbers follow from the seed, and look like card numbers."""

from scenarios.cards import card_of


def test_a_run_is_its_seed():
    assert card_of(1, 5, 0) == card_of(1, 5, 0)
    assert (
        len({card_of(seed, device, n) for seed in range(3) for device in range(50) for n in range(3)}) == 450
    )


def test_they_look_like_card_numbers():
    iccid, imsi = card_of(1, 1, 0)
    assert (len(iccid), len(imsi)) == (20, 15)
    assert (iccid[:6], imsi[:5]) == ("898604", "46004")
    assert iccid.isdecimal()
    assert imsi.isdecimal()
