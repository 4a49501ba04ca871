"""The two architectures: sizes as in the paper, stages that fit each other, the authors' names."""

from __future__ import annotations

import subprocess
import sys

import pytest

from streamseg.errors import OptionError
from streamseg.network.architecture import (
    U2NET,
    U2NETP,
    Architecture,
    architecture,
    convolution_names,
    convolutions,
    stage_layers,
)

BOTH = pytest.mark.parametrize("net", [U2NET, U2NETP], ids=lambda net: net.name)


@pytest.mark.parametrize(("net", "expected"), [(U2NETP, 1_131_181), (U2NET, 44_009_869)])
def test_parameter_count_equals_the_authors(net: Architecture, expected: int) -> None:
    count = 0
    for layer in convolutions(net):
        out, inner, height, width = layer.weight_shape
        count += out * inner * height * width + out
        count += 2 * out if layer.norm else 0
    assert count == expected


@BOTH
def test_stages_fit_each_other(net: Architecture) -> None:
    channels = net.encoder[0].out_channels
    for stage in net.encoder[1:]:
        assert stage.in_channels == channels
        channels = stage.out_channels
    for stage, skip in zip(net.decoder, net.encoder[-2::-1], strict=True):
        assert stage.in_channels == channels + skip.out_channels
        channels = stage.out_channels
    with_side_outputs = [*reversed(net.decoder), net.encoder[-1]]
    assert net.side_channels == tuple(stage.out_channels for stage in with_side_outputs)


@BOTH
def test_names_are_those_of_the_authors_in_execution_order(net: Architecture) -> None:
    names = convolution_names(net)
    assert len(names) == len(set(names)) == 119
    assert names[:2] == ("stage1.rebnconvin.conv_s1", "stage1.rebnconv1.conv_s1")
    assert names[13:15] == ("stage1.rebnconv1d.conv_s1", "stage2.rebnconvin.conv_s1")
    assert names[111:] == (
        "stage1d.rebnconv1d.conv_s1", "side1", "side2", "side3", "side4", "side5", "side6", "outconv",
    )  # fmt: skip


@BOTH
def test_dilations(net: Architecture) -> None:
    stages = {stage.name: [layer.dilation for layer in stage_layers(stage)] for stage in net.stages}
    assert stages["stage1"] == [1] * 7 + [2] + [1] * 6
    assert stages["stage4d"] == [1] * 4 + [2] + [1] * 3
    assert stages["stage6"] == stages["stage5d"] == [1, 1, 2, 4, 8, 4, 2, 1]


def test_unknown_model() -> None:
    assert architecture("u2net") is U2NET
    with pytest.raises(OptionError, match=r"'u2nett'.*u2net, u2netp"):
        architecture("u2nett")


def test_importing_the_packages_does_not_import_large_libraries() -> None:
    code = (
        "import sys, streamseg.network, streamseg.network.weights, streamseg.network.published, "
        "streamseg.device.cpu.openvino.network, streamseg.device.cpu.openvino.selfie\n"
        "print(sorted({'torch', 'openvino', 'cv2', 'safetensors'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
