"""The page: camera or clip on the left, what to make of it on the right."""

from __future__ import annotations

import html
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr

from streamseg.errors import StreamsegError

from .choices import NAMES, SPEEDS, YOURS, Choices
from .clip import process_clip
from .gallery import SAMPLE_CLIP, thumbnail
from .look import background_names, tiles
from .stage import live_stage
from .uploads import check_clip
from .visitors import Visitors

__all__ = ["build_page"]

_TO_STAGE = "(...values) => { window.streamseg.change(...values); }"
_AGAIN = "() => { window.streamseg.repeat(); }"
_HEADER = """<header class="top"><h1>streamseg</h1>
<p>A new background behind you, live: what stands out stays, the rest is replaced.</p></header>"""
#: Files that nobody took are deleted after this many seconds, looked for this often.
_DELETE_CACHE = (120, 1800)
#: Several events of Gradio at a time; places limit the work itself.
_AT_A_TIME = 32


def build_page(visitors: Visitors, clip_seconds: float, upload_mb: int) -> gr.Blocks:
    """The page with all that happens on it.

    Args:
        visitors: who is here.
        clip_seconds: of a clip are processed at most.
        upload_mb: said on the page; the server enforces it.
    """
    with gr.Blocks(title="streamseg", analytics_enabled=False, delete_cache=_DELETE_CACHE) as page:
        gr.HTML(_HEADER, apply_default_css=False)
        with gr.Row(elem_id="main", equal_height=False):
            with gr.Column(scale=5, min_width=320), gr.Tabs(elem_id="sources"):
                with gr.Tab("Camera"):
                    stage = live_stage(visitors)
                with gr.Tab("Clip"):
                    clip = _ClipPanel(clip_seconds, upload_mb)
            with gr.Column(scale=2, min_width=300, elem_id="controls"):
                controls = _Controls()
        page.load(_enter(visitors), None, stage, show_progress="hidden")
        controls.connect(page, visitors)
        clip.connect(visitors, controls.all, clip_seconds)
        page.unload(_leave(visitors))
    assert isinstance(page, gr.Blocks)
    return page


def _enter(visitors: Visitors) -> Callable[..., Any]:
    def enter(request: gr.Request) -> str:
        try:
            return visitors.of(_session(request)).token
        except StreamsegError:  # closed meanwhile: nobody reads it
            return ""

    return enter


def _leave(visitors: Visitors) -> Callable[..., Any]:
    async def leave(request: gr.Request) -> None:
        await visitors.leave(_session(request))

    return leave


def _session(request: gr.Request) -> str:
    return request.session_hash or ""


class _Controls:
    """What is chosen; ``all`` is in the order of choices.NAMES."""

    def __init__(self) -> None:
        default = Choices()
        self.style = gr.HTML(tiles(), apply_default_css=False, elem_classes="invisible")
        self.background = gr.Radio(background_names(), value=default.background, label="Background", elem_id="gallery")
        self.blur = gr.Slider(0.05, 1, default.blur, step=0.05, label="Blur", elem_id="blur")
        self.colour = gr.ColorPicker(default.colour, label="Colour", visible=False, elem_id="colour")
        self.upload = gr.UploadButton(
            "Use a picture or video of yours", file_types=["image", "video"], size="sm", elem_id="background-upload"
        )
        with gr.Group():
            self.steady = gr.Slider(
                0, 1, default.steady, step=0.05, label="Steadiness", info="How much of the past is in a matte",
                elem_id="steady",
            )  # fmt: skip
            self.edges = gr.Checkbox(default.edges, label="Sharp edges", info="Refined in the frame's own detail")
            self.speed = gr.Radio(
                [(name.capitalize(), name) for name in SPEEDS], value=default.speed, label="Speed",
                info="Auto: as much as this machine bears", elem_id="speed",
            )  # fmt: skip
            self.view = gr.Radio(["Result", "Matte"], value="Result", label="Show", elem_id="view")
        self.all = [getattr(self, name) for name in NAMES]

    def connect(self, page: gr.Blocks, visitors: Visitors) -> None:
        """Every change goes straight to the live picture, in the browser alone."""
        page.load(None, self.all, None, js=_TO_STAGE)
        for control in self.all:
            control.change(None, self.all, None, js=_TO_STAGE)
        for slider in (self.blur, self.steady):
            slider.input(None, self.all, None, js=_TO_STAGE)
        self.background.change(_shown, self.background, [self.blur, self.colour], queue=False, show_progress="hidden")
        self.upload.upload(
            _take_background(visitors), self.upload, [self.background, self.style], show_progress_on=self.upload
        ).success(None, None, None, js=_AGAIN)


