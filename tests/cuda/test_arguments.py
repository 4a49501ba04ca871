"""What a kernel gets for the numbers and the memory that it is launched with."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from streamseg.device.cuda.platform import CUDAPlatform  # noqa: E402


@pytest.fixture
def passed(monkeypatch):
    """What CuPy gets for the arguments of a launch."""
    launches = []
    platform = CUDAPlatform.__new__(CUDAPlatform)
    platform._function = lambda kernel: lambda grid, block, arguments: launches.append((grid, block, arguments))
    monkeypatch.setattr(platform, "_cupy_stream", nullcontext)

    def passed(*arguments):
        platform.launch("kernel", (65, 9), *arguments)
        grid, block, got = launches.pop()
        assert (grid, block) == ((3, 2), (32, 8))
        return got

    return passed


@pytest.mark.parametrize("value", [0.75, np.float32(0.75), np.float64(0.75), np.float16(0.75)], ids=repr)
def test_floats_are_passed_as_float32(passed, value):
    (got,) = passed(value)
    assert type(got) is np.float32 and got == 0.75


@pytest.mark.parametrize("value", [7, np.int32(7), np.int64(7), np.uint8(7), np.uint64(7)], ids=repr)
def test_integers_are_passed_as_int32(passed, value):
    (got,) = passed(value)
    assert type(got) is np.int32 and got == 7


@pytest.mark.parametrize("value", [1 << 31, np.int64(1 << 31), np.uint32(1 << 31)], ids=repr)
def test_integers_that_are_too_large_are_refused(passed, value):
    with pytest.raises(OverflowError):
        passed(value)


def test_memory_is_passed_as_its_address(passed):
    memory = torch.zeros(4)
    assert passed(memory, None, True) == (memory.data_ptr(), 0, 1)


@pytest.mark.parametrize("value", ["7", np.zeros(2, np.float32)], ids=["text", "array"])
def test_other_values_are_refused(passed, value):
    with pytest.raises(TypeError):
        passed(value)
