"""The page: camera or clip on the left, the controls on the right."""

from __future__ import annotations

import html
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr

from streamseg.errors import StreamsegError

from .choices import CONTROLS, SPEEDS, UPLOADED, Choices
from .clip import process_clip
from .gallery import SAMPLE_CLIP, thumbnail
from .live.view import live_view
from .theme import background_names, tile_styles
from .uploads import check_clip
from .visitors import Visitors

__all__ = ["build_page"]

# JavaScript of assets/settings.js, run in the browser.
_UPDATE_SETTINGS = "(...values) => { window.streamseg.update(...values); }"
_SEND_SETTINGS = "() => { window.streamseg.notify(); }"
_HEADER = """<header class="top"><h1>streamseg</h1>
<p>A new background behind you, live: the subject stays, the rest is replaced.</p></header>"""
# Gradio deletes cached files of this age in seconds, and checks for them this often.
_DELETE_CACHE = (120, 1800)
# Clips that Gradio handles at a time; the work itself is limited by Admission.
_MAX_CLIP_EVENTS = 32


def build_page(visitors: Visitors, clip_seconds: float, upload_mb: int) -> gr.Blocks:
    """The page with all its events.

    Args:
        visitors: the open pages.
        clip_seconds: how much of a clip is processed, at most.
        upload_mb: largest upload in megabytes, for the text on the page; the server enforces it.
    """
    with gr.Blocks(title="streamseg", analytics_enabled=False, delete_cache=_DELETE_CACHE) as page:
        gr.HTML(_HEADER, apply_default_css=False)
        with gr.Row(elem_id="main", equal_height=False):
            with gr.Column(scale=5, min_width=320), gr.Tabs(elem_id="sources"):
                with gr.Tab("Camera"):
                    view = live_view(visitors)
                with gr.Tab("Clip"):
                    clip = _ClipPanel(clip_seconds, upload_mb)
            with gr.Column(scale=2, min_width=300, elem_id="controls"):
                controls = _Controls()
        page.load(_on_load(visitors), None, view, show_progress="hidden")
        controls.connect(page, visitors)
        clip.connect(visitors, controls.all, clip_seconds)
        page.unload(_on_unload(visitors))
    assert isinstance(page, gr.Blocks)
    return page


def _on_load(visitors: Visitors) -> Callable[..., Any]:
    def token(request: gr.Request) -> str:
        try:
            return visitors.for_session(_session(request)).token
        except StreamsegError:  # the page was closed meanwhile
            return ""

    return token


def _on_unload(visitors: Visitors) -> Callable[..., Any]:
    async def close(request: gr.Request) -> None:
        await visitors.close(_session(request))

    return close


def _session(request: gr.Request) -> str:
    return request.session_hash or ""


class _Controls:
    """The controls; ``all`` has them in the order of choices.CONTROLS."""

    def __init__(self) -> None:
        default = Choices()
        self.style = gr.HTML(tile_styles(), apply_default_css=False, elem_classes="invisible")
        self.background = gr.Radio(background_names(), value=default.background, label="Background", elem_id="gallery")
        self.blur = gr.Slider(0.05, 1, default.blur, step=0.05, label="Blur", elem_id="blur")
        self.colour = gr.ColorPicker(default.colour, label="Colour", visible=False, elem_id="colour")
        self.upload = gr.UploadButton(
            "Use your own image or video", file_types=["image", "video"], size="sm", elem_id="background-upload"
        )
        with gr.Group():
            self.steady = gr.Slider(
                0, 1, default.steady, step=0.05, label="Steadiness", info="How much earlier frames count",
                elem_id="steady",
            )  # fmt: skip
            self.edges = gr.Checkbox(default.edges, label="Sharp edges", info="Refine the outline at full resolution")
            self.speed = gr.Radio(
                [(name.capitalize(), name) for name in SPEEDS], value=default.speed, label="Speed",
                info="Auto: the best that this machine can do live", elem_id="speed",
            )  # fmt: skip
            self.view = gr.Radio(["Result", "Matte"], value="Result", label="Show", elem_id="view")
        self.all = [getattr(self, name) for name in CONTROLS]

    def connect(self, page: gr.Blocks, visitors: Visitors) -> None:
        """Pass every change on to the live view, in the browser, without a request to the server."""
        page.load(None, self.all, None, js=_UPDATE_SETTINGS)
        for control in self.all:
            control.change(None, self.all, None, js=_UPDATE_SETTINGS)
        for slider in (self.blur, self.steady):
            slider.input(None, self.all, None, js=_UPDATE_SETTINGS)
        self.background.change(
            _visibility, self.background, [self.blur, self.colour], queue=False, show_progress="hidden"
        )
        self.upload.upload(
            _set_background(visitors), self.upload, [self.background, self.style], show_progress_on=self.upload
        ).success(None, None, None, js=_SEND_SETTINGS)


