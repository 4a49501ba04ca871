"""U²-Net and U²-Net† as plain data; the torch module and the OpenVINO graph are both built from it.

Source: X. Qin et al., "U²-Net: Going Deeper with Nested U-Structure for Salient Object Detection",
Pattern Recognition 106 (2020), fig. 5 and the two configurations under it. "†" is written "p" in code:
U²-Net† is ``U2NETP``.

Names are those of the authors' state dicts, so that their files load by name:
``stage1.rebnconvin.conv_s1`` with its batch norm ``stage1.rebnconvin.bn_s1``, …, ``side1`` … ``side6``,
``outconv``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from streamseg.errors import OptionError

__all__ = [
    "ARCHITECTURES",
    "BATCH_NORM_EPSILON",
    "INPUT_SIZE",
    "MEAN",
    "STD",
    "U2NET",
    "U2NETP",
    "Architecture",
    "Convolution",
    "Stage",
    "Variant",
    "architecture",
    "convolution_names",
    "convolutions",
    "stage_layers",
]

Block = Literal["RSU7", "RSU6", "RSU5", "RSU4", "RSU4F"]
#: "full" runs all stages; "lite" leaves out the last decoder stage, the only one at full resolution, and takes half the
#: time for a map that is no finer than one of half the size.
Variant = Literal["full", "lite"]

BATCH_NORM_EPSILON = 1e-5
#: Side of the square input that the published weights were trained for, in pixels.
INPUT_SIZE = 320
# ImageNet statistics of RGB in [0, 1], which the authors' ToTensorLab subtracts and divides by.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Stage:
    """One residual U-block (RSU, paper section 3.1).

    Attributes:
        name: the authors' attribute name, such as ``stage1`` or ``stage5d``.
        block: RSU-L by its height L; ``RSU4F`` dilates where the others pool.
        in_channels, mid_channels, out_channels: C_in, M and C_out of the paper.
    """

    name: str
    block: Block
    in_channels: int
    mid_channels: int
    out_channels: int

    @property
    def height(self) -> int:
        """L: the number of encoder convolutions after the input one."""
        return int(self.block[3])

    @property
    def pooled(self) -> bool:
        """False for RSU4F, which keeps its input's resolution throughout."""
        return self.block != "RSU4F"