def _shown(background: str) -> tuple[Any, Any]:
    return gr.update(visible=background == "Blur"), gr.update(visible=background == "Colour")


def _take_background(visitors: Visitors) -> Callable[..., Any]:
    def take(upload: str, request: gr.Request) -> tuple[Any, Any]:
        try:
            visitor = visitors.of(_session(request))
            visitor.take_background(upload)
        except StreamsegError as error:
            gr.Warning(html.escape(str(error)), title="Not used")
            return gr.skip(), gr.skip()
        assert visitor.uploaded is not None
        return gr.update(choices=[*background_names(), YOURS], value=YOURS), tiles(thumbnail(visitor.uploaded))

    return take


class _ClipPanel:
    """A clip in, a clip out."""

    def __init__(self, seconds: float, megabytes: int) -> None:
        with gr.Row(equal_height=True):
            self.clip = gr.Video(label="Clip", sources=["upload"], height=330, elem_id="clip", min_width=260)
            self.result = gr.Video(
                label="Result", interactive=False, height=330, elem_id="clip-result", buttons=[], min_width=260
            )
        with gr.Row(elem_classes="bar"):
            self.go = gr.Button("Replace the background", variant="primary", elem_id="clip-go", min_width=150)
            self.stop = gr.Button("Stop", visible=False, elem_id="clip-stop", min_width=80)
            self.sample = gr.Button("Try the sample clip", variant="secondary", elem_id="clip-sample", min_width=120)
            self.download = gr.DownloadButton("Download", visible=False, elem_id="clip-download", min_width=120)
        limits = f"Up to {megabytes} MB; the first {seconds:g} seconds are processed. Deleted when you close this page."
        self.said = gr.HTML(_said(limits), apply_default_css=False, elem_id="clip-said")

    def connect(self, visitors: Visitors, controls: list[Any], seconds: float) -> None:
        """What the buttons do."""
        self.clip.upload(_look_at(visitors), self.clip, self.said, show_progress="hidden")
        self.sample.click(lambda: str(SAMPLE_CLIP), None, self.clip, show_progress="hidden")
        working = self.go.click(_working, None, [self.go, self.stop, self.download], queue=False)
        done = working.then(
            _process(visitors, seconds),
            [self.clip, *controls],
            [self.result, self.download, self.said],
            concurrency_limit=_AT_A_TIME,
            show_progress_on=self.result,
        )
        done.then(_idle, None, [self.go, self.stop], queue=False)
        self.stop.click(_stop(visitors), None, None, queue=False)


def _look_at(visitors: Visitors) -> Callable[..., Any]:
    def look_at(upload: str, request: gr.Request) -> str:
        try:
            visitors.of(_session(request)).keep(upload)
            check_clip(upload)
        except StreamsegError as error:
            return _said(str(error))
        return _said("Ready. A kind of file that this browser cannot play is processed all the same.")

    return look_at


def _working() -> tuple[Any, Any, Any]:
    return gr.update(interactive=False), gr.update(visible=True), gr.update(visible=False)


def _idle() -> tuple[Any, Any]:
    return gr.update(interactive=True), gr.update(visible=False)


def _stop(visitors: Visitors) -> Callable[..., Any]:
    def stop(request: gr.Request) -> None:
        with suppress(StreamsegError):  # closed meanwhile: its clip was stopped then
            job = visitors.of(_session(request)).job
            if job is not None:
                job.stop()

    return stop


def _process(visitors: Visitors, seconds: float) -> Callable[..., Any]:
    def process(
        request: gr.Request,
        clip: str | None,
        background: str,
        blur: float,
        colour: str,
        steady: float,
        edges: bool,
        speed: str,
        view: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  # how Gradio knows that it is wanted
    ) -> tuple[Any, Any, str]:
        if clip is None:
            return _not("Choose a clip first, or try the sample.")
        values = (background, blur, colour, steady, edges, speed, view)
        try:
            visitor = visitors.of(_session(request))
            choices = Choices.read(dict(zip(NAMES, values, strict=True)))
            output, summary = process_clip(visitor, visitors.places, Path(clip), choices, seconds, progress)
        except StreamsegError as error:
            return _not(str(error))
        said = f"{summary.frames} frames in {summary.seconds:.1f} s ({summary.fps:.1f} fps)."
        sentences = " ".join([said, *summary.warnings])
        return str(output), gr.update(value=str(output), visible=True), _said(sentences)

    return process


def _not(sentence: str) -> tuple[Any, Any, str]:
    """Nothing done, and why: in passing, and to stay."""
    gr.Warning(html.escape(sentence), title="Not done")
    return gr.skip(), gr.skip(), _said(sentence)


def _said(sentences: str) -> str:
    return f'<p class="said">{html.escape(sentences)}</p>'
