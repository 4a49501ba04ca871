"""Another program's maps, as files of the names of the images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.media.images import IMAGE_SUFFIXES, read_image
from streamseg.network.published import resize

from .ground_truth import Pairs

__all__ = ["OURS", "PeerMaps", "open_peers"]

#: Name of our own maps in tables.
OURS = "streamseg"


class PeerMaps:
    """The maps of one program for the images of one set or sequence.

    Args:
        folder: of this program: holds a file for each image, of the same stem; or a folder of the set's name does.
        pairs: the set or sequence.

    Raises:
        InputError: an image has no map.
    """

    def __init__(self, folder: Path, pairs: Pairs) -> None:
        inner = folder / pairs.name
        self._folder = inner if inner.is_dir() else folder
        if not self._folder.is_dir():
            raise InputError(f"{self._folder}: there is no such folder")
        files = sorted(path for path in self._folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
        self._paths = {path.stem: path for path in files}
        for image, _ in pairs.paths:
            if image.stem not in self._paths:
                raise InputError(f"{self._folder}: holds no map for {image}: expected an image of the same name")

    def map_of(self, image: Path, width: int, height: int) -> NDArray[np.float32]:
        """The map of an image, float32 [height, width] in [0, 1]: the brightest of R, G and B, scaled bilinearly.

        Raises:
            InputError: it does not decode.
        """
        frame = read_image(str(self._paths[image.stem]))
        values = np.maximum.reduce(frame.planes[:3]).astype(np.float32) / np.float32(frame.format.maximum)
        if values.shape == (height, width):
            return np.asarray(values)
        return np.asarray(np.clip(resize(values, (height, width), antialias=True), 0, 1))


def open_peers(folders: Sequence[str | Path], pairs: Pairs) -> dict[str, PeerMaps]:
    """The maps of several programs by the names of their folders, or by their paths where names are the same.

    Raises:
        InputError: see PeerMaps.
    """
    paths = [Path(folder) for folder in folders]
    names = [path.resolve().name for path in paths]
    taken = [OURS, *names]
    labels = [str(path) if taken.count(name) > 1 else name for path, name in zip(paths, names, strict=True)]
    return {label: PeerMaps(path, pairs) for label, path in zip(labels, paths, strict=True)}