@dataclass(frozen=True)
class Architecture:
    """A whole network: six encoder stages, five decoder stages, six side outputs and their fusion.

    Attributes:
        name: ``u2net`` or ``u2netp``.
        encoder: stages 1 to 6, in that order.
        decoder: stages 5d to 1d, in the order in which they run.
        side_channels: channels that side1 … side6 read (from stages 1d … 5d and 6).
    """

    name: str
    encoder: tuple[Stage, ...]
    decoder: tuple[Stage, ...]
    side_channels: tuple[int, ...]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages in the order in which they run."""
        return self.encoder + self.decoder


@dataclass(frozen=True)
class Convolution:
    """One convolution with stride 1 that keeps the size of its input.

    Attributes:
        name: prefix of its tensors, such as ``stage1.rebnconvin.conv_s1``.
        norm: prefix of the batch norm (and ReLU) after it, or None for ``side*`` and ``outconv``.
    """

    name: str
    norm: str | None
    in_channels: int
    out_channels: int
    kernel: int = 3
    dilation: int = 1

    @property
    def padding(self) -> int:
        """Zeros on each side of the input."""
        return self.dilation * (self.kernel // 2)

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """Shape [out, in, kernel, kernel] of the weight."""
        return self.out_channels, self.in_channels, self.kernel, self.kernel


U2NET = Architecture(
    "u2net",
    encoder=(
        Stage("stage1", "RSU7", 3, 32, 64),
        Stage("stage2", "RSU6", 64, 32, 128),
        Stage("stage3", "RSU5", 128, 64, 256),
        Stage("stage4", "RSU4", 256, 128, 512),
        Stage("stage5", "RSU4F", 512, 256, 512),
        Stage("stage6", "RSU4F", 512, 256, 512),
    ),
    decoder=(
        Stage("stage5d", "RSU4F", 1024, 256, 512),
        Stage("stage4d", "RSU4", 1024, 128, 256),
        Stage("stage3d", "RSU5", 512, 64, 128),
        Stage("stage2d", "RSU6", 256, 32, 64),
        Stage("stage1d", "RSU7", 128, 16, 64),
    ),
    side_channels=(64, 64, 128, 256, 512, 512),
)

U2NETP = Architecture(
    "u2netp",
    encoder=(
        Stage("stage1", "RSU7", 3, 16, 64),
        Stage("stage2", "RSU6", 64, 16, 64),
        Stage("stage3", "RSU5", 64, 16, 64),
        Stage("stage4", "RSU4", 64, 16, 64),
        Stage("stage5", "RSU4F", 64, 16, 64),
        Stage("stage6", "RSU4F", 64, 16, 64),
    ),
    decoder=(
        Stage("stage5d", "RSU4F", 128, 16, 64),
        Stage("stage4d", "RSU4", 128, 16, 64),
        Stage("stage3d", "RSU5", 128, 16, 64),
        Stage("stage2d", "RSU6", 128, 16, 64),
        Stage("stage1d", "RSU7", 128, 16, 64),
    ),
    side_channels=(64, 64, 64, 64, 64, 64),
)

ARCHITECTURES = {net.name: net for net in (U2NET, U2NETP)}


def architecture(model: str) -> Architecture:
    """The architecture called ``model``.

    Raises:
        OptionError: no network has this name.
    """
    if model not in ARCHITECTURES:
        raise OptionError(f"unknown model {model!r}: choose one of {', '.join(sorted(ARCHITECTURES))}")
    return ARCHITECTURES[model]


def stage_layers(stage: Stage) -> tuple[Convolution, ...]:
    """The convolutions of one RSU in the order in which they run (paper fig. 2e; dilations of fig. 5).

    ``rebnconvin``, ``rebnconv1`` … ``rebnconvL`` going down, ``rebnconv(L-1)d`` … ``rebnconv1d`` coming up.
    """
    return tuple(_stage_layers(stage))


def _stage_layers(stage: Stage) -> Iterator[Convolution]:
    mid, out, height = stage.mid_channels, stage.out_channels, stage.height
    yield _layer(stage, "in", stage.in_channels, out, 1)
    for level in range(1, height + 1):
        yield _layer(stage, f"{level}", out if level == 1 else mid, mid, _dilation(stage, level))
    for level in range(height - 1, 0, -1):
        yield _layer(stage, f"{level}d", 2 * mid, out if level == 1 else mid, _dilation(stage, level))


def _dilation(stage: Stage, level: int) -> int:
    """RSU4F dilates by 1, 2, 4, 8 at its four levels; the others only at the bottom, by 2."""
    if not stage.pooled:
        return int(2 ** (level - 1))
    return 2 if level == stage.height else 1


def _layer(stage: Stage, suffix: str, in_channels: int, out_channels: int, dilation: int) -> Convolution:
    prefix = f"{stage.name}.rebnconv{suffix}"
    return Convolution(f"{prefix}.conv_s1", f"{prefix}.bn_s1", in_channels, out_channels, dilation=dilation)


def convolutions(net: Architecture) -> tuple[Convolution, ...]:
    """All convolutions in execution order: the stages', then side1 … side6, then outconv."""
    layers = [layer for stage in net.stages for layer in stage_layers(stage)]
    sides = [Convolution(f"side{k}", None, width, 1) for k, width in enumerate(net.side_channels, 1)]
    return *layers, *sides, Convolution("outconv", None, len(sides), 1, kernel=1)


def convolution_names(net: Architecture) -> tuple[str, ...]:
    """Names of :func:`convolutions`, such as ``stage1.rebnconvin.conv_s1`` … ``side6``, ``outconv``."""
    return tuple(layer.name for layer in convolutions(net))
