"""Convolutions that cuDNN computes in one call, and those that it refuses; a stand-in takes cuDNN's place."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

import torch.nn.functional as F  # noqa: E402, N812
from stand_in_graphs import CapturingPlatform, GraphGPU  # noqa: E402

from streamseg.device.cuda.convolutions.cudnn import Convolutions  # noqa: E402
from streamseg.device.cuda.network import CapturedNetwork, FusedNetwork  # noqa: E402
from streamseg.errors import DeviceError  # noqa: E402
from streamseg.network.weights import load_weights  # noqa: E402

# As torch words them: the first from the heuristics, the second from cuDNN's frontend.
REFUSALS = [
    "GET was unable to find an engine to execute this computation",
    "CUDNN_BACKEND_OPERATION: Failed Finalize Descriptor cudnn_status: CUDNN_STATUS_NOT_SUPPORTED",
]


class CuDNN:
    """Computes what it does not refuse; like cuDNN, it must not be asked for what it refuses during a capture.

    Attributes:
        calls: kinds of the convolutions that it was asked for, in order.
        zeros: the z that each convolution was given.
        capturing: whether a capture is going on.
    """

    capturing = False

    def __init__(self, refuses, message=REFUSALS[0]):
        self._refuses, self._message = refuses, message
        self.calls, self.zeros = [], []

    def add_relu(self, x, weight, z, alpha, bias, stride, padding, dilation, groups):
        """relu(convolution + alpha·z + bias), all of it computed, also where alpha is 0."""
        assert (stride, groups) == ([1, 1], 1)
        self.calls.append((tuple(x.shape), tuple(weight.shape), dilation[0], x.dtype))
        if self._refuses(x, weight, dilation[0]):
            if self.capturing:
                raise torch.AcceleratorError("CUDA error: operation not permitted when stream is capturing")
            raise RuntimeError(self._message)
        convolved = F.conv2d(x.float(), weight.float(), padding=padding, dilation=dilation)
        assert z.shape == convolved.shape and z.dtype == x.dtype
        assert z.is_contiguous(memory_format=torch.channels_last)  # else torch copies it
        self.zeros.append(z)
        summed = convolved + alpha * z.float() + bias.float()[:, None, None]
        return torch.where(summed > 0, summed, 0 * summed).to(x.dtype)  # a NaN stays one


@pytest.fixture
def cudnn(monkeypatch):
    """In the place of cuDNN, refusing what a function of input, weight and dilation says."""

    def install(refuses, message=REFUSALS[0]):
        stand_in = CuDNN(refuses, message)
        monkeypatch.setattr(torch, "cudnn_convolution_add_relu", stand_in.add_relu)
        return stand_in

    return install


@pytest.fixture
def capturing(host, monkeypatch):
    """A platform that captures, with a stand-in for cuDNN that must notice."""

    def make(stand_in):
        gpu = GraphGPU(monkeypatch)
        monkeypatch.setattr(type(stand_in), "capturing", property(lambda _: gpu.capturing))
        return CapturingPlatform(host.library)

    return make


def layer(inputs=4, outputs=6, size=12, dtype=torch.float32, seed=0):
    """Input, weight and bias; channels last, as in the network."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn((1, inputs, size, size), generator=rng).to(dtype)
    weight = torch.randn((outputs, inputs, 3, 3), generator=rng).to(dtype) / 6
    return (
        x.contiguous(memory_format=torch.channels_last),
        weight.contiguous(memory_format=torch.channels_last),
        torch.randn(outputs, generator=rng).to(dtype),
    )


def expected(x, weight, bias, dilation):
    return torch.relu(F.conv2d(x, weight, bias, padding=dilation, dilation=dilation))


@pytest.mark.parametrize("message", REFUSALS)
def test_a_refusal_is_remembered_by_its_kind(cudnn, message):
    """By input shape, weight shape, dilation and dtype: another kind is asked for, the same one never again."""
    stand_in, convolve = cudnn(lambda *_: True, message), Convolutions().relu
    kinds = [
        (layer(), 1),
        (layer(), 2),
        (layer(size=14), 1),
        (layer(outputs=8), 1),
        (layer(dtype=torch.float64), 1),
    ]
    for number, (given, dilation) in enumerate(kinds, 1):
        for _ in range(3):
            got = convolve(*given, dilation, dilation)
            assert torch.equal(got, expected(*given, dilation))
        assert len(stand_in.calls) == number
    assert len(set(stand_in.calls)) == len(kinds)


