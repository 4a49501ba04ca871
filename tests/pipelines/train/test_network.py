"""The network in training: what it begins as, and what comes out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from streamseg.pipelines.train.network import (  # noqa: E402
    Average,
    from_random,
    from_state,
    from_weights,
    weights_of,
)
from streamseg.pipelines.train.objective import deep_supervision, normalise  # noqa: E402
from streamseg.pipelines.train.record import LAST, Record  # noqa: E402

from streamseg.network.architecture import U2NETP  # noqa: E402
from streamseg.network.u2net import from_folded  # noqa: E402
from streamseg.network.weights import load_weights, read_weights  # noqa: E402


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """Normalised images of smooth noise, [2, 3, 64, 64]."""
    torch.manual_seed(1)
    return normalise(torch.nn.functional.interpolate(torch.rand(2, 3, 8, 8), (64, 64), mode="bilinear"))


@pytest.fixture(scope="module")
def network(images: torch.Tensor):  # type: ignore[no-untyped-def]
    return from_weights(load_weights(), [images])


def test_unfolding_leaves_the_maps_as_they_are(network, images) -> None:  # type: ignore[no-untyped-def]
    weights = load_weights()
    before = from_folded(weights.architecture, weights.tensors)
    with torch.no_grad():
        for now, then in zip(network.logits(images), before.logits(images), strict=True):
            torch.testing.assert_close(now, then, atol=2e-3, rtol=1e-4)


def test_folding_back_gives_the_weights_that_were_unfolded(network) -> None:  # type: ignore[no-untyped-def]
    folded = weights_of(network).tensors
    for name, values in load_weights().tensors.items():
        np.testing.assert_allclose(folded[name], values, rtol=1e-4, atol=1e-4)


def test_directions_have_unit_norm(network) -> None:  # type: ignore[no-untyped-def]
    directions = [value for name, value in network.named_parameters() if name.endswith(".direction")]
    assert len(directions) == len([name for name in load_weights().tensors if name.endswith("conv_s1.weight")])
    norms = torch.cat([direction.detach().flatten(1).norm(dim=1) for direction in directions])
    assert ((norms - 1).abs() < 1e-4).float().mean() > 0.9  # a channel of zeros stays one


@pytest.mark.parametrize("scratch", [True, False])
def test_a_state_makes_the_network_again(network, images, scratch) -> None:  # type: ignore[no-untyped-def]
    model = from_random(U2NETP, 3) if scratch else network
    again = from_state(U2NETP, model.state_dict())
    with torch.no_grad():
        for a, b in zip(model.eval().logits(images), again.eval().logits(images), strict=True):
            assert torch.equal(a, b)
    trained = [[p.requires_grad for p in each.parameters()] for each in (model, again)]
    assert trained[0] == trained[1]
    model.train()


def test_the_same_seed_gives_the_same_weights_and_leaves_torchs_own_alone() -> None:
    torch.manual_seed(4)
    expected = torch.rand(1)
    torch.manual_seed(4)
    one, same, other = (weights_of(from_random(U2NETP, seed)).tensors["side1.weight"] for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_loss_is_the_sum_of_seven_cross_entropies() -> None:
    logits = [torch.full((2, 1, 4, 4), float(k)) for k in range(7)]
    masks = torch.full((2, 1, 4, 4), 0.25)
    total, fused = deep_supervision(logits, masks)
    expected = [np.log1p(np.exp(k)) - 0.25 * k for k in range(7)]
    assert fused.item() == pytest.approx(expected[0], rel=1e-5)
    assert total.item() == pytest.approx(sum(expected), rel=1e-5)


def test_an_average_lies_between_old_and_new() -> None:
    model = from_random(U2NETP, 0)
    average, follower = Average(model, 0.9), Average(model, 0.0)
    with torch.no_grad():
        model.side1.bias += 1
    average.update(model, 1000)
    follower.update(model, 1000)
    assert average.model.side1.bias.item() == pytest.approx(0.1)
    assert follower.model.side1.bias.item() == 1


def test_written_weights_are_what_the_option_weights_takes(network, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    Record(tmp_path / "run", resume=False, overwrite=False).weights(LAST, weights_of(network), {"steps": 1})
    read = read_weights(tmp_path / "run" / LAST)
    assert read.model == "u2netp"
    np.testing.assert_array_equal(read.tensors["outconv.weight"], load_weights().tensors["outconv.weight"])
