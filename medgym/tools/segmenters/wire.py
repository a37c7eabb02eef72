"""What travels between a tool server and its clients: images once as bytes, then by hash; masks as run lengths."""

import math
from typing import Annotated

from pydantic import AfterValidator, Base64Bytes, BaseModel, ConfigDict, Field, model_validator

from ...core.errors import ToolError
from ...core.geometry import Affine, Box, intersect
from ...core.image import SourceImage
from ...core.mask import Mask
from ...core.view import View
from ..segmenter import Prompt, Segmentation

MOST_PROMPTS = 256
Coordinate = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]
Corners = tuple[Coordinate, Coordinate, Coordinate, Coordinate]


def _proper(box: Corners) -> Corners:
    if box[0] >= box[2] or box[1] >= box[3]:
        raise ValueError("x1 must be less than x2 and y1 less than y2")
    return box


BoxField = Annotated[Corners, AfterValidator(_proper)]


class Asked(BaseModel):
    """One prompt, in the pixels of the image: ask by a box, by points, by both, or by words."""

    model_config = ConfigDict(extra="forbid")

    image: str = Field(max_length=64, description="The name of an image sent with this request, or an image's hash.")
    region: BoxField | None = Field(None, description="Only this part may be in the mask; default: the whole image.")
    box: BoxField | None = Field(None, description="[x1, y1, x2, y2] around the object.")
    points: list[tuple[Coordinate, Coordinate]] = Field([], max_length=64, description="[[x, y], …]")
    labels: list[Annotated[int, Field(ge=0, le=1)]] = Field([], max_length=64, description="For each point 1 or 0.")
    text: str = Field("", max_length=200, description="What to look for.")

    @model_validator(mode="after")
    def _consistent(self) -> "Asked":
        if not (self.box or self.points or self.text):
            raise ValueError("a prompt has a box, points or a text")
        if len(self.labels) != len(self.points):
            raise ValueError(f"there are {len(self.points)} points and {len(self.labels)} labels")
        return self

    @classmethod
    def of(cls, prompt: Prompt) -> "Asked":
        """Write a prompt down."""
        return cls(
            image=prompt.source.digest,
            region=intersect(prompt.region, (0, 0, *prompt.source.size)),
            box=prompt.box,
            points=list(prompt.points),
            labels=list(prompt.labels),
            text=prompt.text,
        )

    def prompt(self, source: SourceImage) -> Prompt:
        """Read it.

        Raises:
            ValueError: where the region is outside the image.
        """
        whole: Box = (0, 0, *source.size)
        x1, y1, x2, y2 = intersect(self.region or whole, whole)
        if x1 >= x2 or y1 >= y2:
            raise ValueError(f"the region {self.region} is outside the image of {whole[2]} x {whole[3]} pixels")
        size = (max(1, math.ceil(x2 - x1)), max(1, math.ceil(y2 - y1)))
        view = View(source, Affine.onto((x1, y1, x2, y2), size), size)
        return Prompt(view, self.box, tuple(self.points), tuple(self.labels), self.text)


class Request(BaseModel):
    """Prompts, and the images among theirs that the server has not seen."""

    model_config = ConfigDict(extra="forbid")

    images: dict[Annotated[str, Field(min_length=1, max_length=64)], Base64Bytes] = Field(
        {},
        max_length=MOST_PROMPTS,
        description="By any name, the bytes of a PNG, JPEG, TIFF, BMP, WebP or GIF, in base64.",
    )
    prompts: list[Asked] = Field(min_length=1, max_length=MOST_PROMPTS)


class Coded(BaseModel):
    """COCO's compressed run-length code."""

    size: tuple[int, int] = Field(description="Height and width.")
    counts: str


class Answered(BaseModel):
    """What was found, or why nothing was."""

    mask: Coded | None = None
    note: str = ""
    by: str = Field("", description="The segmenter that found it.")
    error: str = ""

    @classmethod
    def of(cls, answer: Segmentation | ToolError, name: str) -> "Answered":
        """Write an answer down."""
        if isinstance(answer, ToolError):
            return cls(error=str(answer) or "it failed", by=name)
        return cls(mask=Coded(**answer.mask.to_json()), note=answer.note, by=answer.by or name)

    def answer(self) -> Segmentation | ToolError:
        """Read it."""
        if self.mask is None:
            return ToolError(self.error)
        return Segmentation(Mask.from_json(self.mask.model_dump()), self.note, self.by)


class Reply(BaseModel):
    """An answer to each prompt, in order."""

    answers: list[Answered]
    hashes: dict[str, str] = Field({}, description="Of each image that was sent: name it so from now on.")


class Health(BaseModel):
    """What a server is."""

    status: str = "ok"
    segmenter: str
    takes: list[str] = Field(description="How it is asked: box, points, text.")
    most_body_bytes: int
    most_pixels: int
    version: str
