"""POST /v1/images: a picture in, a picture out."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from streamseg.errors import StreamsegError
from streamseg.media.images import read_image

from ..image import encoded_image, with_background
from .documentation import ERRORS, PICTURE_BODY, PICTURE_RESULT
from .inputs.checks import check_picture
from .inputs.options import PICTURE_TYPES, PictureOptions
from .inputs.receiving import Received, receive
from .refusal import Refusal, refusal_of
from .service import Service

__all__ = ["add_pictures"]


def add_pictures(app: FastAPI, service: Service) -> None:
    """Add the route."""

    @app.post(
        "/v1/images",
        tags=["pictures"],
        summary="A picture with another background",
        response_class=Response,
        responses={**PICTURE_RESULT, **ERRORS},
        openapi_extra=PICTURE_BODY,
    )
    async def post_image(
        request: Request,
        bg: Annotated[str, Query(description="transparent, matte, blur, blur:STRENGTH, a colour")] = "transparent",
        format: Annotated[str, Query(description="png or jpeg")] = "png",
    ) -> Response:
        """The options may be in the query or in fields of the form. With a file in the field `background`, that is the
        background. Rotated as the camera's EXIF says."""
        with service.picture():
            folder = service.new_folder()
            try:
                received = await receive(request, folder, service.settings.max_picture_bytes, ("image", "background"))
                options = _options(received)
                loop = asyncio.get_running_loop()
                data = await loop.run_in_executor(service.pool, _process, service, folder, received, options)
                return Response(data, media_type=PICTURE_TYPES[options.format])
            finally:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _options(received: Received) -> PictureOptions:
    if "image" not in received.files:
        raise Refusal(400, "no picture: expected one as the body, or in the field image of a form")
    return PictureOptions.parse(received.options, "background" in received.files)


def _process(service: Service, folder: Path, received: Received, options: PictureOptions) -> bytes:
    try:
        for path in received.files.values():
            check_picture(path, service.settings.max_pixels)
        image = read_image(str(received.files["image"]))
        background = options.bg or str(received.files["background"])
        frame = with_background(image, background, service.segmenter)
        service.metrics.frames.labels("picture").inc()
        return encoded_image(frame, f".{options.format}")
    except StreamsegError as error:
        raise refusal_of(error, folder) from error
