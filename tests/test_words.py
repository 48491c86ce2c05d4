import math

from ace3d_fast.words import (
    count,
    decimal,
    interval,
    percent,
    probability,
    seconds,
    signed,
    significant,
)

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"


def test_numbers_are_rounded_and_signs_are_printed():
    assert decimal(0.437) == "0.44"
    assert signed(0.437) == "+0.44"
    assert signed(-1) == f"{MINUS}1.00"
    assert significant(-0.0012345) == f"{MINUS}0.00123"
    assert percent(0.875) == "88 %"
    assert percent(0.99914, 2) == "99.91 %"
    assert interval(-0.1, 0.25) == f"[{MINUS}0.10, +0.25]"
    assert interval(0.5, 1, decimal) == "[0.50, 1.00]"


def test_what_was_not_computed_is_a_dash():
    for write in (decimal, signed, significant, percent, probability, seconds):
        assert write(None) == write(math.nan) == DASH
    assert interval(math.nan, 1) == ""


def test_zero_has_no_sign():
    assert signed(-0.004) == signed(0.004) == signed(0) == "0.00"
    assert decimal(-0.001) == "0.00"
    assert signed(-0.005001) == f"{MINUS}0.01"


def test_small_p_values_keep_their_size():
    assert probability(0.0312) == "0.031"
    assert probability(0.001) == "0.001"
    assert probability(0.00024) == "0.0002"


def test_long_times_are_told_in_minutes():
    assert seconds(9.96) == "10.0 s"
    assert seconds(75.2) == "1 min 15 s"
    assert seconds(119.7) == "2 min 0 s"


def test_one_has_no_plural():
    assert count(1, "video") == "1 video"
    assert count(1234, "video") == "1,234 videos"
