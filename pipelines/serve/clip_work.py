"""What a worker does with a clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streamseg.device import Device
from streamseg.errors import DamagedInput, InputError
from streamseg.runtime import Statistics

from ..segmenter import Segmenter
from ..video import VideoJob
from .inputs.checks import check_clip
from .jobs import Job
from .settings import ServiceSettings

__all__ = ["process_clip"]

# A clip of more frames a second takes for ever, however short it is.
_MOST_FPS = 130


@dataclass
class _SharedVideoJob(VideoJob):
    """A VideoJob on the network of the service, which all requests share: first come, first served."""

    segmenter: Segmenter | None = None

    def _device(self) -> Device:
        assert self.segmenter is not None
        return self.segmenter.device.another()


def process_clip(job: Job, segmenter: Segmenter, settings: ServiceSettings) -> None:
    """Fetch the clip, if it is at an address, check it and give it another background.

    Raises:
        StreamsegError: the clip cannot be used.
    """
    if job.fetch is not None:
        job.stoppable_by(job.fetch.cancel)
        job.fetch.run(job.source)
    seconds = check_clip(job.source, settings.max_pixels, settings.max_seconds)
    video = _video_job(job, segmenter, settings)
    if seconds is None:  # else all is read, so that damage at its end is noticed
        video.duration = settings.max_seconds
    job.stoppable_by(video.stop)
    most_frames = settings.max_seconds * _MOST_FPS

    def on_tick(statistics: Statistics) -> None:
        if statistics.items > most_frames:
            video.stop()
        job.update(**_figures(video, statistics))

    try:
        summary = video.run(on_tick)
    except DamagedInput as damage:
        if video.summary is None or not video.summary.frames:
            raise
        summary = video.summary
        summary.warnings.append(str(damage).replace(f"{job.folder}/", ""))
    finally:
        for path in (job.source, job.background):
            path.unlink(missing_ok=True)
    if summary.frames > most_frames:
        raise InputError(f"clip: more than {most_frames:.0f} frames: expected up to {_MOST_FPS} a second; cut the clip")
    if not summary.frames:
        raise InputError("clip: has no frame that could be decoded")
    job.update(**_figures(video, summary.statistics), warnings=summary.warnings)


def _video_job(job: Job, segmenter: Segmenter, settings: ServiceSettings) -> VideoJob:
    return _SharedVideoJob(
        job.source,
        job.result,
        job.options.bg or job.background,
        audio=job.options.audio,
        matting=job.options.matting,
        device=segmenter.device.name,
        threads=settings.network.get("threads"),
        segmenter=segmenter,
    )


def _figures(video: VideoJob, statistics: Statistics) -> dict[str, Any]:
    fps = statistics.items_per_second
    return {"frames": statistics.items, "expected_frames": video.expected_frames, "fps": round(fps, 1)}
