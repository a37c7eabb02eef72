"""Segmenters with a model: the cached and batched path gives what the plain predictor gives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import medgym.testing as contract
from medgym.core.errors import InputError, ToolError
from medgym.core.geometry import Affine
from medgym.core.view import View
from medgym.tools.segmenter import Prompt, Segmentation, ask
from medgym.tools.segmenters import make_segmenter
from medgym.tools.segmenters.embedding import EmbeddingSegmenter, tensor_bytes

from .conftest import BOX, marked, picture, view

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:FutureWarning")
Checkpoint = Callable[[str], Path]


def bits(segmenter: Any, prompts: list[Prompt]) -> list[Any]:
    return [answer.bits for answer in ask(segmenter, prompts)]


@pytest.fixture(scope="module")
def sam2() -> EmbeddingSegmenter[Any]:
    made = make_segmenter("sam2:model=random-tiny").inner  # type: ignore[attr-defined]
    assert isinstance(made, EmbeddingSegmenter)
    return made


@pytest.mark.slow
def test_sam2_answers_as_its_own_predictor_does(sam2: Any) -> None:
    prompts = [*marked(picture(0)), *marked(picture(1, 200, 100))]
    together = bits(sam2, prompts)
    again = bits(sam2, prompts)
    embedded = ""
    for prompt, one, two in zip(prompts, together, again, strict=True):
        if prompt.source.digest != embedded:
            sam2.predictor.set_image(np.array(prompt.source.pixels))
            embedded = prompt.source.digest
        masks, scores, _ = sam2.predictor.predict(
            point_coords=np.array(prompt.points) if prompt.points else None,
            point_labels=np.array(prompt.labels) if prompt.points else None,
            box=np.array(prompt.box) if prompt.box else None,
            multimask_output=prompt.box is None and len(prompt.points) == 1,
        )
        plain = masks[scores.argmax()] > 0
        assert (one == plain).all()
        assert (two == plain).all()


@pytest.mark.slow
def test_a_group_of_rollouts_embeds_its_image_once(sam2: Any) -> None:
    before = sam2.embedded
    seen = view(picture(7))
    for call in range(4):
        ask(sam2, [Prompt(seen, box=(10.0 + rollout, 10.0 + call, 60.0, 50.0)) for rollout in range(8)])
    assert sam2.embedded == before + 1


@pytest.mark.slow
def test_sam2_keeps_the_contract(sam2: Any) -> None:
    contract.check_segmenter(sam2, most=1)


@pytest.mark.slow
def test_a_checkpoint_is_loaded_and_one_that_does_not_fit_is_named(sam2: Any, tmp_path: Path) -> None:
    import torch

    torch.save({"model": sam2.predictor.model.state_dict()}, tmp_path / "sam2.1_hiera_tiny.pt")
    loaded = make_segmenter(f"sam2:model={tmp_path}/sam2.1_hiera_tiny.pt").inner  # type: ignore[attr-defined]
    prompts = marked(picture())[:1]
    assert (bits(loaded, prompts)[0] == bits(sam2, prompts)[0]).all()
    torch.save({"model": {}}, tmp_path / "sam2.1_hiera_small.pt")
    with pytest.raises(InputError, match="does not fit"):
        make_segmenter(f"sam2:model={tmp_path}/sam2.1_hiera_small.pt")


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("sam2:model=random-huge", "no size 'huge'"),
        ("sam2:model=no/such.pt", "is no file"),
        ("sam2:model=random-tiny,cache_mb=0", "cache_mb is a whole number from 1"),
        ("transformers:model=/no/such/folder", "cannot be read"),
        ("remote", "takes url="),
        ("remote:url=localhost", "no address"),
        ("remote:url=http://127.0.0.1:9,retries=0", "no tool server at"),
        ("faulty:fail=0.5", "name the segmenter last"),
        ("faulty:fail=2,of=classical", "a share from 0 to 1"),
        ("faulty:fail=0.9,empty=0.9,of=classical", "at most 1 together"),
    ],
)
def test_a_segmenter_that_cannot_be_made_says_why(spec: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        make_segmenter(spec)


def test_a_checkpoint_whose_name_tells_no_config(tmp_path: Path) -> None:
    (tmp_path / "mine.pt").write_bytes(b"")
    with pytest.raises(InputError, match="name the config"):
        make_segmenter(f"sam2:model={tmp_path}/mine.pt")


@pytest.mark.parametrize("kind", ["sam", "sam2"])
def test_transformers_answers_as_the_plain_model_does(kind: str, checkpoint: Checkpoint) -> None:
    segmenter = make_segmenter(f"transformers:model={checkpoint(kind)}").inner  # type: ignore[attr-defined]
    prompts = [*marked(picture(0)), *marked(picture(1, 80, 140))]
    for found in (bits(segmenter, prompts), bits(segmenter, prompts)):
        for prompt, one in zip(prompts, found, strict=True):
            assert (one == plain(segmenter, prompt)).all()
    assert segmenter.embedded == 2


def plain(segmenter: Any, prompt: Prompt) -> Any:
    """Ask as the documentation of transformers does."""
    asked: dict[str, Any] = {}
    if prompt.box:
        asked["input_boxes"] = [[list(prompt.box)]]
    if prompt.points:
        asked["input_points"] = [[[list(point) for point in prompt.points]]]
        asked["input_labels"] = [[list(prompt.labels)]]
    given = segmenter.processor(images=np.array(prompt.source.pixels), return_tensors="pt", **asked)
    sizes = [given.pop(key) for key in ("original_sizes", "reshaped_input_sizes") if key in given]
    given = {key: value.float() if value.is_floating_point() else value for key, value in given.items()}
    out = segmenter.model(**given, multimask_output=prompt.box is None and len(prompt.points) == 1)
    masks = segmenter.processor.image_processor.post_process_masks(out.pred_masks, *sizes)[0][0]
    return masks[out.iou_scores[0, 0].argmax()].numpy()


def test_clipseg_finds_words_as_the_plain_model_does(checkpoint: Checkpoint) -> None:
    import torch

    segmenter = make_segmenter(f"transformers:model={checkpoint('clipseg')},threshold=0.499").inner  # type: ignore[attr-defined]
    source = picture()
    for text in ("liver tumor", "kidney"):
        given = segmenter.processor(text=[text], images=[np.array(source.pixels)], return_tensors="pt")
        logits = segmenter.model(**given).logits
        large = torch.nn.functional.interpolate(logits.reshape(1, 1, 64, 64), (90, 120), mode="bilinear")
        expected = large.sigmoid()[0, 0].detach().numpy() > 0.499
        assert 0 < expected.sum() < expected.size
        assert (bits(segmenter, [Prompt(view(source), text=text)])[0] == expected).all()
    assert segmenter.embedded == 1


def test_sam3_finds_words_as_the_plain_model_does(checkpoint: Checkpoint) -> None:
    segmenter = make_segmenter(f"transformers:model={checkpoint('sam3')},threshold=0.2").inner  # type: ignore[attr-defined]
    source = picture()
    for text in ("liver tumor", "kidney"):
        given = segmenter.processor(text=text, images=np.array(source.pixels), return_tensors="pt")
        sizes = given.pop("original_sizes").tolist()
        found = segmenter.processor.post_process_instance_segmentation(
            segmenter.model(**given), threshold=0.2, target_sizes=sizes
        )[0]["masks"]
        assert len(found)
        expected = found.bool().numpy().any(0)
        assert (bits(segmenter, [Prompt(view(source), text=text)])[0] == expected).all()
    assert segmenter.embedded == 1


@pytest.mark.parametrize("kind", ["sam", "sam2", "sam3", "clipseg"])
def test_transformers_keeps_the_contract(kind: str, checkpoint: Checkpoint) -> None:
    contract.check_segmenter(make_segmenter(f"transformers:model={checkpoint(kind)}"), most=1)


def test_a_model_that_segments_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match="is a 'bert'"):
        make_segmenter(f"transformers:model={tmp_path}")


def test_what_a_segmenter_does_not_take_goes_to_the_next(checkpoint: Checkpoint) -> None:
    both = make_segmenter(f"transformers:model={checkpoint('sam')} | transformers:model={checkpoint('clipseg')}")
    seen = view(picture())
    box, words = ask(both, [Prompt(seen, box=BOX), Prompt(seen, text="liver")])
    assert isinstance(box, Segmentation)
    assert isinstance(words, Segmentation)
    assert (box.by, words.by) == ("sam", "clipseg")
    alone = make_segmenter(f"transformers:model={checkpoint('sam')}")
    refused = ask(alone, [Prompt(seen, text="liver"), Prompt(seen, box=BOX)])
    assert isinstance(refused[0], ToolError)
    assert "asked by a box or points only" in str(refused[0])
    assert isinstance(refused[1], Segmentation)


def test_embeddings_stay_within_their_bound(checkpoint: Checkpoint) -> None:
    segmenter = make_segmenter(f"transformers:model={checkpoint('sam2')},cache_mb=1").inner  # type: ignore[attr-defined]
    held = segmenter.embeddings
    assert held.most_bytes == 1 << 20
    held.most_bytes = 200_000
    for seed in range(24):
        ask(segmenter, [Prompt(view(picture(seed)), box=BOX)])
    assert 0 < held.held_bytes <= held.most_bytes
    assert 1 < len(held) < 24
    assert held.held_bytes == sum(map(tensor_bytes, held._held.values()))


def test_one_process_has_a_model_once(checkpoint: Checkpoint) -> None:
    spec = f"transformers:model={checkpoint('sam')}"
    one = make_segmenter(spec)
    assert make_segmenter(spec) is one


def test_a_mask_stays_within_what_the_policy_looked_at(checkpoint: Checkpoint) -> None:
    source = picture()
    left = View(source, Affine.onto((0, 0, 40, 90), (40, 90)), (40, 90), index=2)
    found = bits(make_segmenter(f"transformers:model={checkpoint('sam')}"), [Prompt(left, box=(5, 5, 35, 60))])[0]
    assert found.any()
    assert not found[:, 40:].any()