def _visibility(background: str) -> tuple[Any, Any]:
    """Of the controls that only some backgrounds have: blur, colour."""
    return gr.update(visible=background == "Blur"), gr.update(visible=background == "Colour")


def _set_background(visitors: Visitors) -> Callable[..., Any]:
    def set_background(upload: str, request: gr.Request) -> tuple[Any, Any]:
        try:
            visitor = visitors.for_session(_session(request))
            visitor.set_background(upload)
        except StreamsegError as error:
            gr.Warning(html.escape(str(error)), title="Background not changed")
            return gr.skip(), gr.skip()
        assert visitor.uploaded is not None
        gallery = gr.update(choices=[*background_names(), UPLOADED], value=UPLOADED)
        return gallery, tile_styles(thumbnail(visitor.uploaded))

    return set_background


class _ClipPanel:
    """Upload, progress and download of a clip."""

    def __init__(self, seconds: float, megabytes: int) -> None:
        with gr.Row(equal_height=True):
            self.clip = gr.Video(label="Clip", sources=["upload"], height=330, elem_id="clip", min_width=260)
            self.result = gr.Video(
                label="Result", interactive=False, height=330, elem_id="clip-result", buttons=[], min_width=260
            )
        with gr.Row():
            self.start = gr.Button("Replace the background", variant="primary", elem_id="clip-start", min_width=150)
            self.stop = gr.Button("Stop", visible=False, elem_id="clip-stop", min_width=80)
            self.sample = gr.Button("Try the sample clip", variant="secondary", elem_id="clip-sample", min_width=120)
            self.download = gr.DownloadButton("Download", visible=False, elem_id="clip-download", min_width=120)
        limits = f"Up to {megabytes} MB; the first {seconds:g} seconds are processed. Deleted when you close this page."
        self.message = gr.HTML(_message(limits), apply_default_css=False, elem_id="clip-message")

    def connect(self, visitors: Visitors, controls: list[Any], seconds: float) -> None:
        """Connect the buttons."""
        self.clip.upload(_check_upload(visitors), self.clip, self.message, show_progress="hidden")
        self.sample.click(lambda: str(SAMPLE_CLIP), None, self.clip, show_progress="hidden")
        started = self.start.click(_busy, None, [self.start, self.stop, self.download], queue=False)
        done = started.then(
            _process(visitors, seconds),
            [self.clip, *controls],
            [self.result, self.download, self.message],
            concurrency_limit=_MAX_CLIP_EVENTS,
            show_progress_on=self.result,
        )
        done.then(_idle, None, [self.start, self.stop], queue=False)
        self.stop.click(_stop(visitors), None, None, queue=False)


def _check_upload(visitors: Visitors) -> Callable[..., Any]:
    def check(upload: str, request: gr.Request) -> str:
        try:
            visitors.for_session(_session(request)).register_upload(upload)
            check_clip(upload)
        except StreamsegError as error:
            return _message(str(error))
        return _message("Ready. A file that this browser cannot play is processed all the same.")

    return check


def _busy() -> tuple[Any, Any, Any]:
    return gr.update(interactive=False), gr.update(visible=True), gr.update(visible=False)


def _idle() -> tuple[Any, Any]:
    return gr.update(interactive=True), gr.update(visible=False)


def _stop(visitors: Visitors) -> Callable[..., Any]:
    def stop(request: gr.Request) -> None:
        with suppress(StreamsegError):  # the page was closed meanwhile, which stopped its clip
            job = visitors.for_session(_session(request)).job
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
            return _failure("Choose a clip first, or try the sample.")
        values = (background, blur, colour, steady, edges, speed, view)
        try:
            visitor = visitors.for_session(_session(request))
            choices = Choices.parse(dict(zip(CONTROLS, values, strict=True)))
            output, summary = process_clip(visitor, visitors.admission, Path(clip), choices, seconds, progress)
        except StreamsegError as error:
            return _failure(str(error))
        figures = f"{summary.frames} frames in {summary.seconds:.1f} s ({summary.fps:.1f} fps)."
        message = " ".join([figures, *summary.warnings])
        return str(output), gr.update(value=str(output), visible=True), _message(message)

    return process


def _failure(message: str) -> tuple[Any, Any, str]:
    """The outputs of a clip that was not processed; the message is shown under the clip and as a toast."""
    gr.Warning(html.escape(message), title="Clip not processed")
    return gr.skip(), gr.skip(), _message(message)


def _message(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"
