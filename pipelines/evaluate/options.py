"""The options of ``streamseg evaluate``."""

from __future__ import annotations

import argparse
from collections.abc import Callable

__all__ = ["add_evaluate"]


def add_evaluate(parser: argparse.ArgumentParser, add_network: Callable[[argparse.ArgumentParser], None]) -> None:
    """Add the options of ``streamseg evaluate``; ``add_network`` adds those of the network."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    images = kinds.add_parser("images", help="images with masks, as in tables of salient object detection")
    images.add_argument("source", metavar="DIR", help="a folder with images/ and masks/, paired by name")
    images.add_argument("--curve", metavar="FILE", help="write the precision-recall curve to a .png")
    images.add_argument("--overwrite", action="store_true", help="replace an existing file of the curve")
    dis = kinds.add_parser("dis", help="images with masks, as in tables of dichotomous image segmentation")
    dis.add_argument("source", metavar="DIR", help="a folder with im/ and gt/, or a folder of such: DIS5K")
    video = kinds.add_parser("video", help="sequences with a mask for each frame")
    video.add_argument("source", metavar="DIR", help="a folder with images/ and masks/, or a folder of such folders")
    alpha = kinds.add_parser("alpha", help="a clip with an alpha channel, over other backgrounds")
    alpha.add_argument("source", metavar="CLIP", help="a video with an alpha channel")
    choices = "flat, gradient, texture, an image, a video or a colour"
    alpha.add_argument("--bg", action="append", metavar="BG", help=f"{choices}; may be repeated; default: the first 3")
    alpha.add_argument("--over", default="#00b140", metavar="BG", help="the new background; default: #00b140 (green)")
    ghosts = kinds.add_parser("ghosts", help="clips without ground truth: how much is half transparent off the edges")
    ghosts.add_argument("source", metavar="CLIP", nargs="+", help="a video")
    for kind in (images, dis):
        of_maps = kind.add_mutually_exclusive_group()
        scaled = "the fixed scaling of videos instead of that of the papers"
        of_maps.add_argument("--stream", action="store_const", dest="maps", const="stream", help=scaled)
        finished = "what streamseg image gives, instead of the network's maps"
        of_maps.add_argument("--mattes", action="store_const", dest="maps", const="mattes", help=finished)
        kind.set_defaults(maps="published")
    for kind in (video, alpha, ghosts):
        kind.add_argument("--method", action="append", metavar="NAME", help="only this method; may be repeated")
    for kind in (images, dis, video):
        kind.add_argument(
            "--against",
            action="append",
            default=[],
            metavar="DIR",
            help="another program's maps, of the names of the images; may be repeated",
        )
    for kind in (images, dis, video, alpha, ghosts):
        kind.add_argument("--json", action="store_true", help="print the figures in JSON")
        add_network(kind)
