"""The convolutions in Triton, run by its interpreter, against torch; and the choice between the two."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

os.environ.setdefault("TRITON_INTERPRET", "1")  # before the kernels are imported; on a GPU set it to 0
pytest.importorskip("triton", reason="no Triton, whose interpreter runs the kernels")

import torch.nn.functional as F  # noqa: E402, N812
from stand_in_triton import StandInKernels, layer_by_torch  # noqa: E402

from streamseg.device.cuda.convolutions.choice import MethodChoice  # noqa: E402
from streamseg.device.cuda.convolutions.layers import Layers  # noqa: E402
from streamseg.device.cuda.convolutions.triton_kernels import convolve, packed  # noqa: E402
from streamseg.device.cuda.network import FusedNetwork  # noqa: E402
from streamseg.network.weights import load_weights  # noqa: E402

DEVICE = "cpu" if os.environ["TRITON_INTERPRET"] == "1" else "cuda"


def image(*shape, seed=0):
    """As a ReLU leaves it, float16, channels last."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).relu_().to(torch.float16)
    return values.contiguous(memory_format=torch.channels_last).to(DEVICE)


def parameters(outputs, inputs):
    """Weight and bias in float16; sums are of the order of 1."""
    rng = torch.Generator().manual_seed(outputs + inputs)
    weight = torch.randn((outputs, inputs, 3, 3), generator=rng) / (9 * inputs) ** 0.5
    return weight.half().to(DEVICE), torch.randn(outputs, generator=rng).half().to(DEVICE)


#: Images, input channels, those of the skip connection, outputs, rows, columns, dilation, residual, pooled. All but two
#: are one tile: the interpreter is slow.
CASES = {
    "the first layer, three channels": (1, 3, 0, 64, 4, 7, 1, False, True),
    "several images and tiles, dilated": (2, 16, 0, 16, 4, 9, 2, False, False),
    "more channels than one block": (1, 80, 0, 16, 4, 5, 1, True, False),
    "more outputs than one block": (1, 16, 0, 80, 3, 5, 1, False, True),
    "dilated by more than the image": (1, 16, 0, 16, 4, 4, 8, False, False),
    "a skip connection of the same size": (1, 16, 16, 16, 3, 7, 4, True, False),
    "an upsampled image and a skip connection": (1, 16, 16, 16, 4, 8, 1, True, True),
    "a large tile": (1, 16, 16, 16, 26, 4, 1, False, True),
}


