"""The choice of methods for convolutions: the fastest, once, kept on disk; a stand-in takes cuDNN's place."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from test_convolutions import CuDNN, expected, layer  # noqa: E402

from streamseg.device.cuda.convolutions.choice import MethodChoice, method_choice  # noqa: E402
from streamseg.device.cuda.convolutions.cudnn import Convolutions  # noqa: E402

HALF = layer(dtype=torch.float16)


class Stopwatch:
    """Seconds as they are given, by form and whether the engine was searched for.

    Attributes:
        measured: what was measured, in order, with "TF32" where float32 may be rounded.
    """

    def __init__(self, cudnn, **seconds):
        self._cudnn, self._seconds, self.measured = cudnn, seconds, []

    def __call__(self, work):
        calls = len(self._cudnn.calls)
        work()
        name = "fused" if len(self._cudnn.calls) > calls else "plain"
        name += "_searched" * torch.backends.cudnn.benchmark
        self.measured.append(name + " TF32" * torch.backends.cudnn.allow_tf32)
        return self._seconds[name]


@pytest.fixture
def cudnn(monkeypatch):
    def install(refuses=lambda *_: False):
        stand_in = CuDNN(refuses)
        monkeypatch.setattr(torch, "cudnn_convolution_add_relu", stand_in.add_relu)
        return stand_in

    return install


SECONDS = {"fused": 5.0, "plain": 4.0, "fused_searched": 1.0, "plain_searched": 3.0}


def method_of(choice):
    (method,) = choice._methods.values()
    return method


@pytest.mark.parametrize(
    "seconds, method",
    [
        ({}, "plain searched"),
        ({"fused": 2.0}, "fused searched"),
        ({"fused": 2.0, "fused_searched": 1.99}, "fused"),  # a search at each start must be worth it
        ({"plain_searched": 4.5}, "plain"),
    ],
)
def test_the_fastest_is_chosen(cudnn, seconds, method):
    choice, watch = MethodChoice(), Stopwatch(cudnn(), **(SECONDS | seconds))
    got = Convolutions(choice, watch).relu(*HALF, 1, 1)
    assert method_of(choice) == method and choice.seconds > 0
    assert torch.allclose(got.float(), expected(*(each.float() for each in HALF), 1), atol=2e-2)


def test_the_search_is_for_the_better_form_only(cudnn):
    watch = Stopwatch(cudnn(), **SECONDS)
    Convolutions(MethodChoice(), watch).relu(*HALF, 1, 1)
    assert watch.measured == ["fused", "plain", "plain_searched TF32"]


def test_float32_keeps_all_of_its_digits(cudnn):
    """And is always searched for: torch keeps the first engine that it was given."""
    watch, choice = Stopwatch(cudnn(), **SECONDS), MethodChoice()
    convolve = Convolutions(choice, watch).relu
    for _ in range(2):
        assert torch.allclose(convolve(*layer(), 1, 1), expected(*layer(), 1), atol=1e-5)
    assert watch.measured == ["fused_searched", "plain_searched"] and method_of(choice) == "fused searched"


def test_what_is_refused_is_not_chosen(cudnn):
    stand_in = cudnn(lambda *_: True)
    choice = MethodChoice()
    convolutions = Convolutions(choice, Stopwatch(stand_in, **SECONDS))
    for _ in range(3):
        convolutions.relu(*HALF, 1, 1)
    assert method_of(choice) == "plain searched" and len(stand_in.calls) == 1


def test_one_choice_for_all_networks_of_a_process(cudnn):
    choice, watch = MethodChoice(), Stopwatch(cudnn(), **SECONDS)
    for _ in range(2):
        Convolutions(choice, watch).relu(*HALF, 1, 1)
    assert len(watch.measured) == 3
    Convolutions(choice, watch).relu(*HALF, 2, 2)  # another kind
    assert len(watch.measured) == 6


def test_the_next_process_takes_it_from_the_disk(cudnn, tmp_path):
    path, stand_in = tmp_path / "choice.json", cudnn()
    first = MethodChoice(path)
    Convolutions(first, Stopwatch(stand_in, **SECONDS)).relu(*HALF, 1, 1)
    assert [file.name for file in tmp_path.iterdir()] == ["choice.json"]
    second, watch = MethodChoice(path), Stopwatch(stand_in)
    Convolutions(second, watch).relu(*HALF, 1, 1)
    assert watch.measured == [] and second.seconds == 0 and method_of(second) == method_of(first)


DAMAGED = [
    b"",
    b'{"version": 1, "methods": {"a',
    b"\xff\xfe",
    b"[]",
    b'{"version": 1, "methods": []}',
    b'{"methods": {}}',
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_is_as_none(tmp_path, content):
    path = tmp_path / "choice.json"
    path.write_bytes(content)
    choice = MethodChoice(path)
    assert choice.get("a") is None
    choice.set("a", "fused")
    assert MethodChoice(path).get("a") == "fused"


def test_a_method_of_another_name_is_as_none(cudnn, tmp_path):
    path = tmp_path / "choice.json"
    Convolutions(MethodChoice(path), Stopwatch(cudnn(), **SECONDS)).relu(*HALF, 1, 1)
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored["methods"] = dict.fromkeys(stored["methods"], "quantum")
    path.write_text(json.dumps(stored))
    got = Convolutions(MethodChoice(path), Stopwatch(cudnn())).relu(*HALF, 1, 1)
    assert torch.isfinite(got).all()


def test_processes_add_to_each_others_choices(tmp_path):
    one, other = (MethodChoice(tmp_path / "choice.json") for _ in range(2))
    one.set("a", "fused")
    other.set("b", "plain")
    assert [MethodChoice(tmp_path / "choice.json").get(kind) for kind in "ab"] == ["fused", "plain"]


def test_without_a_file_where_none_can_be_written(tmp_path):
    choice = MethodChoice(tmp_path / "nowhere" / "choice.json")
    choice.set("a", "fused")
    assert choice.get("a") == "fused" and list(tmp_path.iterdir()) == []


def test_each_gpu_and_each_version_has_a_file_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("STREAMSEG_CACHE", str(tmp_path))
    identities = ["NVIDIA H100 80GB HBM3 driver 13000 torch 2.11.0+cu130 cuDNN 91300", "another/driver"]
    for identity in identities:
        method_choice.cache_clear()
        method_choice(identity).set("a", identity)
    assert len(list((tmp_path / "convolutions").iterdir())) == 2
    method_choice.cache_clear()
    assert [method_choice(identity).get("a") for identity in identities] == identities
    assert method_choice(identities[0]) is method_choice(identities[0])
    method_choice.cache_clear()
