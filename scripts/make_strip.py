"""Make a before/after strip: one row for each video, one column for each time.

Needs numpy and PyAV.  Give the videos in the order of the rows, say the source, its matte, the result:
python scripts/make_strip.py strip.jpg source.mp4 matte.mp4 result.mp4 --times 0.5 1.5 2.5 3.5
"""

import argparse
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

UNTAGGED = 2  # FFmpeg's AVCOL_SPC_UNSPECIFIED


def frame_at(path: Path, time: float) -> av.VideoFrame:
    """The frame on screen at a time, in seconds from the video's first frame; its last if it is over."""
    with av.open(str(path)) as container:
        shown: av.VideoFrame | None = None
        start: float | None = None
        # from the beginning: an edit list or a missing index makes seeking less sure, and samples are short
        for frame in container.decode(video=0):
            now = float(frame.time or 0.0)
            start = now if start is None else start
            if shown is not None and now - start > time + 1e-6:
                break
            shown = frame
    if shown is None:
        raise SystemExit(f"{path}: no frames")
    return shown


def scaled(frame: av.VideoFrame, width: int, height: int) -> Picture:
    """A frame as RGB at a size."""
    if frame.colorspace == UNTAGGED:
        # what players assume of untagged video
        frame.colorspace = Colorspace.ITU709 if frame.height >= 720 else Colorspace.ITU601
    picture = frame.reformat(width, height, format="rgb24", interpolation="AREA").to_ndarray()
    return np.asarray(picture, np.uint8)


def strip(videos: list[Path], times: list[float], width: int, gap: int) -> Picture:
    """The strip, white between its cells; every cell has the shape of the first video."""
    first = frame_at(videos[0], times[0])
    height = max(1, round(width * first.height / first.width))
    rows, cols = len(videos), len(times)
    picture = np.full((rows * (height + gap) - gap, cols * (width + gap) - gap, 3), 255, np.uint8)
    for row, video in enumerate(videos):
        for col, time in enumerate(times):
            y, x = row * (height + gap), col * (width + gap)
            picture[y : y + height, x : x + width] = scaled(frame_at(video, time), width, height)
    return picture


def write_picture(path: Path, picture: Picture) -> None:
    """Write an RGB picture as PNG or JPEG, as the path's ending says."""
    jpeg = path.suffix.lower() in {".jpg", ".jpeg"}
    if not jpeg and path.suffix.lower() != ".png":
        raise SystemExit(f"{path}: write to a .png, .jpg or .jpeg")
    codec = av.CodecContext.create("mjpeg" if jpeg else "png", "w")
    codec.width, codec.height = picture.shape[1], picture.shape[0]
    codec.pix_fmt = "yuvj444p" if jpeg else "rgb24"
    codec.time_base = Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    if jpeg:
        codec.qmin = codec.qmax = 3
        bt601, full = Colorspace.ITU601, ColorRange.JPEG
        frame = frame.reformat(format="yuvj444p", dst_colorspace=bt601, dst_color_range=full)
    path.write_bytes(b"".join(bytes(p) for p in [*codec.encode(frame), *codec.encode(None)]))


def main() -> None:
    """Make a strip."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("output", type=Path, help="a .png or .jpg to write")
    parser.add_argument("videos", nargs="+", type=Path, help="a video for each row")
    parser.add_argument("--times", nargs="+", type=float, default=[0.5, 1.5, 2.5, 3.5], help="seconds")
    parser.add_argument("--width", type=int, default=240, help="pixels of one cell")
    parser.add_argument("--gap", type=int, default=4, help="pixels between the cells")
    args = parser.parse_args()
    picture = strip(args.videos, args.times, args.width, args.gap)
    write_picture(args.output, picture)
    print(f"{args.output}: {picture.shape[1]}x{picture.shape[0]}, {args.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