@pytest.mark.parametrize("case", CASES)
def test_it_equals_torch(case):
    count, channels, more, outputs, rows, columns, dilation, with_residual, pooled = CASES[case]
    doubled = rows % 2 == columns % 2 == 0 and more > 0
    x = image(count, channels, *((rows // 2, columns // 2) if doubled else (rows, columns)))
    skip = image(count, more, rows, columns, seed=1) if more else None
    residual = image(count, outputs, rows, columns, seed=2) if with_residual else None
    weight, bias = parameters(outputs, channels + more)
    got, maxima = convolve(x, packed(weight), bias, dilation, skip, residual, pooled)
    expected = layer_by_torch(x, weight, bias, dilation, skip, residual)
    assert got.is_contiguous(memory_format=torch.channels_last) and len(expected.unique()) > 10
    assert (got.float() - expected.float()).abs().max() < 8e-3  # two steps of numbers between 4 and 8
    if pooled:
        assert torch.equal(maxima.float(), F.max_pool2d(got.float(), 2, 2, ceil_mode=True))
    else:
        assert maxima is None


COMPILED = """
import triton
from triton.backends.compiler import GPUTarget
from streamseg.device.cuda.convolutions import triton_kernels as kernels
kernel, names = kernels._convolve, kernels._convolve.arg_names
constants = dict(x_count=64, skip_count=64, outputs=64, dilation=1)
constants |= dict(is_doubled=True, has_residual=False, is_pooled=False)
constants |= dict(tile_rows=8, tile_columns=16, block_in=kernels._MOST_INPUTS, block_out=kernels._MOST_OUTPUTS)
types = {name: "i32" if name.endswith(("rows", "columns")) else "*fp16" for name in names}
types |= dict.fromkeys(constants, "constexpr")
aligned = {(number,): [["tt.divisibility", 16]] for number, name in enumerate(names) if types[name] == "*fp16"}
source = triton.compiler.ASTSource(kernel, types, constants, aligned)
compiled = triton.compile(source, target=GPUTarget("cuda", 86, 32))
print(compiled.metadata.shared, "mma.sync" in compiled.asm["ptx"], ".local" in compiled.asm["ptx"])
"""


def test_the_largest_kernel_fits_into_shared_memory(tmp_path, pytestconfig):
    """Compiled without a GPU, in a process without the interpreter, for the generation that has the least: 99 KB."""
    cache = getattr(pytestconfig, "cache", None)  # none with -p no:cacheprovider
    folder = tmp_path if cache is None else cache.mkdir("triton")
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(folder)}
    command = [sys.executable, "-P", "-W", "ignore", "-c", COMPILED]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    shared, on_tensor_cores, in_local_memory = done.stdout.split()
    assert int(shared) <= 99 << 10 and (on_tensor_cores, in_local_memory) == ("True", "False")


def run(layers, x, weight, bias, **options):
    """One layer; torch's side gives zeros, so that it can be told apart."""

    def zeros():
        return torch.zeros_like(x[:, : len(weight)]), None

    given = {"skip": None, "residual": None, "pooled": False} | options
    return layers.run(zeros, x, weight, bias, 1, **given)[0].any().item()


def test_without_a_measured_choice_torch_does_it():
    weight, bias = parameters(16, 16)
    assert not run(Layers(MethodChoice()), image(1, 16, 6, 6), weight, bias)


@pytest.mark.parametrize("seconds, triton_is_faster", [((2.0, 1.0), True), ((1.0, 2.0), False)])
def test_the_faster_is_chosen_and_kept(tmp_path, seconds, triton_is_faster):
    weight, bias = parameters(16, 16)
    layers, times = Layers(MethodChoice(tmp_path / "choice.json")), iter(seconds)
    with layers.measuring(lambda work: work() and next(times)):
        assert run(layers, image(1, 16, 6, 6), weight, bias) == triton_is_faster
        assert run(layers, image(1, 16, 6, 6), weight, bias) == triton_is_faster  # not measured again
    again = Layers(MethodChoice(tmp_path / "choice.json"))
    assert run(again, image(1, 16, 6, 6), weight, bias) == triton_is_faster
    assert not run(again, image(1, 16, 8, 8), weight, bias)  # another kind


@pytest.mark.parametrize(
    "x, skip",
    [
        (image(1, 16, 6, 6).float(), None),
        (image(1, 16, 6, 6).contiguous(), None),
        (image(1, 16, 3, 3), image(1, 16, 5, 5)),
    ],
    ids=["float32", "channels first", "enlarged by another factor"],
)
def test_what_the_kernel_is_not_for_is_not_measured(x, skip):
    weight, bias = parameters(16, 16 if skip is None else 32)
    layers = Layers(MethodChoice())
    with layers.measuring(lambda work: pytest.fail("measured")):
        assert not run(layers, x, weight, bias, skip=skip)


def test_the_network_is_the_same_with_all_layers_as_a_whole(monkeypatch):
    """All but the two in float32; torch takes the kernel's place, which would take a minute."""
    kernels = StandInKernels()
    monkeypatch.setitem(sys.modules, "streamseg.device.cuda.convolutions.triton_kernels", kernels)
    network = FusedNetwork(load_weights(), torch.device("cpu"))
    x = torch.rand((1, 64, 64, 3), generator=torch.Generator().manual_seed(3)).permute(0, 3, 1, 2)
    expected = network(x)
    assert not kernels.count
    network.layers._choice.get = lambda kind: "triton"
    assert (network(x) - expected).abs().max() < 5e-3
    assert kernels.count == 110
