"""Walking through a volume: what each slice shows, what is refused, and that every other tool works there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medgym.core.episode import Episode
from medgym.core.errors import ToolError
from medgym.core.tooling import ToolResult
from medgym.core.view import Sheet
from medgym.core.volume import Plane, Slab
from medgym.tools.segmenters.embedding import EmbeddingSegmenter
from medgym.tools.toolbox import TOOLS, Tools
from tests.conftest import call, picture
from tests.scans import IN_VOXELS, LIVER, NOT_THERE, ON_A_SLICE, SHAPE, labels, scenario, values

Played = Callable[..., Episode]


@pytest.fixture
def walked(tmp_path: Path) -> Played:
    def made(*texts: str, record: dict[str, Any] = ON_A_SLICE, **settings: Any) -> Episode:
        of = scenario(tmp_path, record, **settings)
        episode = of.episode(of.task("test", 0))
        for text in texts:
            episode.apply(text)
        return episode

    return made


def result(episode: Episode) -> ToolResult:
    found = episode.turns[-1].results[-1]
    assert isinstance(found, ToolResult), found
    return found


def refusal(episode: Episode) -> str:
    found = episode.turns[-1].results[-1]
    assert isinstance(found, ToolError), found
    return str(found)


CORONAL = call("slice", image=1, axis="coronal", position=30)


def test_the_tools_go_by_their_names() -> None:
    import pickle

    for name in ("slice", "project"):
        assert TOOLS[name].spec.name == name
        assert pickle.loads(pickle.dumps(TOOLS[name])) is TOOLS[name]


def test_the_policy_is_told_where_it_is_and_how_far_it_can_go(walked: Played) -> None:
    episode = walked()
    assert "Image 1 (80 x 60 pixels). Slice 5 of 0 to 7, axial." in episode.newest_text
    episode.apply(CORONAL)
    assert "Image 2 (80 x 30 pixels). Slice 30 of 0 to 59, coronal." in episode.newest_text
    episode.apply(call("project", image=2, axis="sagittal", low=10, high=20))
    assert "Projection of slices 10 to 20 of 0 to 79, sagittal." in episode.newest_text
    without = walked(tools=["zoom_in", "sam2"])
    assert "Slice" not in without.newest_text, "who cannot walk is not told of slices"


def test_without_the_tools_a_slice_is_shown_as_it_was_before_there_were_volumes(walked: Played, tmp_path: Path) -> None:
    from medgym.tasks.readers import read_image

    view = walked(tools=["zoom_in"]).views[0]
    assert np.array_equal(view.pixels[..., 0], read_image(tmp_path / "ct.nii.gz", 5).pixels)


def test_a_slice_shows_its_voxels_and_a_projection_the_largest(walked: Played) -> None:
    episode = walked(CORONAL, call("project", image=1, axis="axial"))
    assert np.array_equal(episode.views[1].source.values, values()[::-1, 30])
    assert np.array_equal(episode.views[2].source.values, values().max(0))
    assert [view.sheet.cut for view in episode.views[1:]] == [Plane("coronal", 30), Slab("axial", 0, 7)]
    assert episode.trajectory().seen == list(episode.views[1:])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (call("slice", image=1, axis="axial", position=8), "there is no axial slice 8; there are 0 to 7"),
        (call("slice", image=1, axis="axial", position=-1), "there is no axial slice -1"),
        (call("slice", image=1, axis="oblique", position=1), "axis: Input should be 'axial', 'coronal' or 'sagittal'"),
        (call("slice", image=1, axis="axial", position=2.5), "position: "),
        (call("slice", image=1, axis="axial", position=5), "image 1 shows that already"),
        (call("project", image=1, axis="axial", low=3, high=3), "a projection is of two slices at least"),
        (call("project", image=1, axis="axial", low=0, high=99), "there is no axial slice 99"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_words(walked: Played, text: str, why: str) -> None:
    assert why in refusal(walked(text))


def test_a_slice_seen_before_is_no_new_sight_from_wherever_it_is_asked(walked: Played) -> None:
    episode = walked(CORONAL, call("zoom_in", image=2, bbox_2d=[5, 5, 40, 20]))
    episode.apply(call("slice", image=3, axis="coronal", position=30))
    assert refusal(episode) == "image 2 shows that already"
    assert len(episode.trajectory().seen) == 2
    episode.apply(call("slice", image=3, axis="axial", position=5))
    assert refusal(episode) == "image 1 shows that already"
    again = walked(CORONAL, CORONAL)
    assert again.end_reason == "repeated_call"


def test_an_image_that_is_no_volume_has_nothing_behind_it(play: Played) -> None:
    from medgym.core.task import Kind
    from medgym.core.view import View
    from tests.conftest import task

    for name, arguments in (("slice_", ("axial", 0)), ("project", ("axial",))):
        from medgym.tools import walking

        with pytest.raises(ToolError, match="not of a volume"):
            getattr(walking, name).function(View.whole(picture(40, 30), 512), *arguments)
    assert play(task(Kind.OPEN)).views[0].sheet == Sheet(0, None)


def test_prompts_on_a_plane_are_in_its_pixels_and_masks_are_of_it(walked: Played) -> None:
    whole = walked(CORONAL, call("biomedparse", image=2, text="liver"))
    mask = whole.views[-1].mask
    assert mask is not None
    assert np.array_equal(mask.bits(), (labels() == LIVER)[::-1, 30])
    # The view is 30 pixels high for 8 voxels: a box on it is a box of voxels.
    box = whole.views[1].box_of(mask)
    assert box is not None
    marked = walked(CORONAL, call("sam2", image=2, bbox_2d=list(box))).views[-1]
    assert marked.mask == mask
    assert marked.sheet == Sheet(0, Plane("coronal", 30))
    zoomed = walked(
        CORONAL, call("zoom_in", image=2, bbox_2d=[20, 0, 80, 30]), call("biomedparse", image=3, text="liver")
    )
    assert zoomed.views[-1].mask == mask


def test_every_other_tool_works_on_any_plane(walked: Played) -> None:
    episode = walked(CORONAL, max_turns=20)
    for text in (
        call("window", image=2, level=200, width=100), call("enhance", image=3, method="gamma", strength=0.5),
        call("rotate", image=4, degrees=30), call("flip", image=5, axis="horizontal"),
        call("zoom_in", image=6, bbox_2d=[20, 10, 60, 30]), call("biomedparse", image=7, text="liver"),
    ):  # fmt: skip
        episode.apply(text)
        assert result(episode).view is not None
        assert episode.views[-1].sheet == Sheet(0, Plane("coronal", 30))
        assert episode.views[-1].pixels.shape[:2] == episode.views[-1].size[::-1]
    windowed = np.clip((values()[::-1, 30] - 150.0) * 255 / 100 + 0.5, 0, 255).astype(int)
    assert np.array_equal(episode.views[2].source.pixels, windowed)
    episode.apply(call("compare", image=1, other=2))
    episode.apply(call("biomedparse", image=1, text="liver"))
    left, shown = episode.views[8].panels[1]
    episode.apply(call("sam2", image=9, points=[[left + 0.65 * shown.size[0], 0.4 * shown.size[1]]]))
    assert episode.views[-1].sheet == Sheet(0, Plane("coronal", 30)), "a mark on a half is one on the plane shown there"


def test_a_window_goes_along_from_slice_to_slice(walked: Played) -> None:
    episode = walked(
        call("window", image=1, level=200, width=100), call("enhance", image=2, method="gamma", strength=2)
    )
    episode.apply(call("slice", image=2, axis="coronal", position=30))
    windowed = np.clip((values()[::-1, 30] - 150.0) * 255 / 100 + 0.5, 0, 255).astype(int)
    assert np.array_equal(episode.views[3].source.pixels, windowed)
    assert np.array_equal(episode.views[3].source.values, values()[::-1, 30])
    episode.apply(call("slice", image=3, axis="coronal", position=30))
    assert np.array_equal(episode.views[4].source.pixels, np.rint(255 * (windowed / 255) ** 2))
    episode.apply(call("slice", image=4, axis="axial", position=5))
    assert refusal(episode) == "image 2 shows that already"
    assert {view.sheet.cut for view in episode.views[3:]} == {Plane("coronal", 30)}


def test_measures_are_in_millimetres_along_both_sides_of_a_plane(walked: Played) -> None:
    episode = walked(CORONAL, call("measure", image=2, points=[[10, 0], [10, 30]]))
    assert result(episode).text.startswith("Distance 24 mm")  # 8 slices of 3 mm
    episode.apply(call("measure", image=2, points=[[0, 10], [80, 10]]))
    assert result(episode).text.startswith("Distance 64 mm")
    episode.apply(call("biomedparse", image=2, text="liver"))
    episode.apply(call("measure", image=3))
    bits = (labels() == LIVER)[:, 30]
    assert f"area {bits.sum() * 3 * 0.8:.4g} mm²" in result(episode).text
    assert f"mean stored value {values()[:, 30][bits].mean():.4g}" in result(episode).text


def test_nothing_can_be_marked_on_a_projection(walked: Played) -> None:
    episode = walked(call("project", image=1, axis="axial"))
    for text in (
        call("sam2", image=2, bbox_2d=[20, 10, 60, 40]), call("biomedparse", image=2, text="liver"),
        call("zoom_in", image=2, bbox_2d=[20, 10, 60, 40]), call("sam2", image=3, points=[[10, 10]]),
    ):  # fmt: skip
        episode.apply(text)
        if "zoom_in" in text:
            assert result(episode).view is not None
        else:
            assert "projection: no voxel lies under a pixel" in refusal(episode)


def test_no_state_of_an_episode_leads_to_the_labels(tmp_path: Path) -> None:
    import pickle

    of = scenario(tmp_path, IN_VOXELS, NOT_THERE, segmenter="classical")
    shown = []
    for index in (0, 1):
        episode = of.episode(of.task("test", index))
        for text in (CORONAL, call("project", image=1, axis="axial"), call("sam2", image=2, bbox_2d=[30, 5, 60, 25])):
            episode.apply(text)
        assert len(episode.views) == 4
        state = episode.snapshot()
        for kept in (pickle.dumps(state), repr(state).encode(), repr(episode.task).encode()):
            assert b"labels.nii" not in kept
        shown.append(episode.newest_text)
    assert shown[0] == shown[1], "what is there changes no word"


def test_each_plane_is_embedded_once_as_an_image_of_its_own(tmp_path: Path) -> None:
    class Counting(EmbeddingSegmenter[np.ndarray]):
        name, takes = "counting", frozenset({"box", "text", "points"})

        def _embed(self, images: Any) -> list[np.ndarray]:
            return [image[..., 0] for image in images]

        def _decode(self, embedding: np.ndarray, prompts: Any) -> list[np.ndarray]:
            return [embedding > 100 for _ in prompts]

    of = scenario(tmp_path, IN_VOXELS)
    segmenter = Counting()
    of.toolbox = Tools(["sam2", "slice"], segmenter)
    episode = of.episode(of.task("test", 0))
    episode.apply(CORONAL)
    for box in ([0, 0, 40, 20], [10, 5, 60, 30]):
        episode.apply(call("sam2", image=2, bbox_2d=box))
        episode.apply(call("sam2", image=1, bbox_2d=box))
    assert segmenter.embedded == 2
    assert episode.views[2].mask is not None
    assert episode.views[2].mask.size == (SHAPE[2], SHAPE[0])
