"""Recipes: the published numbers, computed by hand, and the published holes, closed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from medgym.catalog import names
from medgym.core.episode import Episode
from medgym.core.errors import InputError
from medgym.core.mask import Mask
from medgym.core.task import Kind
from medgym.core.trajectory import Trajectory
from medgym.rewards import load_recipe
from medgym.rewards.grading import matched
from tests.conftest import answer, call, task

Play = Callable[..., Episode]
ZOOM = call("zoom_in", image=1, bbox_2d=[8, 6, 40, 30])
TRUE = call("sam2", image=1, bbox_2d=[10, 8, 30, 28])
HALF = call("sam2", image=1, bbox_2d=[10, 8, 30, 18])
BAD = call("sam2", image=1, bbox_2d=[40, 30, 60, 44])
MASK = Kind.SEGMENTATION


def earned(recipe: str, trajectory: Trajectory) -> float:
    return round(load_recipe(recipe).score(trajectory).total, 4)


@pytest.fixture
def total(play: Play) -> Callable[..., float]:
    def of(recipe: str, kind: Kind, *texts: str) -> float:
        return earned(recipe, play(task(kind), *texts, view_size=512).trajectory())

    return of


Total = Callable[..., float]
RIGHT, WRONG = answer("B"), answer("A")
FIRST, SECOND, NONE = answer('{"mask": 2}'), answer('{"mask": 3}'), answer('{"mask": null}')


@pytest.mark.parametrize(
    ("recipe", "kind", "texts", "expected"),
    [
        ("ophiuchus", Kind.CHOICE, [RIGHT], 2),
        ("ophiuchus", Kind.CHOICE, [ZOOM, RIGHT], 4),
        ("ophiuchus", Kind.CHOICE, [ZOOM, BAD, RIGHT], 4),
        ("ophiuchus", Kind.CHOICE, [ZOOM, WRONG], 1),
        ("ophiuchus", Kind.CHOICE, ["B", ZOOM, RIGHT], 3),
        ("ophiuchus", MASK, [TRUE, FIRST], 6),
        ("ophiuchus", MASK, [TRUE, answer("done")], 6),
        ("ophiuchus", MASK, [HALF, FIRST], 1),
        ("ophiuchus", MASK, [call("sam2", image=1, bbox_2d=[10, 8, 30, 19]), FIRST], 4),
        ("ophiuchus", MASK, [call("sam2", image=1, bbox_2d=[10, 8, 30, 23]), FIRST], 5),
        ("ophiuchus-no-tool", Kind.CHOICE, [ZOOM, RIGHT], 2),
        ("ophiuchus-unconditional", Kind.CHOICE, [ZOOM, WRONG], 3),
        ("ophiuchus-unconditional", Kind.CHOICE, [WRONG], 1),
        ("deepeyes", Kind.CHOICE, [ZOOM, RIGHT], 2.0),
        ("deepeyes", Kind.CHOICE, [ZOOM, BAD, RIGHT], 2.0),
        ("deepeyes", Kind.CHOICE, [ZOOM, WRONG], 0.0),
        ("deepeyes", Kind.CHOICE, ["", WRONG], -0.2),
        ("pixel-reasoner", Kind.CHOICE, [ZOOM, TRUE, RIGHT], 0.95),
        ("vista-gym", Kind.CHOICE, [ZOOM, TRUE, RIGHT], 1.35),
        ("vista-gym", Kind.CHOICE, [call("zoom_in", image=3, bbox_2d=[1, 1, 3, 3]), RIGHT], 0.9),
        ("vista-gym", Kind.CHOICE, [call("sam2", image=1, points=[[20, 20]]), WRONG], 0.3),
        ("vitar", Kind.CHOICE, [ZOOM, TRUE, RIGHT], 1.6),
        ("mini-o3", Kind.CHOICE, [ZOOM, RIGHT], 1),
        ("medscope", Kind.CHOICE, [TRUE, RIGHT], 2.5),
        ("medscope", Kind.CHOICE, [RIGHT], 1.5),
        ("medsam-agent", MASK, [TRUE, FIRST], 1.0),
        ("medsam-agent", MASK, [HALF, FIRST], 0.2 + 0.8 * (0.25 + 1 / 3)),
        ("medsam-agent", MASK, [TRUE, HALF, SECOND], 0.2 + 0.8 * (0.25 + 1 / 3 - 0.5 - 0.02)),
        ("medsam-agent", MASK, [NONE], 0.1),
        ("medgym", Kind.CHOICE, [TRUE, RIGHT], 2.98),
        ("medgym", MASK, [TRUE, FIRST], 3.98),
        ("medgym", MASK, [HALF, TRUE, SECOND], 3.96),
    ],
)
def test_the_published_numbers(total: Total, recipe: str, kind: Kind, texts: list[str], expected: float) -> None:
    assert total(recipe, kind, *texts) == pytest.approx(expected, abs=1e-3)


def test_hole_1_no_mask_is_there_before_one_is_asked_for(total: Total) -> None:
    assert total("ophiuchus", MASK, answer('{"mask": 1}')) == 1
    assert total("ophiuchus", MASK, answer("A")) == 1
    assert total("ophiuchus", MASK, call("zoom_in", image=1, bbox_2d=[5, 5, 10, 10]), answer("B")) == 1


def test_hole_2_a_letter_in_prose_is_no_answer(total: Total, play: Play) -> None:
    episode = play(task(Kind.CHOICE), "Let me look at a region B")
    assert not episode.over
    assert total("ophiuchus", Kind.CHOICE, "B", "B", "B") == 0


def test_hole_3_a_mask_made_on_a_crop_is_scored_where_it_lies(total: Total) -> None:
    zoom = call("zoom_in", image=1, bbox_2d=[8, 6, 32, 30])
    scale = 256 / 24
    box = [2 * scale, 2 * scale, 22 * scale, 22 * scale]
    assert total("ophiuchus", MASK, zoom, call("sam2", image=2, bbox_2d=box), SECOND) == 6


def test_hole_4_yes_no_and_open_answers_score(total: Total) -> None:
    assert total("ophiuchus", Kind.YES_NO, answer("yes")) == 2
    assert total("ophiuchus", Kind.OPEN, answer("Liver")) == 2
    assert total("ophiuchus", Kind.NUMBER, answer("12 mm")) == 2


def test_hole_5_repetition_and_not_knowing_earn_nothing(total: Total, play: Play) -> None:
    assert total("vista-gym", Kind.CHOICE, *[ZOOM] * 2) == 0.15
    zooms = [call("zoom_in", image=1, bbox_2d=[i, i, 40, 40]) for i in range(5)]
    assert total("vista-gym", Kind.CHOICE, *zooms, WRONG) == 0.15
    for truth in ("yes", "no"):
        unsure = play(task(Kind.YES_NO, answer=truth), answer("I do not know")).trajectory()
        assert earned("vista-gym", unsure) == 0


def test_hole_6_a_detour_is_never_better_and_broken_json_is_no_format(total: Total) -> None:
    assert total("medsam-agent", MASK, BAD, TRUE, SECOND) <= total("medsam-agent", MASK, TRUE, FIRST)
    assert total("medsam-agent", MASK, HALF, TRUE, SECOND) <= total("medsam-agent", MASK, TRUE, FIRST)
    assert total("medsam-agent", MASK, "<think>x</think><tool_call>{</tool_call>", TRUE, FIRST) == 0.8


def test_hole_6_an_empty_mask_earns_nothing_where_something_is(total: Total) -> None:
    assert total("ophiuchus", MASK, NONE) == 1


def test_hole_7_empty_and_several_answers_earn_nothing(total: Total) -> None:
    for words in ("A or B or C", "A B C", "B or not B"):
        assert total("mini-o3", Kind.CHOICE, answer(words)) == 0
    assert total("mini-o3", Kind.CHOICE, *[answer("")] * 3) == 0
    assert total("mini-o3", Kind.CHOICE, RIGHT) == 1


def test_hole_8_nothing_of_the_policy_is_evaluated(total: Total) -> None:
    assert total("mini-o3", Kind.NUMBER, answer("6+6")) == 0
    assert total("mini-o3", Kind.NUMBER, answer("__import__('os').getpid()")) == 0


def test_nothing_there_is_found_by_saying_so(play: Play) -> None:
    nothing = task(MASK, mask=Mask.empty((64, 48)), boxes=())
    assert earned("ophiuchus", play(nothing, NONE).trajectory()) == 4
    assert earned("ophiuchus", play(nothing, TRUE, FIRST).trajectory()) == 1
    assert earned("ophiuchus", play(nothing, answer("none")).trajectory()) == 4


def test_a_denial_takes_no_mask_for_itself(play: Play) -> None:
    from dataclasses import replace

    asked = replace(task(MASK, answer="A"), options=("Sure.", "No liver tumor detected"))
    assert earned("ophiuchus", play(asked, TRUE, answer("B")).trajectory()) == 1
    assert earned("ophiuchus", play(asked, TRUE, answer("A")).trajectory()) == 6


def test_a_recipe_that_names_masks_alone_takes_no_words(total: Total) -> None:
    assert total("medgym", MASK, TRUE, answer("done")) < 1


def test_curiosity_pays_while_few_of_the_group_use_tools(play: Play) -> None:
    group = [play(task(Kind.CHOICE), *texts).trajectory() for texts in [[ZOOM, WRONG], *[[WRONG]] * 9]]
    rewards = load_recipe("pixel-reasoner").score_group(group)
    assert rewards[0].components["curiosity"].value == pytest.approx(0.25 * 0.2 / 0.2)
    assert [reward.total for reward in rewards[1:]] == [0.0] * 9


def test_rollouts_over_the_turn_limit_are_marked_for_the_trainer(play: Play) -> None:
    over = play(task(Kind.CHOICE), ZOOM, max_turns=1).trajectory()
    assert load_recipe("mini-o3").score(over).masked
    assert not load_recipe("ophiuchus").score(over).masked


def test_detection_is_matched_one_to_one() -> None:
    one, two = (0.0, 0.0, 10.0, 10.0), (20.0, 20.0, 30.0, 30.0)
    assert matched([], ()) == 1
    assert matched([one], ()) == 0
    assert matched([one, two], (two, one)) == 1
    assert matched([one, one, one, one], (one,)) == 0.25
    assert matched([(0.0, 0.0, 5.0, 10.0)], (one,)) == 0.5


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ('{"bbox_2d": [10, 8, 30, 28]}', 3),
        ('{"image": 1, "bbox_2d": [[10, 8, 30, 28]]}', 3),
        ('[{"bbox_2d": [10, 8, 30, 28], "label": "x"}]', 3),
        ('{"bbox_2d": [0, 0, 64, 48]}', 0),
        ('{"bbox_2d": []}', 0),
        ('{"bbox_2d": [30, 8, 10, 28]}', 0),
        ('{"bbox_2d": [[10, 8, 30, 28], 5]}', 0),
        ('{"image": 2, "bbox_2d": [10, 8, 30, 28]}', 0),
        ('{"bbox_2d": "all"}', 0),
        ("[10, 8, 30, 28]", 0),
        ("everywhere", 0),
    ],
)
def test_boxes_are_read_strictly(total: Total, words: str, expected: float) -> None:
    assert total("ophiuchus-no-tool", Kind.DETECTION, answer(words)) == 1 + expected


def test_a_box_outside_its_view_is_scored_nowhere(total: Total) -> None:
    zoom = call("zoom_in", image=1, bbox_2d=[0, 0, 10, 8])
    assert (
        total("ophiuchus-no-tool", Kind.DETECTION, zoom, answer('{"image": 2, "bbox_2d": [[256, 0, 600, 205]]}')) == 1
    )
    right = "[10, 8, 30, 28]"
    both = answer(f'{{"bbox_2d": [{right}, [100, 100, 120, 120]]}}')
    assert total("ophiuchus-no-tool", Kind.DETECTION, both) == 1


def test_nothing_may_be_said_of_a_second_image_too(play: Play) -> None:
    from dataclasses import replace

    for kind, words in ((MASK, '{"mask": null}'), (Kind.DETECTION, '{"bbox_2d": []}')):
        one = task(kind, boxes=(), mask=Mask.empty((70, 50)), image=1)
        two = replace(one, images=(*one.images, task(kind, 70, 50).images[0]))
        assert earned("ophiuchus-no-tool", play(two, answer(words)).trajectory()) == 4


def test_a_mask_of_another_image_counts_nowhere(play: Play) -> None:
    from dataclasses import replace

    one = task(MASK, image=1)
    two = replace(one, images=(*one.images, task(MASK).images[0]))
    other = TRUE
    honest = call("sam2", image=2, bbox_2d=[10, 8, 30, 23])
    with_detour = play(two, other, honest, answer('{"mask": 4}')).trajectory()
    alone = play(two, honest, answer('{"mask": 3}')).trajectory()
    assert earned("medsam-agent", with_detour) == earned("medsam-agent", alone)
    assert earned("ophiuchus", play(two, other, answer('{"mask": 3}')).trajectory()) == 1


def test_the_bonus_for_looking_at_the_evidence_is_for_looking_at_it(total: Total) -> None:
    silent = total("medgym", Kind.CHOICE, RIGHT)
    for look in (
        call("zoom_in", image=1, bbox_2d=[1, 1, 63, 47]),
        call("zoom_in", image=1, bbox_2d=[40, 30, 60, 46]),
        call("sam2", image=1, bbox_2d=[0, 0, 64, 48]),
        BAD,
    ):
        assert total("medgym", Kind.CHOICE, look, RIGHT) < silent
    for look in (ZOOM, TRUE, call("zoom_in", image=1, bbox_2d=[8, 6, 32, 30])):
        assert total("medgym", Kind.CHOICE, look, RIGHT) == silent + 0.98


def test_every_card_loads_and_says_where_it_comes_from() -> None:
    assert {"ophiuchus", "medgym", "deepeyes", "medsam-agent", "vista-gym", "vitar", "mini-o3", "medscope"} <= set(
        names("rewards")
    )
    for name in names("rewards"):
        recipe = load_recipe(name)
        assert recipe.about, name
        assert recipe.source, name


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("", "has no"),
        ("[[component]]\nname = 'formatt'", "Did you mean 'format'"),
        ("latest = true\n[[component]]\nname = 'format'", "unknown key 'latest'"),
        ("[[component]]\nname = 'format'\n[[component]]\nname = 'format'", "one name"),
        ("[[component]]\nname = 'format'\nweight = 'x'", "is a number"),
        ("[[component", "is no TOML"),
        ("[[component]]\nname = 'format'\nrigth = 2", "Did you mean 'right'"),
    ],
)
def test_a_wrong_card_says_what_is_wrong(tmp_path: Path, card: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(card)
    with pytest.raises(InputError, match=said):
        load_recipe(str(tmp_path / "mine.toml"))


@pytest.mark.parametrize(
    ("returned", "said"), [("1.0", "component 'odd'"), ("(float('nan'), 'x')", "component 'odd' returned nan")]
)
def test_a_component_that_returns_no_value_with_a_reason_is_named(
    tmp_path: Path, play: Play, returned: str, said: str
) -> None:
    (tmp_path / "odd.py").write_text(f"def odd(one, group):\n    return {returned}\n")
    (tmp_path / "odd.toml").write_text("[[component]]\nname = 'odd'\nuse = 'odd.py:odd'\n")
    with pytest.raises((TypeError, ValueError)) as raised:
        load_recipe(str(tmp_path / "odd.toml")).score(play(task(Kind.CHOICE), RIGHT).trajectory())
    assert said in str(raised.value) + "".join(getattr(raised.value, "__notes__", []))


def test_a_recipe_of_ones_own_takes_a_component_of_ones_own(tmp_path: Path, play: Play) -> None:
    (tmp_path / "mine.py").write_text(
        "from medgym.rewards import Score\ndef brief(one, group, *, most):\n"
        "    return Score(float(len(one.trajectory.turns) <= most), 'turns')\n"
    )
    (tmp_path / "mine.toml").write_text(
        f"[[component]]\nname = 'brief'\nuse = '{tmp_path}/mine.py:brief'\nweight = 3\nmost = 1\n"
    )
    recipe = load_recipe(str(tmp_path / "mine.toml"))
    assert recipe.score(play(task(Kind.CHOICE), RIGHT).trajectory()).values == {"brief": 3.0}


def test_shared_words_are_paid_where_a_recipe_asks_for_it(play: Play, tmp_path: Path) -> None:
    """Papers that score open answers by F1 can be followed; all other answers keep their worth."""
    (tmp_path / "f1.toml").write_text('about = "F1 of words."\nsource = "own"\n[[component]]\nname = "answer_f1"\n')

    def paid(kind: Kind, words: str, **truth: str) -> float:
        return earned(str(tmp_path / "f1.toml"), play(task(kind, **truth), answer(words)).trajectory())

    assert paid(Kind.OPEN, "upper lobe", answer="right upper lobe") == 0.8
    assert earned("ophiuchus", play(task(Kind.OPEN, answer="right upper lobe"), answer("upper lobe")).trajectory()) == 1
    assert (paid(Kind.CHOICE, "B"), paid(Kind.CHOICE, "A"), paid(Kind.YES_NO, "yes")) == (1, 0, 1)
    assert earned(str(tmp_path / "f1.toml"), play(task(Kind.OPEN), "liver").trajectory()) == 0
