"""The work counted from the architecture, against figures counted by hand and from the shapes of the convolutions."""

from __future__ import annotations

import pytest

from streamseg.network.architecture import U2NET, U2NETP, convolutions
from streamseg.network.work import network_work


def test_weight_bytes_are_those_of_the_architecture():
    expected = sum(layer.in_channels * layer.out_channels * layer.kernel**2 for layer in convolutions(U2NETP))
    assert network_work(U2NETP).weight_bytes == expected - 6  # the six weights of the fusion are not counted


@pytest.mark.parametrize("net", [U2NETP, U2NET])
def test_at_one_pixel_each_weight_is_multiplied_once(net):
    work = network_work(net, size=1)
    assert work.multiplications == work.weight_bytes


def test_work_grows_with_the_area_and_bytes_grow_with_the_type():
    small, large = network_work(U2NETP, 160), network_work(U2NETP, 320)
    assert large.multiplications == 4 * small.multiplications
    float32 = network_work(U2NETP, 320, value_bytes=4)
    assert float32.activation_bytes == 4 * large.activation_bytes
    assert float32.multiplications == large.multiplications


def test_the_lite_variant_saves_the_last_decoder_stage():
    stage_1d = 320**2 * 9 * (128 * 64 + 64 * 16 + 32 * 64)  # its convolutions at full resolution
    saved = network_work(U2NETP).multiplications - network_work(U2NETP, variant="lite").multiplications
    assert stage_1d < saved < 1.1 * stage_1d
