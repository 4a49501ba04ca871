"""The codecs alone."""

from __future__ import annotations

from pathlib import Path

from streamseg.media.reading.reader import VideoReader
from streamseg.media.writing.origin import Origin
from streamseg.media.writing.target import Encoding, choose_target
from streamseg.media.writing.writer import open_writer
from streamseg.runtime import Runner, Stage, Statistics

__all__ = ["transcode"]


def transcode(source: str, output: Path, duration: float) -> Statistics:
    """Decode and encode, each in its own thread, with nothing in between."""
    with VideoReader(source, duration=duration, tolerant=True) as reader:
        target = choose_target(str(output), reader.info.shape.format, False, Encoding())
        shape = reader.deliver(target.format, target.even)
        writer = open_writer(target, shape, Origin.of(reader), (), overwrite=False)
        try:
            return Runner(reader, [Stage("encode", writer.write)]).run()
        finally:
            writer.discard()
