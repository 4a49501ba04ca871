"""Work counted from the table, against figures found by hand and by the convolutions' own shapes."""

from __future__ import annotations

import pytest

from streamseg.network.architecture import U2NET, U2NETP, convolutions
from streamseg.network.work import network_work


def test_weights_are_those_of_the_table():
    expected = sum(layer.in_channels * layer.out_channels * layer.kernel**2 for layer in convolutions(U2NETP))
    assert network_work(U2NETP).weight_bytes == expected - 6  # the fusion's six are no work of their own


@pytest.mark.parametrize("net", [U2NETP, U2NET])
def test_at_one_pixel_each_weight_multiplies_once(net):
    work = network_work(net, size=1)
    assert work.multiplications == work.weight_bytes


def test_work_grows_with_the_area_and_the_bytes_with_the_type():
    small, large = network_work(U2NETP, 160), network_work(U2NETP, 320)
    assert large.multiplications == 4 * small.multiplications
    wide = network_work(U2NETP, 320, value_bytes=4)
    assert wide.activation_bytes == 4 * large.activation_bytes and wide.multiplications == large.multiplications


def test_the_stage_without_detail_is_half_of_the_work():
    stage_1d = 320**2 * 9 * (128 * 64 + 64 * 16 + 32 * 64)  # what it does at full resolution
    saved = network_work(U2NETP).multiplications - network_work(U2NETP, detail=False).multiplications
    assert stage_1d < saved < 1.1 * stage_1d
