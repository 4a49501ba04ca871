"""Devices: where a frame is prepared, seen by the network, matted and composited."""

from streamseg.device.protocol import Device, open_device

__all__ = ["Device", "open_device"]
