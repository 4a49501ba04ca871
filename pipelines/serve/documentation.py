"""What the documentation at /docs says of bodies and answers, with examples."""

from __future__ import annotations

from typing import Any

__all__ = ["CLIP_BODY", "DESCRIPTION", "ERRORS", "JOB", "PICTURE_BODY", "PICTURE_RESULT"]

DESCRIPTION = """Another background behind the person in a picture or a clip; mattes of live frames.

    curl -F image=@portrait.jpg http://127.0.0.1:8000/v1/images -o cutout.png
    curl -F clip=@talk.mp4 -F bg=blur http://127.0.0.1:8000/v1/clips

**Live frames**: the WebSocket `/v1/live` takes JPEG or WebP images as binary messages and answers with binary messages:
four bytes, big endian, with the number of the frame, counted from 0 in the order in which they were sent; then its
matte as PNG or JPEG, in grey. Frames for which newer ones have come are left out. A frame that does not decode is
answered with text, `{"frame": 3, "error": "…"}`. Options, in the query: `format` (png, jpeg), `speed` (auto, best,
balanced, fast), `steady` (0 to 1).
"""


def _error(description: str, message: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"example": {"error": message}}}}


ERRORS: dict[int | str, dict[str, Any]] = {
    400: _error("The request is malformed.", "no picture: expected one as the body, or in the field image of a form"),
    401: _error(
        "No token, or a wrong one.", "no token, or a wrong one: expected the header Authorization: Bearer TOKEN"
    ),
    408: _error("The body comes too slowly.", "the body comes too slowly: expected all of it within 600 s"),
    413: _error("The body is too large.", "the body has more than 500 MB: send a smaller file"),
    415: _error("A format that this service cannot read.", "image: is a HEIC image of several tiles, …"),
    422: _error("A file or an option that cannot be used.", "image: 20000×20000 pixels are too many: expected up to …"),
    429: _error("Too many at a time; see Retry-After.", "16 clips wait already: try again later"),
    503: _error("The service is stopping; see Retry-After.", "the service is stopping: try again in a moment"),
}
_FILE = {"type": "string", "format": "binary"}
_BG = {
    "type": "string",
    "description": "transparent, matte, blur, blur:STRENGTH (0 to 1), a colour",
    "example": "#00b140",
}


def _form(name: str, **fields: Any) -> dict[str, Any]:
    background = {**_FILE, "description": "the background, in place of bg"}
    properties = {name: _FILE, "background": background, "bg": _BG, **fields}
    return {"schema": {"type": "object", "properties": properties, "required": [name]}}


PICTURE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": _form("image", format={"type": "string", "enum": ["png", "jpeg"]}),
            "image/*": {"schema": _FILE},
        },
    }
}
PICTURE_RESULT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The picture.", "content": {"image/png": {"schema": _FILE}, "image/jpeg": {"schema": _FILE}}}
}
_CLIP_FIELDS = {
    "format": {"type": "string", "enum": ["mp4", "webm", "mov", "mkv"]},
    "speed": {"type": "string", "enum": ["best", "balanced", "fast"]},
    "steady": {"type": "number", "minimum": 0, "maximum": 1},
    "edges": {"type": "string", "enum": ["on", "off"]},
    "audio": {"type": "string", "enum": ["on", "off"]},
}
CLIP_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": _form("clip", **_CLIP_FIELDS),
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"url": {"type": "string", "format": "uri"}, "bg": _BG, **_CLIP_FIELDS},
                    "required": ["url"],
                },
                "example": {"url": "https://example.org/talk.mp4", "bg": "blur", "speed": "balanced"},
            },
            "video/*": {"schema": _FILE},
        },
    }
}
JOB: dict[str, Any] = {
    "id": "kq3Zb5Nn0kJxgq1o9Vd3fA",
    "state": "running",
    "position": 0,
    "frames": 120,
    "expected_frames": 480,
    "fps": 11.5,
    "warnings": [],
    "error": None,
    "result": None,
}
