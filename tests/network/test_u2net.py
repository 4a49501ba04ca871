"""The torch network: parameter names, outputs, and folding."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")

from streamseg.network.architecture import U2NETP, convolutions  # noqa: E402
from streamseg.network.u2net import U2Net, fold_batch_norm, from_folded  # noqa: E402


@pytest.fixture(scope="module")
def network():  # type: ignore[no-untyped-def]
    """U²-Net† in evaluation mode with batch norms far from the identity and maps that are not flat."""
    torch.manual_seed(3)
    model = U2Net(U2NETP)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.normal_(norm.bias, 0, 0.3)
    with torch.no_grad():
        model(torch.randn(2, 3, 96, 96))
    for norm in norms:
        norm.running_mean += 0.1 * torch.randn_like(norm.running_mean)
        norm.running_var *= 0.7 + 0.6 * torch.rand_like(norm.running_var)
    return model.eval()


def test_parameters_are_those_of_the_authors() -> None:
    model = U2Net(U2NETP)
    assert sum(parameter.numel() for parameter in model.parameters()) == 1_131_181
    expected = set()
    for layer in convolutions(U2NETP):
        expected |= {f"{layer.name}.{part}" for part in ("weight", "bias")}
        if layer.norm:
            parts = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
            expected |= {f"{layer.norm}.{part}" for part in parts}
    assert set(model.state_dict()) == expected


def test_training_returns_seven_logits_and_reaches_every_parameter() -> None:
    model = U2Net(U2NETP).train()
    outputs = model(torch.randn(2, 3, 70, 64))  # 70 halves to odd sizes
    assert [tuple(output.shape) for output in outputs] == [(2, 1, 70, 64)] * 7
    sum(output.square().mean() for output in outputs).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_evaluation_returns_the_fused_map(network) -> None:  # type: ignore[no-untyped-def]
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        saliency, logits = network(image), network.logits(image)
    assert saliency.shape == (1, 1, 64, 64)
    torch.testing.assert_close(saliency, torch.sigmoid(logits[0]))
    assert saliency.std() > 0.01


def test_folded_equals_unfolded(network) -> None:  # type: ignore[no-untyped-def]
    exact = copy.deepcopy(network).double()  # float32 rounding errors grow through a hundred layers
    image = torch.randn(2, 3, 75, 100, dtype=torch.float64)
    with torch.no_grad():
        expected, got = exact.logits(image), fold_batch_norm(exact).logits(image)
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
        assert one.std() > 0.01


def test_folding_does_not_change_the_original_and_removes_all_batch_norms(network) -> None:  # type: ignore[no-untyped-def]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    folded = fold_batch_norm(network)
    assert {name.rpartition(".")[0] for name in folded.state_dict()} == {layer.name for layer in convolutions(U2NETP)}
    after = network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_from_folded_copies_its_tensors(network) -> None:  # type: ignore[no-untyped-def]
    folded = fold_batch_norm(network)
    tensors = {name: value.numpy().copy() for name, value in folded.state_dict().items()}
    again = from_folded(U2NETP, tensors)
    tensors["outconv.bias"][:] = 9
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(again(image), folded(image))
