"""Tools: a wrong argument must teach, and a good one must do what it says."""

from pathlib import Path

import numpy as np
import pytest

import medgym
from medgym.core.action import Call
from medgym.core.errors import InputError, ToolError
from medgym.core.mask import Mask
from medgym.core.tooling import ToolRequest, ToolResult
from medgym.core.view import CONTOUR, View
from medgym.tools.perception import zoom_in
from medgym.tools.segmenter import Segmentation
from medgym.tools.segmenters import make_segmenter
from medgym.tools.tool import Box, Tool
from medgym.tools.toolbox import Tools, find_tool
from tests.conftest import Filling, picture

VIEW = View.whole(picture(640, 480), 320, index=1)


def run(name: str, segmenter: object = None, **arguments: object) -> ToolResult | ToolError:
    tools = Tools(["zoom_in", "sam2", "biomedparse"], segmenter or Filling())  # type: ignore[arg-type]
    return tools.run([ToolRequest(Call(name, arguments), (VIEW,))])[0]


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("zoomin", {"image": 1}, "Did you mean 'zoom_in'"),
        ("zoom_in", {}, "image: Field required"),
        ("zoom_in", {"image": 1}, "bbox_2d is needed"),
        ("zoom_in", {"image": 2, "bbox_2d": [1, 1, 5, 5]}, "no image 2; there are images 1 to 1"),
        ("zoom_in", {"image": True, "bbox_2d": [1, 1, 5, 5]}, "image: "),
        ("zoom_in", {"image": 1, "bbox_2d": [5, 1, 1, 5]}, "x1 must be less than x2"),
        ("zoom_in", {"image": 1, "bbox_2d": [1, 2, 3]}, "at least 4"),
        ("zoom_in", {"image": 1, "bbox_2d": "1,2,3,4"}, "valid list"),
        ("zoom_in", {"image": 1, "bbox_2d": [1, 2, 3, float("inf")]}, "finite"),
        ("zoom_in", {"image": 1, "bbox_2d": [400, 0, 500, 50]}, "outside the image of 320 x 240 pixels"),
        ("zoom_in", {"image": 1, "bbox_2d": [0, 0, 320, 240]}, "nothing new"),
        ("zoom_in", {"image": 1, "box": [1, 1, 5, 5]}, "Expected zoom_in(image: the number"),
        ("sam2", {"image": 1}, "a box or points are needed"),
        ("sam2", {"image": 1, "points": [[5, 5]], "labels": [1, 0]}, "1 points and 2 labels"),
        ("sam2", {"image": 1, "points": [[5, 500]]}, "outside the image"),
        ("sam2", {"image": 1, "points": [[5, 5]], "labels": [2]}, "less than or equal to 1"),
        ("zoom_in", {"image": 1, "bbox_2d": ["0", "0", "50", "50"]}, "bbox_2d.0: Input should be a valid number"),
        ("zoom_in", {"image": 1, "bbox_2d": [0, 0, True, True]}, "bbox_2d.2: Input should be a valid number"),
        ("biomedparse", {"image": 1, "text": ""}, "at least 1 character"),
        ("biomedparse", {"image": 1, "text": "x" * 300}, "at most 200"),
    ],
)
def test_a_wrong_argument_says_what_was_expected(name: str, arguments: dict[str, object], said: str) -> None:
    result = run(name, **arguments)
    assert isinstance(result, ToolError)
    assert said in str(result)


def test_a_zoom_is_cut_at_the_edge_and_shows_the_originals_own_pixels() -> None:
    result = run("zoom_in", image=1, bbox_2d=[-50, -50, 150, 150])
    assert isinstance(result, ToolResult)
    assert result.view is not None
    assert result.view.region == (0, 0, 300, 300)
    assert result.view.size == (300, 300)
    assert (result.view.pixels == VIEW.source.pixels[:300, :300]).all()


def test_a_tiny_zoom_is_enlarged_and_a_large_one_is_not_larger_than_the_first_view() -> None:
    tiny, large = run("zoom_in", image=1, bbox_2d=[10, 10, 14, 12]), run("zoom_in", image=1, bbox_2d=[0, 0, 310, 230])
    assert isinstance(tiny, ToolResult)
    assert isinstance(large, ToolResult)
    assert tiny.view is not None
    assert large.view is not None
    assert tiny.view.size == (256, 128)
    assert max(large.view.size) == 320


