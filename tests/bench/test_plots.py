import re
from xml.etree import ElementTree as ET

import pytest

from bench.plots import DRAWN, PALETTE, TEXT, draw_all
from tests.bench.parts import line, part

SIZES = (1_000, 10_000)
PARTS = [
    part(
        "brokers",
        [
            line(side, at, jobs_s=(9_000.0, 9_500.0), cpu_us=(50.0, 60.0))
            for side in ("ours", "mosquitto")
            for at in SIZES
        ],
    ),
    part(
        "clients",
        [
            line("ours", 2_000, devices=(2_000,), cpu_us=(70.0,), kb=(3.0,)),
            line("locust", 2_000, devices=(327,), cpu_us=(800.0,), kb=(62.0,)),
        ],
    ),
    part("tasks", [line(side, at, create_ms=(2.0, 3.0)) for side in ("ours", "raw") for at in SIZES]),
    part("postgres", [line(side, at, create_ms=(5.0,)) for side in ("ours", "copy") for at in SIZES]),
    part(
        "fleets",
        [
            line("ours", at, stub_us=(300.0,), fleet_us=(200.0,), stub_kb=(3.2,), fleet_kb=(2.0,))
            for at in SIZES
        ],
    ),
    part(
        "load",
        [
            line(side, at, p50_ms=(5.0,), p95_ms=(9.0,), p99_ms=(12.0,))
            for side in ("ours-rate", "ours-loop")
            for at in (1, 20)
        ],
    ),
]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("img")
    return {path.stem: path.read_text() for path in draw_all(PARTS, folder / "new")}


def test_each_plot_is_a_small_svg_with_a_title(drawn):
    assert set(drawn) == set(DRAWN)
    for text in drawn.values():
        root = ET.fromstring(text)  # noqa: S314 - it is ours
        assert root.find("{http://www.w3.org/2000/svg}title").text
        assert len(text) < 60_000


def test_the_same_figures_give_the_same_bytes(drawn, tmp_path):
    assert {path.stem: path.read_text() for path in draw_all(PARTS, tmp_path)} == drawn


def test_text_stays_text_and_names_who_was_measured(drawn):
    assert "mosquitto 1.0" in drawn["brokers"]
    assert "stops at 327 devices" in drawn["clients"]
    assert "copy 1.0" in drawn["creation"]
    assert ">10,000<" in drawn["fleets"]


def test_nothing_is_drawn_of_a_part_that_was_not_measured(tmp_path):
    assert [
        path.name
        for path in draw_all([part("tasks", [line(at=10, create_ms=(1.0,))]), part("brokers")], tmp_path)
    ] == ["creation.svg"]


def contrast(one, other):
    def light(colour):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05

    high, low = sorted((light(one), light(other)), reverse=True)
    return high / low


@pytest.mark.parametrize("page", ["#ffffff", "#0d1117"])
def test_all_colours_can_be_seen_on_a_light_and_on_a_dark_page(page, drawn):
    assert contrast(TEXT, page) > 4
    assert min(contrast(colour, page) for colour in PALETTE) > 3
    for text in drawn.values():
        assert not re.search(r"(?:fill|stroke): ?#(?:000000|ffffff)", text)
