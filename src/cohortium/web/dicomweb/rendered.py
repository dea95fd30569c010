"""Rendered pictures and thumbnails of what is held, as JPEG or PNG (PS3.18 10.4.1.1.3, 8.3.5.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from cohortium.dicom import render
from cohortium.find import Held
from cohortium.web.dicomweb import scope
from cohortium.web.dicomweb.negotiation import ANY, Taken, taken
from cohortium.web.dicomweb.retrieve import frame_numbers, parts, pictures, record
from cohortium.web.errors import BadRequest
from cohortium.web.meter import charge

__all__ = ["rendered", "thumbnail"]

FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG"}
THUMBNAIL = 128  # pixels
MOST = 500  # pictures of one request


@dataclass(frozen=True, slots=True)
class Wish:
    """How a picture shall be drawn: format, edges of the viewport in pixels, window, quality of a JPEG."""

    media_type: str
    viewport: tuple[int, int] | None
    window: render.Window | None
    quality: int

    def draw(self, picture: render.Picture) -> bytes:
        shown = replace(picture, window=self.window) if self.window else picture
        return render.encoded(shown, self.viewport, FORMATS[self.media_type], self.quality)


def rendered(request: Request) -> Response:
    """Frames, an instance's first frame, or the first frame of each instance of a series or study."""
    held = [each for each in scope.held(request) if each.NumberOfFrames]
    wish, multipart = _wish(request)
    if not held:
        raise HTTPException(406)
    numbers = frame_numbers(request, held[0]) if "numbers" in request.path_params else [1]
    wanted = [(each, number) for each in held for number in numbers]
    if len(wanted) > MOST:
        raise HTTPException(413)
    record(request, "retrieve rendered", held[0])
    drawn = [(wish.media_type, wish.draw(_picture(request, each, number))) for each, number in wanted]
    size = sum(len(content) for _, content in drawn)
    charge(request, held[0].project_id, size, len({each.digest for each, _ in wanted}))
    if multipart or len(drawn) > 1:
        return parts(wish.media_type, drawn)
    return Response(drawn[0][1], media_type=wish.media_type)


def thumbnail(request: Request) -> Response:
    """A small picture of the frame in the middle, or of the frame that is named."""
    held = [each for each in scope.held(request) if each.NumberOfFrames]
    wish, _ = _wish(request)
    if not held:
        raise HTTPException(406)
    middle = held[len(held) // 2]
    named = frame_numbers(request, middle)[0] if "numbers" in request.path_params else (middle.NumberOfFrames + 1) // 2
    record(request, "retrieve thumbnail", middle)
    small = wish if wish.viewport else replace(wish, viewport=(THUMBNAIL, THUMBNAIL))
    drawn = small.draw(_picture(request, middle, named))
    charge(request, middle.project_id, len(drawn))
    return Response(drawn, media_type=wish.media_type)


def _picture(request: Request, held: Held, number: int) -> render.Picture:
    return render.picture(pictures(request).dataset(held.at, held.NumberOfFrames), number - 1)


def _wish(request: Request) -> tuple[Wish, bool]:
    """How, and whether as multipart; 406 where no format is taken that can be made, 400 for a parameter gone wrong."""
    for each in taken(request, Taken("image/jpeg", False, ANY)):
        if each.name in FORMATS:
            query = request.query_params
            quality = _numbers(query.get("quality", "90"), 1, "quality")[0]
            if not 1 <= quality <= 100:
                raise BadRequest("quality is a number from 1 to 100")
            return Wish(
                each.name, _viewport(query.get("viewport")), _window(query.get("window")), int(quality)
            ), each.multipart
    raise HTTPException(406)


def _viewport(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, height = _numbers(text, 2, "viewport")
    if not (1 <= width <= 4096 and 1 <= height <= 4096):
        raise BadRequest("viewport is a width and a height of 1 to 4096 pixels")
    return int(width), int(height)


def _window(text: str | None) -> render.Window | None:
    if text is None:
        return None
    *values, function = text.split(",")
    if function.lower() not in ("linear", "linear-exact"):
        raise BadRequest("window is a centre, a width and `linear` or `linear-exact`")
    centre, width = _numbers(",".join(values), 2, "window")
    if width < 1:
        raise BadRequest("a window is at least 1 wide")
    return render.Window("As asked", centre, width)


def _numbers(text: str, count: int, name: str) -> list[float]:
    try:
        found = [float(each) for each in text.split(",")]
    except ValueError:
        found = []
    if len(found) != count or not all(isfinite(each) for each in found):
        raise BadRequest(f"{name} has {count} numbers" if count > 1 else f"{name} is a number")
    return found
