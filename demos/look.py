"""How the page looks: its theme, its style sheets, the tiles of the gallery."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import gradio as gr

from .choices import YOURS
from .gallery import GALLERY, thumbnail

__all__ = ["STYLE_SHEETS", "background_names", "theme", "tiles"]

STYLE_SHEETS = [Path(__file__).parent / "assets" / name for name in ("page.css", "stage.css")]
#: Fonts of the visitor's own machine: the page loads nothing from elsewhere.
_FONTS = ["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "DejaVu Sans", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "DejaVu Sans Mono", "monospace"]


def theme() -> gr.themes.Base:
    """Quiet greys and one teal."""
    return gr.themes.Base(primary_hue="teal", neutral_hue="slate", radius_size="lg", font=_FONTS, font_mono=_MONO).set(
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_text_color="white",
        block_shadow="none",
        block_border_width="1px",
    )


def background_names() -> list[str]:
    """The gallery's, in order."""
    return ["Blur", *GALLERY, "Colour"]


@cache
def _thumbnails() -> dict[str, str]:
    return {name: thumbnail(path) for name, path in GALLERY.items()}


def tiles(yours: str | None = None) -> str:
    """A style sheet that puts a picture on each choice of the gallery.

    Args:
        yours: that of the visitor's own background, a data: URL.
    """
    pictures = {**_thumbnails(), **({YOURS: yours} if yours else {})}
    rules = "".join(_tile(name, url) for name, url in pictures.items())
    return f"<style>{rules}</style>"


def _tile(name: str, url: str) -> str:
    return f'#gallery label[data-testid="{name}-radio-label"] {{ background-image: url("{url}"); }}'