def test_what_is_not_refused_is_always_computed_in_one_call(cudnn):
    stand_in, convolve = cudnn(lambda x, weight, dilation: dilation == 2), Convolutions().relu
    given = layer()
    for _ in range(3):
        for dilation in (1, 2):
            got = convolve(*given, dilation, dilation)
            assert torch.allclose(got, expected(*given, dilation), atol=1e-5)
    assert [call[2] for call in stand_in.calls] == [1, 2, 1, 1]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("CUDA error: unknown")])
def test_other_errors_are_no_refusals(error, monkeypatch):
    def failing(*_):
        raise error

    monkeypatch.setattr(torch, "cudnn_convolution_add_relu", failing)
    convolve = Convolutions().relu
    for _ in range(2):
        with pytest.raises(type(error)) as caught:
            convolve(*layer(), 1, 1)
        assert caught.value is error


def test_nothing_that_is_refused_is_asked_for_inside_a_capture(cudnn, capturing):
    """The layers likeliest to be refused: those in float32, and the first, of three channels."""
    stand_in = cudnn(lambda x, weight, dilation: x.dtype == torch.float32 or x.shape[1] == 3)
    platform = capturing(stand_in)
    network = FusedNetwork(load_weights(), platform.device)
    network._convolutions = Convolutions()
    captured = CapturedNetwork(network, platform, platform.stream(), 1, 64)
    asked = {call: stand_in.calls.count(call) for call in stand_in.calls}
    refused = [call for call in asked if call[3] == torch.float32 or call[0][1] == 3]
    assert len(refused) == 3 and all(asked[call] == 1 for call in refused)
    assert np.isfinite(captured.outputs[:1].numpy()).all()


class Forgetful(Convolutions):
    def relu(self, *arguments):
        return Convolutions().relu(*arguments)


def test_asked_for_inside_a_capture_it_would_fail(cudnn, capturing):
    """The stand-in notices: without a memory the network does not open."""
    stand_in = cudnn(lambda x, weight, dilation: x.shape[1] == 3)
    platform = capturing(stand_in)
    network = FusedNetwork(load_weights(), platform.device)
    network._convolutions = Forgetful()
    with pytest.raises(DeviceError, match="operation not permitted when stream is capturing"):
        CapturedNetwork(network, platform, platform.stream(), 1, 64)


def test_no_memory_is_read_that_nobody_has_written(cudnn, monkeypatch):
    """New memory is full of NaN: neither a result nor a z may have any, whatever the order of sizes."""
    empty = torch.empty

    def poisoned(*arguments, **options):
        memory = empty(*arguments, **options)
        return memory.fill_(float("nan")) if memory.dtype.is_floating_point else memory

    monkeypatch.setattr(torch, "empty", poisoned)
    stand_in, convolve = cudnn(lambda *_: False), Convolutions().relu
    for size, dtype in [(8, torch.float16), (20, torch.float16), (12, torch.float32), (8, torch.float16)]:
        assert torch.isfinite(convolve(*layer(size=size, dtype=dtype), 1, 1)).all()
    assert not any(z.any() for z in stand_in.zeros)


def test_all_layers_share_one_z(cudnn):
    """A graph names its memory: what one was captured with stays where it is when a larger one is needed."""
    stand_in, convolve = cudnn(lambda *_: False), Convolutions().relu
    for size in (16, 12, 8, 20, 16):
        convolve(*layer(size=size), 2, 2)
    first, *smaller, larger, again = (z.data_ptr() for z in stand_in.zeros)
    assert set(smaller) == {first} and larger != first and again == first


def test_the_network_in_fused_calls_equals_the_one_on_the_host(cudnn):
    cudnn(lambda *_: False)
    weights = load_weights()
    network, plain = (FusedNetwork(weights, torch.device("cpu")) for _ in range(2))
    network._convolutions = Convolutions()
    image = torch.randn((1, 96, 96, 3), generator=torch.Generator().manual_seed(1)).permute(0, 3, 1, 2)
    assert (network(image) - plain(image)).abs().max() < 2e-3


def test_nans_that_others_have_left_in_memory_change_nothing(gpu):
    """The allocator gives the network memory that was freed full of NaN."""
    network = FusedNetwork(load_weights(), gpu.device)
    image = torch.randn((1, 320, 320, 3), device=gpu.device).permute(0, 3, 1, 2)
    network(image)  # methods are chosen, and z is there
    clean = network(image)
    for dtype in (torch.float16, torch.float32):
        sizes = [1 << bits for bits in range(16, 25) for _ in range(4)]
        blocks = [torch.full((size,), float("nan"), dtype=dtype, device=gpu.device) for size in sizes]
        del blocks
        assert torch.equal(network(image), clean)
