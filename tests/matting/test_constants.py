"""The constants as a header for the C and CUDA kernels."""

from __future__ import annotations

import re

import pytest

from streamseg.matting import constants

DEFINES = re.findall(r"^#define (\w+) (\S+)$", constants.c_header(), re.MULTILINE)
PUBLIC = {name: value for name, value in vars(constants).items() if name.isupper() and not name.startswith("_")}


def test_the_header_has_one_define_for_each_public_constant_and_nothing_else():
    lines = [line for line in constants.c_header().splitlines() if line.strip() and not line.startswith("/*")]
    assert len(lines) == len(DEFINES)
    assert sorted(name for name, _ in DEFINES) == sorted(PUBLIC)


@pytest.mark.parametrize("name, literal", DEFINES)
def test_a_define_has_the_value_of_its_constant(name, literal):
    """Whole numbers as they are; floats end in f and have a point or an exponent, without which C refuses the f."""
    value = PUBLIC[name]
    if isinstance(value, int):
        assert re.fullmatch(r"-?\d+", literal)
        assert int(literal) == value
    else:
        assert re.fullmatch(r"-?(\d+\.\d+|\d+(\.\d+)?e[+-]?\d+)f", literal)
        assert float(literal.removesuffix("f")) == value
