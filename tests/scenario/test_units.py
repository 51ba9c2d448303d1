"""Units as people write them: sizes, prefixes, products, powers, and what is none."""

import pytest

from simulator.units import Unit, base_value, ratio


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1 GB", 1e9),
        ("1 GiB", 2.0**30),
        ("400 Gbit/s", 5e10),
        ("2 days", 172_800.0),
        ("2 d", 172_800.0),
        ("1 y", 31_557_600.0),
        ("3 kW h", 1.08e7),
        ("3 kW*h", 1.08e7),
        ("814 mm²", 8.14e-4),
        ("814 mm**2", 8.14e-4),
        ("5 ns/m", 5e-9),
        ("7.2 USD / W / y", 7.2 / 31_557_600),
        ("0.06 $/kWh", 0.06 / 3.6e6),
        ("2 kUSD", 2e3),
        ("1.5 Mtokens", 1.5e6),
        ("4 /d", 4 / 86_400),
        ("2 %", 0.02),
        ("369 gCO2e/kWh", 0.369 / 3.6e6),
        ("3 µs", 3e-6),
        ("3 us", 3e-6),
        ("2 s**0.5", 2.0),
    ],
)
def test_a_quantity_is_read_in_base_units(written, value):
    assert base_value(written)[0] == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    "written",
    ["400 Gb/s", "5 gilbert", "1 ds", "3 s**(9**9**9)", "3 m//s", "3 *s", "3 B*", "3 kk", "3 k", "1 s" + " s" * 60],
)
def test_what_is_no_unit_is_refused(written):
    with pytest.raises(ValueError, match="expected a"):
        base_value(written)


def test_of_several_words_the_one_that_is_no_unit_is_named():
    with pytest.raises(ValueError, match="unknown unit 'ago'"):
        Unit("second", "time", "90 min").parse("5 mins ago")


def test_units_of_one_kind_have_a_ratio_whatever_they_are_made_of():
    assert ratio("kWh", "J") == 3.6e6
    assert ratio("W s", "J") == 1.0
    assert ratio("B/s/B", "1/h") == pytest.approx(3600)
    with pytest.raises(ValueError, match="two units of one kind"):
        ratio("W", "J")
