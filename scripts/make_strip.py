"""Makes a before/after strip: one row for each video, one column for each time.

Needs numpy and PyAV. The videos in the order of the rows, such as the source, its matte, the result:
python scripts/make_strip.py strip.jpg source.mp4 matte.mp4 result.mp4 --times 0.5 1.5 2.5 3.5
"""

import argparse
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

RGB = NDArray[np.uint8]

UNSPECIFIED = 2  # FFmpeg's AVCOL_SPC_UNSPECIFIED


def frame_at(path: Path, seconds: float) -> av.VideoFrame:
    """The frame on screen at a time after the video's first frame; the last one after its end."""
    with av.open(str(path)) as container:
        current: av.VideoFrame | None = None
        start: float | None = None
        # decoded from the start: edit lists and missing indices make seeking unreliable, and samples are short
        for frame in container.decode(video=0):
            time = float(frame.time or 0.0)
            start = time if start is None else start
            if current is not None and time - start > seconds + 1e-6:
                break
            current = frame
    if current is None:
        raise SystemExit(f"{path}: no frames")
    return current


def scaled_rgb(frame: av.VideoFrame, width: int, height: int) -> RGB:
    """A frame as RGB [height, width, 3]."""
    if frame.colorspace == UNSPECIFIED:
        # what players assume for untagged video
        frame.colorspace = Colorspace.ITU709 if frame.height >= 720 else Colorspace.ITU601
    rgb = frame.reformat(width, height, format="rgb24", interpolation="AREA").to_ndarray()
    return np.asarray(rgb, np.uint8)


def make_strip(videos: list[Path], times: list[float], width: int, gap: int) -> RGB:
    """The strip, white between its cells; every cell has the aspect ratio of the first video."""
    first = frame_at(videos[0], times[0])
    height = max(1, round(width * first.height / first.width))
    rows, columns = len(videos), len(times)
    strip = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for row, video in enumerate(videos):
        for column, time in enumerate(times):
            y, x = row * (height + gap), column * (width + gap)
            strip[y : y + height, x : x + width] = scaled_rgb(frame_at(video, time), width, height)
    return strip


def write_image(path: Path, rgb: RGB) -> None:
    """Writes an RGB image as PNG or JPEG, by the file name's extension."""
    jpeg = path.suffix.lower() in {".jpg", ".jpeg"}
    if not jpeg and path.suffix.lower() != ".png":
        raise SystemExit(f"{path}: expected a file name that ends in .png, .jpg or .jpeg")
    codec = av.CodecContext.create("mjpeg" if jpeg else "png", "w")
    codec.width, codec.height = rgb.shape[1], rgb.shape[0]
    codec.pix_fmt = "yuvj444p" if jpeg else "rgb24"
    codec.time_base = Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    if jpeg:
        codec.qmin = codec.qmax = 3
        bt601, full = Colorspace.ITU601, ColorRange.JPEG
        frame = frame.reformat(format="yuvj444p", dst_colorspace=bt601, dst_color_range=full)
    path.write_bytes(b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)]))


def main() -> None:
    """Makes one strip."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="a .png or .jpg to write")
    parser.add_argument("videos", nargs="+", type=Path, help="a video for each row")
    parser.add_argument("--times", nargs="+", type=float, default=[0.5, 1.5, 2.5, 3.5], help="seconds")
    parser.add_argument("--width", type=int, default=240, help="of a cell, in pixels")
    parser.add_argument("--gap", type=int, default=4, help="between cells, in pixels")
    args = parser.parse_args()
    strip = make_strip(args.videos, args.times, args.width, args.gap)
    write_image(args.output, strip)
    print(f"{args.output}: {strip.shape[1]}x{strip.shape[0]}, {args.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
