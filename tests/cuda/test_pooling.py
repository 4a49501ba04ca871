"""Max pooling without indices, against torch's."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from streamseg.device.cuda.convolutions.pooling import MaxPooling, max_pool  # noqa: E402


def activations(*shape, dtype=torch.float16, device="cpu"):
    """As a ReLU leaves them: many zeros, some of them negative ones."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype).relu_()
    values[values == 0] *= torch.where(torch.rand((values == 0).sum()) < 0.5, -1, 1).to(dtype)
    return values.contiguous(memory_format=torch.channels_last).to(device)


@pytest.mark.parametrize("shape", [(1, 64, 20, 20), (3, 16, 5, 7), (2, 2, 1, 1), (1, 6, 9, 33)], ids=str)
def test_it_equals_torchs(platform, shape):
    x = activations(*shape, device=platform.device)
    got = MaxPooling(platform.launch)(x)
    assert torch.equal(got.float(), max_pool(x.float()))
    assert got.dtype == x.dtype and got.is_contiguous(memory_format=torch.channels_last)


def test_the_largest_numbers_and_those_that_are_none(platform):
    x = torch.tensor([[0.5, float("inf"), 0.1, float("nan")], [6e-8, 65504, 6e-8, 0.2]], dtype=torch.float16)
    pair = torch.stack((x, x.flip(1)))[None].to(platform.device).contiguous(memory_format=torch.channels_last)
    got = MaxPooling(platform.launch)(pair)[0, :, 0].tolist()
    assert got[0][0] == got[1][1] == float("inf") and got[0][1] != got[0][1] and got[1][0] != got[1][0]


@pytest.mark.parametrize(
    "x", [activations(1, 64, 6, 6, dtype=torch.float32), activations(1, 3, 6, 6), torch.ones(1, 4, 6, 6).half()]
)
def test_what_the_kernel_is_not_for_is_left_to_torch(platform, x):
    """Float32, an odd number of channels, and channels first."""

    def launch(*_):
        raise AssertionError

    assert torch.equal(MaxPooling(launch)(x.to(platform.device)).cpu().float(), max_pool(x.float()))
