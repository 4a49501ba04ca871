"""A video on a device that the benchmark has opened."""

from __future__ import annotations

from dataclasses import dataclass

from streamseg.device import Device

from ..video import VideoJob

__all__ = ["BenchJob"]


@dataclass
class BenchJob(VideoJob):
    """A VideoJob on a network that is already open, which all parts of the benchmark share.

    Args:
        opened: the device; ``device`` is its name.
    """

    opened: Device | None = None

    def _device(self) -> Device:
        assert self.opened is not None
        return self.opened.another()
