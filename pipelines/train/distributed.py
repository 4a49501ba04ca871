"""Several processes that train one network, as torchrun starts them; and one, which is the same with nobody else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from streamseg.errors import OptionError, UnsupportedDevice

__all__ = ["Processes", "joined", "synchronise"]


@dataclass(frozen=True)
class Processes:
    """Which process this is, of how many, and where it computes."""

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the one that validates, writes and reports."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """``model`` such that gradients are the mean over all processes."""
        if self.count == 1:
            return model
        return DistributedDataParallel(model)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            dist.barrier()

    def any(self, value: bool) -> bool:
        """Whether it is so in any process."""
        if self.count == 1:
            return value
        flag = torch.tensor(int(value), device=self.device)
        dist.all_reduce(flag, dist.ReduceOp.MAX)
        return bool(flag.item())

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes."""
        if self.count > 1:
            values = values.clone()
            dist.all_reduce(values)
        return values / self.count


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """The processes of torchrun, by its environment variables; by gloo on a CPU and NCCL on GPUs.

    Raises:
        OptionError: ``device`` is none of auto, cpu and cuda.
        UnsupportedDevice: a GPU was asked for and there is none.
    """
    rank, count = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    chosen = _device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if count > 1:
        if chosen.type == "cuda":
            torch.cuda.set_device(chosen)
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", rank=rank, world_size=count)
    try:
        yield Processes(rank, count, chosen)
    finally:
        if count > 1:
            dist.destroy_process_group()


def _device(name: str, local_rank: int) -> torch.device:
    if name not in ("auto", "cpu", "cuda"):
        raise OptionError(f"--device {name}: expected auto, cpu or cuda")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise UnsupportedDevice("--device cuda: torch finds no GPU here; --device cpu trains without one")
    return torch.device("cuda", local_rank) if there and name != "cpu" else torch.device("cpu")


def synchronise(model: nn.Module, processes: Processes) -> None:
    """Give ``model`` batch norms with the statistics of all processes' images: torch's own on GPUs, ours on CPUs."""
    if processes.count == 1:
        return
    convert: Any = nn.SyncBatchNorm.convert_sync_batchnorm
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                on_gpu = processes.device.type == "cuda"
                module.add_module(name, convert(child) if on_gpu else _SynchronisedBatchNorm.of(child))


class _Sum(torch.autograd.Function):
    """Sum over the processes; its gradient is summed likewise, for each process has a part of the loss."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        out = values.clone()
        dist.all_reduce(out)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        out = gradients[0].clone()
        dist.all_reduce(out)
        return out


class _SynchronisedBatchNorm(nn.BatchNorm2d):
    """Batch norm over the images of all processes, each with as many; torch has it for GPUs only."""

    @classmethod
    def of(cls, norm: nn.BatchNorm2d) -> _SynchronisedBatchNorm:
        new = cls(norm.num_features, norm.eps, norm.momentum).to(norm.weight)
        new.load_state_dict(norm.state_dict())
        return new.train(norm.training)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        count = dist.get_world_size() * x.numel() // x.shape[1]
        mean = _sum(values.sum((0, 2, 3))) / count
        centred = values - mean[:, None, None]
        variance = _sum(centred.square().sum((0, 2, 3))) / count
        self._remember(mean.detach(), variance.detach() * count / max(count - 1, 1))
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        assert self.num_batches_tracked is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        self.num_batches_tracked += 1


def _sum(values: Tensor) -> Tensor:
    out: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
    return out
