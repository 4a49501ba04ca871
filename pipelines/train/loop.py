"""A training run: steps, validation and checkpoints, in one process or in several."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from streamseg.errors import InputError, StreamsegError
from streamseg.network.architecture import architecture
from streamseg.network.u2net import U2Net, from_folded

from .batches import Batch, Batches, batches_from
from .checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from .distributed import Processes, synchronise
from .network import Average, from_random, from_state, from_weights, weights_of
from .objective import Teacher, deep_supervision, normalise, weights_named
from .record import BEST, LAST, Record, Step
from .settings import Settings
from .sources import open_sources
from .validation import Sample, Validation

__all__ = ["Run"]

#: Images that the statistics of given weights are measured on.
MEASURED = 100
_AT_ONCE = 4
# Steps of a number that no run reaches: their images are not learnt from in that order again.
_ASIDE = 1 << 40
# So many images of a batch are shown in samples.
_SHOWN = 8


class Run:
    """Everything that a run has in memory.

    Args:
        settings: what is asked for.
        processes: which process this is.
        record: the folder that is written to.
        resume: whether to go on from the checkpoint in that folder.

    Raises:
        InputError: data that is missing or does not match, or a checkpoint that is missing or damaged.
        WeightsError: weights that do not fit.
        OptionError: a run to be resumed that had other settings.
    """

    def __init__(self, settings: Settings, processes: Processes, record: Record, resume: bool) -> None:
        self._settings, self._processes, self._record = settings, processes, record
        self._device = processes.device
        sources = open_sources(settings)
        self._data = [source.summary for source in sources]
        self._batches = Batches(settings, sources, processes.rank, processes.count)
        self._validation = Validation(settings.validate, settings.measured_sizes)
        self._teacher = self._open_teacher()
        self.step, self._seconds, self._best = 0, 0.0, -1.0
        before = load_checkpoint(record.folder) if resume else None
        if before is not None:
            settings.check_same(before.fixed, (before.processes, processes.count))
        self._model = self._begin(before)
        self._average = Average(self._model, settings.average)
        self._shared: Any = processes.wrap(self._model)
        trained = [parameter for parameter in self._model.parameters() if parameter.requires_grad]
        self._optimiser = torch.optim.Adam(trained, lr=settings.rate)
        if before is not None:
            self._restore(before)
        self._autocast = _bfloat16(settings.precision, self._device)

    def _begin(self, before: Checkpoint | None) -> U2Net:
        settings, net = self._settings, architecture(self._settings.model)
        if before is not None:
            model = from_state(net, before.model)
        elif settings.init is None:
            model = from_random(net, settings.seed)
        else:
            model = from_weights(weights_named(settings.init, settings.model), self._images_aside())
        model.to(self._device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        synchronise(model, self._processes)
        return model

    def _images_aside(self) -> Iterator[Tensor]:
        """Normalised images to measure statistics on; the same in all processes, however many there are."""
        aside = Batches(replace(self._settings, batch=_AT_ONCE, micro_batch=0), open_sources(self._settings))
        return (normalise(aside[_ASIDE + k].images) for k in range(MEASURED // _AT_ONCE))

    def _open_teacher(self) -> Teacher | None:
        name = self._settings.teacher
        if name is None or Path(name).is_dir():
            return None
        return Teacher(weights_named(name), self._device)

    def _restore(self, before: Checkpoint) -> None:
        self.step, self._seconds, self._best = before.step, before.seconds, before.best
        self._average.model.load_state_dict(before.average)
        self._optimiser.load_state_dict(before.optimiser)

    def steps(self, stop: Callable[[], bool]) -> Iterator[Step]:
        """Train to the last step, or until ``stop`` says so; gives each step's figures.

        Raises:
            InputError: an image does not decode, or does not fit its mask.
            OutputError: the folder cannot be written.
            StreamsegError: the loss is no longer a number.
        """
        self._clear_folder()
        for batch in batches_from(self._batches, self.step, self._settings.workers):
            row = self._timed(batch)
            if self._processes.first:
                self._record.add(row)
            yield row
            stopped = self._processes.any(stop())
            last = self.step == self._settings.steps
            if last or self.step % self._settings.validate_every == 0:
                self._validate(batch)
            if last or stopped or self.step % self._settings.save_every == 0:
                self._save()
            if stopped:
                return

    def _clear_folder(self) -> None:
        """Of what an earlier run left, or of what was logged after the checkpoint."""
        if self._processes.first:
            if self.step:
                self._record.rewind(self.step)
            else:
                self._record.begin()
        if self.step == 0:
            self._save()

    def _timed(self, batch: Batch) -> Step:
        began = time.perf_counter()
        rate = self._rate(self.step)
        losses = self._processes.mean(self._learn(batch, rate))
        loss, fused = (float(value) for value in losses)
        if not math.isfinite(loss):
            raise StreamsegError(f"step {self.step + 1}: the loss is {loss}: lower --rate, and --resume or begin anew")
        self.step += 1
        self._average.update(self._model, self.step)
        self._seconds += time.perf_counter() - began
        return self.step, batch.images.shape[-1], loss, fused, rate, self._seconds

    def _rate(self, step: int) -> float:
        rising = min(1.0, (step + 1) / (self._settings.warmup + 1))
        done = step / self._settings.steps if self._settings.cosine else 0.0
        return self._settings.rate * rising * 0.5 * (1 + math.cos(math.pi * done))

    def _learn(self, batch: Batch, rate: float) -> Tensor:
        """One step of the optimiser; gives the loss and that of the fused map, float32 [2]."""
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad(set_to_none=True)
        images, masks = batch.images.to(self._device), self._with_teacher(batch)
        pieces = self._settings.batch // (self._settings.micro_batch or self._settings.batch)
        sums = torch.zeros(2, device=self._device)
        for piece, (image, mask) in enumerate(zip(images.chunk(pieces), masks.chunk(pieces), strict=True), 1):
            with self._unshared(piece < pieces):
                with torch.autocast(self._device.type, torch.bfloat16, enabled=self._autocast):
                    logits = self._shared(normalise(image))
                loss, fused = deep_supervision(logits, mask)
                (loss / pieces).backward()  # type: ignore[no-untyped-call]
            sums += torch.stack((loss, fused)).detach() / pieces
        self._optimiser.step()
        return sums

    def _unshared(self, really: bool) -> Any:
        """Gradients of all but the last piece stay in this process."""
        return self._shared.no_sync() if really and self._processes.count > 1 else nullcontext()

    def _with_teacher(self, batch: Batch) -> Tensor:
        masks = batch.masks.to(self._device)
        blank = ~batch.labelled
        if blank.any():
            if self._teacher is None:
                raise InputError("images without masks and no weights of a teacher to draw them")
            masks[blank.to(self._device)] = self._teacher.maps(batch.images[blank].to(self._device))
        return masks

    def _validate(self, batch: Batch) -> None:
        if self._processes.first:
            weights = weights_of(self._average.model)
            model = from_folded(weights.architecture, weights.tensors).to(self._device)
            self._record.samples("training", self.step, self._samples(model, batch))
            scores, samples = self._validation(model, self._device)
            self._record.samples("validation", self.step, samples)
            self._record.scores(self.step, scores)
            mean = sum(score.iou for score in scores) / len(scores) if scores else -1.0
            if mean > self._best:
                self._best = mean
                self._record.weights(BEST, weights, {"model": weights.model, "steps": self.step})
        self._processes.wait()

    @torch.no_grad()
    def _samples(self, model: U2Net, batch: Batch) -> list[Sample]:
        images = batch.images[:_SHOWN].to(self._device)
        shown = zip(images.cpu(), self._with_teacher(batch)[:_SHOWN].cpu(), strict=True)
        maps = model.saliency(normalise(images)).cpu()
        return [Sample(image, mask, map_) for (image, mask), map_ in zip(shown, maps, strict=True)]

    def _save(self) -> None:
        if self._processes.first:
            weights, settings, count = weights_of(self._average.model), self._settings, self._processes.count
            self._record.settings(settings)
            self._record.weights(LAST, weights, {"model": weights.model, "steps": self.step})
            self._record.card(settings, self.step, count, self._data)
            save_checkpoint(self._record.folder, self._checkpoint())
        self._processes.wait()

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(
            self.step,
            self._seconds,
            self._best,
            self._settings.fixed(),
            self._processes.count,
            self._model.state_dict(),
            self._average.model.state_dict(),
            self._optimiser.state_dict(),
        )


def _bfloat16(precision: str, device: torch.device) -> bool:
    if precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return precision == "bfloat16"
