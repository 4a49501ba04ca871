"""What the subcommands do: from parsed arguments to pipelines, and from results to output."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

from streamseg.errors import OptionError
from streamseg.media.writing.output_file import check_output
from streamseg.media.writing.target import Encoding
from streamseg.runtime import Statistics
from streamseg.runtime.memory import keep_freed

from ..bench.cpu import BenchResult, run_bench
from ..bench.gpu import run_gpu_bench
from ..bench.gpu_result import GPUBenchResult
from ..evaluate.alpha import evaluate_alpha
from ..evaluate.curve import CurveFile
from ..evaluate.ghosts import evaluate_ghosts
from ..evaluate.images import evaluate_dis, evaluate_images
from ..evaluate.report import Report
from ..evaluate.video import evaluate_video
from ..image import process_image
from ..segmenter import Segmenter
from ..stages.options import Matting
from ..summary import Summary
from ..webcam.job import WebcamJob
from ..webcam.settings import WebcamSettings, read_settings, save_settings
from .interrupt import stop_on_signals
from .output import collected_warnings
from .preview import show_preview
from .progress import OnTick, show_progress
from .video_job import network_options, video_job

__all__ = ["bench", "demo", "evaluate", "image", "video", "webcam"]


def video(arguments: argparse.Namespace) -> int:
    """``streamseg video``: gives the exit status."""
    output = Path(arguments.output)
    is_folder = arguments.output.endswith(("/", os.sep)) or not output.suffix or output.is_dir()
    check_output(output, arguments.overwrite, is_folder)
    job = video_job(arguments, arguments.source, arguments.output)
    with stop_on_signals(job.stop) as interrupt, collected_warnings() as given:
        try:
            with show_progress(job, arguments.quiet) as progress, show_preview(job, arguments.preview) as preview:
                job.run(_both(progress, preview), interrupt.arm)
        finally:
            if job.summary is not None:
                _print_summary(job.summary, given, arguments)
    return interrupt.status


def _print_summary(summary: Summary, given: list[str], arguments: argparse.Namespace) -> None:
    """``given``: warnings that have been shown already."""
    for warning in summary.warnings:
        print(f"streamseg: warning: {warning}", file=sys.stderr)
    if summary.frames and not arguments.quiet:
        for line in filter(None, (summary.encoding, summary.subject)):
            print(f"streamseg: {line}", file=sys.stderr)
    if arguments.stats:
        print(summary.statistics.table(), file=sys.stderr)
    if arguments.json:
        print(json.dumps({**summary.as_dict(), "warnings": [*given, *summary.warnings]}))
    elif not arguments.quiet:
        result = summary.output if summary.frames else "nothing written"
        print(f"{summary.frames} frames in {summary.seconds:.1f} s ({summary.fps:.1f} fps): {result}")


def image(arguments: argparse.Namespace) -> int:
    """``streamseg image``: gives the exit status."""
    with collected_warnings() as given:
        process_image(
            arguments.source,
            arguments.output,
            arguments.bg,
            overwrite=arguments.overwrite,
            edges=arguments.edges == "on",
            **network_options(arguments),
        )
    if arguments.json:
        print(json.dumps({"source": arguments.source, "output": arguments.output, "warnings": given}))
    return 0


def webcam(arguments: argparse.Namespace) -> int:
    """``streamseg webcam``: gives the exit status."""
    settings = _webcam_settings(arguments)
    encoding = Encoding(arguments.codec, arguments.crf, arguments.preset)
    if settings.record:
        check_output(Path(settings.record), arguments.overwrite)
    if arguments.save_config:
        check_output(Path(arguments.save_config), overwrite=True)
    keep_freed()
    job = WebcamJob(settings, encoding, arguments.overwrite, arguments.duration, _report, network_options(arguments))
    with stop_on_signals(job.stop) as interrupt:
        interrupt.arm()
        summary = job.run()
    if arguments.save_config:
        save_settings(arguments.save_config, summary.settings)
    print(json.dumps(summary.as_dict()) if arguments.json else summary.table())
    return 1 if summary.failed else interrupt.status


def _webcam_settings(arguments: argparse.Namespace) -> WebcamSettings:
    """The command line overrides the settings file, which overrides the defaults."""
    names = {field.name for field in fields(WebcamSettings)}
    given = {name: value for name, value in vars(arguments).items() if name in names}
    if "bg" in given:
        given["bg"] = tuple(given["bg"])
    return WebcamSettings(**{**(read_settings(arguments.config) if arguments.config else {}), **given})


def _report(message: str) -> None:
    print(f"streamseg: {message}", file=sys.stderr)


def bench(arguments: argparse.Namespace) -> int:
    """``streamseg bench``: gives the exit status."""
    network, clip = network_options(arguments), (arguments.source, arguments.bg, arguments.duration)
    result: BenchResult | GPUBenchResult
    variants = Matting(speed=arguments.speed).variants
    device: Any = None if arguments.device == "cpu" else Segmenter(**network, variants=variants).device
    if device is not None and device.name == "cuda":
        if arguments.against:
            raise OptionError(f"--against {arguments.against}: other programs are compared on the CPU only")
        result = run_gpu_bench(*clip, arguments.speed, device, **network)
    else:
        result = run_bench(*clip, arguments.against, arguments.speed, **network)
    print(json.dumps(result.as_dict()) if arguments.json else result.table())
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    """``streamseg evaluate images``, ``dis``, ``video``, ``alpha`` or ``ghosts``: gives the exit status."""
    if arguments.kind == "images":
        report = _evaluate_images(arguments)
    elif arguments.kind == "dis":
        options = {"maps": arguments.maps, "against": arguments.against, **network_options(arguments)}
        report = evaluate_dis(arguments.source, **options)
    elif arguments.kind == "video":
        report = evaluate_video(arguments.source, arguments.method, arguments.against, **network_options(arguments))
    elif arguments.kind == "ghosts":
        report = evaluate_ghosts(arguments.source, arguments.method, **network_options(arguments))
    else:
        report = evaluate_alpha(
            arguments.source, arguments.bg, arguments.over, arguments.method, **network_options(arguments)
        )
    print(json.dumps(report.as_dict()) if arguments.json else report.table())
    return 0


def _evaluate_images(arguments: argparse.Namespace) -> Report:
    curve_file = CurveFile(arguments.curve, arguments.overwrite) if arguments.curve else None
    try:
        options = {"maps": arguments.maps, "against": arguments.against, **network_options(arguments)}
        report, curve = evaluate_images(arguments.source, **options)
    except BaseException:
        if curve_file is not None:
            curve_file.discard()
        raise
    if curve_file is not None:
        curve_file.write(curve, report.rows[0]["set"])
    return report


def demo(arguments: argparse.Namespace) -> int:
    """``streamseg demo``: gives the exit status."""
    app = import_module("streamseg.demos.app")  # by name: the demos import the pipelines, not the reverse
    limits = {name: getattr(arguments, name) for name in ("host", "port", "visitors", "upload_mb", "clip_seconds")}
    app.serve(app.Demo(**limits, network=network_options(arguments)))
    return 0


def _both(first: OnTick, second: OnTick) -> OnTick:
    def on_tick(statistics: Statistics) -> None:
        first(statistics)
        second(statistics)

    return on_tick
