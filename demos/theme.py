"""How the page looks: theme, style sheets, tiles of the gallery; and the text of the page's files."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import gradio as gr

from .choices import UPLOADED
from .gallery import GALLERY, thumbnail

__all__ = ["STYLE_SHEETS", "asset", "background_names", "theme", "tile_styles"]

_ASSETS = Path(__file__).parent / "assets"
STYLE_SHEETS = [_ASSETS / name for name in ("page.css", "live_view.css")]
#: Fonts of the visitor's machine: the page loads nothing from other hosts.
_FONTS = ["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "DejaVu Sans", "sans-serif"]
_MONO_FONTS = ["ui-monospace", "SFMono-Regular", "Menlo", "DejaVu Sans Mono", "monospace"]


def asset(name: str) -> str:
    """The text of a file in assets/."""
    return (_ASSETS / name).read_text(encoding="utf-8")


def theme() -> gr.themes.Base:
    """Greys and one teal."""
    base = gr.themes.Base(primary_hue="teal", neutral_hue="slate", radius_size="lg", font=_FONTS, font_mono=_MONO_FONTS)
    return base.set(
        # As dark, and grey text so dark, that it can be read: contrasts of 4.5 or more.
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        body_text_color_subdued="*neutral_600",
        block_info_text_color="*neutral_600",
        button_primary_text_color="white",
        block_shadow="none",
        block_border_width="1px",
    )


def background_names() -> list[str]:
    """The backgrounds on the page, in order, without the visitor's own."""
    return ["Blur", *GALLERY, "Colour"]


@cache
def _thumbnails() -> dict[str, str]:
    return {name: thumbnail(path) for name, path in GALLERY.items()}


def tile_styles(uploaded: str | None = None) -> str:
    """A style element that puts a thumbnail on each background of the gallery.

    Args:
        uploaded: thumbnail of the visitor's own background, a data: URL.
    """
    thumbnails = {**_thumbnails(), **({UPLOADED: uploaded} if uploaded else {})}
    rules = "".join(_tile_rule(name, url) for name, url in thumbnails.items())
    return f"<style>{rules}</style>"


def _tile_rule(name: str, url: str) -> str:
    return f'#gallery label[data-testid="{name}-radio-label"] {{ background-image: url("{url}"); }}'
