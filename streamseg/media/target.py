"""Old path of streamseg.media.writing.target, for one release."""

from __future__ import annotations

from streamseg.deprecation import renamed

__getattr__ = renamed(
    __name__,
    {
        "Encoding": "streamseg.media.writing.target:Encoding",
        "Target": "streamseg.media.writing.target:Target",
        "asks_for_alpha": "streamseg.media.writing.target:asks_for_alpha",
        "choose_target": "streamseg.media.writing.target:choose_target",
    },
)