def test_a_zoom_onto_a_mask_draws_its_contour_and_keeps_it() -> None:
    masked = View.whole(picture(640, 480), 320, index=1)
    mask = Mask.of_box((100, 100, 200, 160), (640, 480))
    shown = zoom_in.function(View(masked.source, masked.to_original, masked.size, index=1, mask=mask, most=320), None)
    x1, y1, x2, y2 = shown.view.region
    assert (x1 <= 75, x2 >= 225, y1 <= 75, y2 >= 185) == (True, True, True, True)
    assert shown.view.mask == mask
    assert (shown.view.pixels == CONTOUR).all(-1).sum() > 100
    assert (shown.view.plain == CONTOUR).all(-1).sum() == 0


def test_a_segmentation_shows_its_mask_and_says_how_large_it_is() -> None:
    result = run("sam2", image=1, bbox_2d=[10, 10, 60, 60])
    assert isinstance(result, ToolResult)
    assert result.view is not None
    assert result.view.mask is not None
    assert result.view.mask.box == (20, 20, 120, 120)
    assert "3.3 %" in result.text
    changed = (result.view.pixels != VIEW.pixels).any(-1)
    assert changed[12:58, 12:58].mean() > 0.95
    assert not changed[70:, 70:].any()


class Wrong:
    name, needs_truth = "wrong", False

    def __init__(self, made: object) -> None:
        self.made = made

    def segment(self, prompts):  # type: ignore[no-untyped-def]
        return [self.made for _ in prompts] if self.made is not None else []


@pytest.mark.parametrize(
    "made",
    [None, Segmentation(np.zeros((5, 5), bool)), Segmentation(np.zeros((480, 640), np.float32))],  # type: ignore[arg-type]
)
def test_a_segmenter_that_returns_another_shape_is_a_bug_that_is_named(made: object) -> None:
    with pytest.raises(ValueError, match="segmenter Wrong"):
        run("sam2", Wrong(made), image=1, bbox_2d=[1, 1, 9, 9])


def test_a_failure_of_the_segmenter_is_shown_to_the_policy() -> None:
    result = run("sam2", Wrong(ToolError("the server is down")), image=1, bbox_2d=[1, 1, 9, 9])
    assert str(result) == "the server is down"


def test_a_tool_of_ones_own_is_a_typed_function_with_a_docstring() -> None:
    @medgym.tool
    def width(image: View, bbox_2d: Box) -> ToolResult:
        """Measure how wide a box is.

        Args:
            image: which image.
            bbox_2d: the box.
        """
        return ToolResult(f"{bbox_2d[2] - bbox_2d[0]:g} pixels")

    assert isinstance(width, Tool)
    assert width.spec.description == "Measure how wide a box is."
    assert width.spec.coordinates == {"bbox_2d"}
    assert width.spec.parameters["required"] == ["image", "bbox_2d"]
    assert width.spec.parameters["properties"]["image"]["description"] == "which image."
    with pytest.raises(TypeError, match="docstring"):
        medgym.tool(lambda image: None)


def test_a_tool_may_return_words_and_one_that_breaks_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import medgym\nfrom medgym.core.view import View\n"
        "@medgym.tool\ndef size(image: View) -> str:\n    'Say how large an image is.'\n    return f'{image.size[0]}'\n"
        "@medgym.tool\ndef broken(image: View) -> str:\n    'Break.'\n    return 1 / 0\n"
        "@medgym.tool\ndef wrong(image: View) -> int:\n    'Return a number.'\n    return 3\n"
    )
    tools = Tools([f"{tmp_path}/mine.py:{name}" for name in ("size", "broken", "wrong")], Filling())  # type: ignore[arg-type]

    def called(name: str) -> ToolResult | ToolError:
        return tools.run([ToolRequest(Call(name, {"image": 1}), (VIEW,))])[0]

    assert called("size") == ToolResult("320")
    with pytest.raises(ZeroDivisionError) as raised:
        called("broken")
    assert "in tool 'broken'" in raised.value.__notes__[0]
    with pytest.raises(TypeError, match="'wrong' returned a int, not a str"):
        called("wrong")


def test_names_are_found_or_suggested(tmp_path: object) -> None:
    assert find_tool("sam2").name == "sam2"
    with pytest.raises(InputError, match="Did you mean 'sam2'"):
        find_tool("sam3")
    with pytest.raises(InputError, match="'module:name' of your own"):
        make_segmenter("nothing")
    with pytest.raises(InputError, match="cannot be made"):
        make_segmenter("simulated:errors=1")
    with pytest.raises(InputError, match="key=value"):
        make_segmenter("simulated:error=1,x")
    with pytest.raises(InputError, match="cannot import"):
        make_segmenter("no_such_module_at_all:Thing")
    with pytest.raises(InputError, match="two tools have one name"):
        Tools(["sam2", "sam2"], Filling())  # type: ignore[arg-type]
