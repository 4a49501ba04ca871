"""Other programs that remove backgrounds, to be timed on the same frames as ours."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError, MissingDependency, OptionError

__all__ = ["PEERS", "Peer", "Rembg", "open_peer"]

RGB = NDArray[np.uint8]


class Peer(Protocol):
    """Another program with its model loaded."""

    name: str

    def network(self, image: RGB) -> None:
        """Find the subject: uint8 RGB [rows, columns, 3] to a mask of that size, which is dropped."""
        ...

    def composite(self, image: RGB, background: RGB) -> RGB:
        """The image over a background of its size, as its users would do it; all uint8 RGB [rows, columns, 3]."""
        ...


class Rembg:
    """rembg with the same network, U²-Net†, in float32 on onnxruntime.

    Raises:
        MissingDependency: it is not installed.
        InputError: its model file is not where it looks for it, and it would download one.
    """

    name = "rembg"
    _MD5 = "8e83ca70e441ab06c318d82300c84806"

    def __init__(self) -> None:
        self._check_model()
        try:
            import rembg
            from PIL import Image
        except ImportError as error:
            raise MissingDependency('rembg is not installed: pip install "rembg[cpu]"') from error
        self._remove, self._image = rembg.remove, Image
        self._session = rembg.new_session("u2netp")

    def _check_model(self) -> None:
        data = Path(os.environ.get("XDG_DATA_HOME", "~"))
        folder = Path(os.environ.get("U2NET_HOME", data / ".u2net")).expanduser()
        path = folder / "u2netp.onnx"
        if not path.is_file() or hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() != self._MD5:
            raise InputError(
                f"{path}: rembg's model is missing or another one; put its u2netp.onnx (MD5 {self._MD5}) there"
            )

    def network(self, image: RGB) -> None:
        self._session.predict(self._image.fromarray(image))

    def composite(self, image: RGB, background: RGB) -> RGB:
        cutout: Any = self._remove(self._image.fromarray(image), session=self._session)
        behind = self._image.fromarray(background).convert("RGBA")
        return np.asarray(self._image.alpha_composite(behind, cutout).convert("RGB"))


PEERS: dict[str, Callable[[], Peer]] = {"rembg": Rembg}


def open_peer(name: str) -> Peer:
    """The peer called ``name``.

    Raises:
        OptionError: there is none of that name.
        MissingDependency, InputError: it cannot be used.
    """
    if name not in PEERS:
        raise OptionError(f"against {name!r}: expected {', '.join(sorted(PEERS))}")
    return PEERS[name]()
