"""What TRL is handed is the environment: the same tools, the same words, the same reward."""

import inspect
from typing import Any

import gymnasium as gym
import pytest

from medgym.core.errors import InputError
from medgym.training import Bridge, small_policy
from medgym.training.bridge import STOP, WRITTEN

SETTINGS: dict[str, Any] = {
    "tasks": "phantoms:modality=fundus,form=segment_organ,difficulty=0,native=64",
    "tools": ["zoom_in", "sam2"],
    "coords": "norm1000",
    "view_size": 64,
    "max_turns": 3,
    "segmenter": "classical",
}
MARK = '<think>I mark the macula.</think>\n<tool_call>\n{"name": "sam2", "arguments": {"image": 1, "bbox_2d": %s}}\n</tool_call>'
LOOK = '<think>I look.</think>\n<tool_call>\n{"name": "zoom_in", "arguments": {"image": 1, "bbox_2d": [0, 0, 500, 500]}}\n</tool_call>'
BOX, OTHER = "[200, 300, 800, 700]", "[100, 100, 300, 300]"
DONE = '<think>It is there.</think>\n<answer>{"mask": 2}</answer>'
EPISODES = {
    "a call and an answer": [MARK % BOX, DONE],
    "an answer at once": ['<think>None.</think><answer>{"mask": null}</answer>'],
    "a repeated call": [MARK % BOX, MARK % BOX],
    "the turn limit": [MARK % BOX, MARK % OTHER, LOOK],
    "two calls at once": [MARK % BOX + LOOK.split("</think>")[1], DONE],
    "no thought": ["<answer>A</answer>", MARK % BOX, DONE],
    "a tool that there is not": [MARK.replace("sam2", "sam3") % BOX, MARK % BOX, DONE],
    "arguments that are wrong": [MARK % '"everywhere"', MARK % BOX, DONE],
    "gibberish": ["macula macula", "???", "<think>"],
    "cut off": [MARK % BOX, "<think>It is"],
}


@pytest.fixture(scope="module")
def bridge() -> Bridge:
    return Bridge("MedTool-v0", **SETTINGS)


@pytest.fixture(scope="module", params=["qwen3_vl", "qwen2_5_vl"])
def policy(request: pytest.FixtureRequest, bridge: Bridge) -> tuple[Any, Any]:
    texts = [message["content"] for index in range(5) for message in bridge.row("train", index)["prompt"]]
    model, processor = small_policy(texts, architecture=request.param, side=64)
    return model, bridge.read_by(processor)


def played(bridge: Bridge, processor: Any, texts: list[str], index: int = 0) -> tuple[Any, list[dict[str, Any]]]:
    """Do what TRL does with what a policy writes."""
    environment = bridge.environment_factory()
    environment.reset(**bridge.row("train", index))
    completion: list[dict[str, Any]] = []
    for iteration, text in enumerate(texts):
        ids = processor.tokenizer(text + processor.tokenizer.eos_token)["input_ids"]
        message = processor.tokenizer.parse_response(ids, prefix=[], tools=[])
        completion.append(message)
        calls = message.get("tool_calls", [])
        if not calls or iteration == bridge.scenario.max_turns - 1:
            break
        for call in calls:
            function = call["function"]
            content = getattr(environment, function["name"])(**function["arguments"])
            completion.append({"role": "tool", "name": function["name"], "content": content})
        if str(completion[-1]["content"]).startswith(STOP):
            completion.pop()
            break
    return environment, completion


@pytest.mark.parametrize("name", EPISODES)
def test_reward_and_observations_are_those_of_the_environment(name: str, bridge: Bridge, policy: tuple[Any, Any]):
    environment, completion = played(bridge, policy[1], EPISODES[name])
    rewards = {f.__name__: f(environments=[environment], completions=[completion])[0] for f in bridge.reward_functions}

    env = gym.make("MedTool-v0", **SETTINGS).unwrapped
    env.reset(options={"split": "train", "index": 0})
    over = False
    for text in EPISODES[name]:
        _, _, terminated, truncated, info = env.step(text)
        if over := terminated or truncated:
            break
    expected = info["rewards"] if over else env.scenario.score(env.trajectory()).values
    assert rewards == expected
    seen = [part for message in completion if message["role"] == "tool" for part in message["content"]]
    shown = [part for message in env.messages()[2:] if message["role"] == "user" for part in message["content"]]
    words = [part["text"] for part in seen if part["type"] == "text"]
    assert words == [part["text"] for part in shown if part["type"] == "text"][: len(words)]
    if name in ("a call and an answer", "an answer at once"):
        assert rewards["format"] == 1.0


def test_a_policy_that_is_parsed_by_another_parser_is_scored_by_what_it_wrote(bridge: Bridge):
    environment = bridge.environment_factory()
    environment.reset(split="train", index=0)
    content = environment.sam2(image=1, bbox_2d=[200, 300, 800, 700])
    assert [part["type"] for part in content] == ["image", "text"]
    function = {"name": "sam2", "arguments": {"image": 1, "bbox_2d": [200, 300, 800, 700]}}
    call = {"type": "function", "function": function}
    said = {"role": "assistant", "content": "", "reasoning_content": "I mark the macula.", "tool_calls": [call]}
    completion = [said, {"role": "tool", "name": "sam2", "content": content}, {"role": "assistant", "content": DONE}]
    rewards = [f(environments=[environment], completions=[completion])[0] for f in bridge.reward_functions]
    other, same = played(bridge, _processor(bridge), [MARK % BOX, DONE])
    assert rewards == [f(environments=[other], completions=[same])[0] for f in bridge.reward_functions]


def _processor(bridge: Bridge) -> Any:
    return bridge.read_by(small_policy(["a"], side=64)[1])


def test_exactly_the_tools_are_exposed(bridge: Bridge):
    from transformers.utils import get_json_schema

    found = dict(inspect.getmembers(bridge.environment_factory, inspect.isfunction))
    public = {name for name in found if not name.startswith("_")}
    assert public == {"reset", "zoom_in", "sam2"}
    environment = bridge.environment_factory()
    for spec in bridge.scenario.toolbox.specs:
        schema = get_json_schema(getattr(environment, spec.name))["function"]
        assert schema["name"] == spec.name
        assert schema["description"] == spec.description
        assert set(schema["parameters"]["properties"]) == set(spec.parameters["properties"])
        assert set(schema["parameters"]["required"]) == set(spec.parameters["required"])


def test_a_prompt_is_token_for_token_what_the_environment_says(bridge: Bridge, policy: tuple[Any, Any]):
    from trl.data_utils import prepare_multimodal_messages

    processor = policy[1]
    row = bridge.dataset("train", 3)[2]
    assert (row["split"], row["index"]) == ("train", 2)
    prompt = prepare_multimodal_messages(row["prompt"], [row["image"]])
    env = gym.make("MedTool-v0", **SETTINGS).unwrapped
    env.reset(options={"split": "train", "index": 2})
    rendered = [
        processor.apply_chat_template(chat, tokenize=True, return_dict=True, add_generation_prompt=True)["input_ids"]
        for chat in (prompt, env.messages())
    ]
    assert list(rendered[0]) == list(rendered[1])


def test_a_group_is_scored_together():
    bridge = Bridge("MedTool-v0", **{**SETTINGS, "reward": "pixel-reasoner"})
    processor = _processor(bridge)
    texts = [[MARK % BOX, DONE], ['<think>None.</think><answer>{"mask": null}</answer>']] * 2
    played_group = [played(bridge, processor, each, index=1) for each in texts]
    environments, completions = zip(*played_group, strict=True)
    rewards = [f(environments=environments, completions=completions) for f in bridge.reward_functions]
    group = bridge.scenario.recipe.score_group([environment._finish([]) for environment in environments])
    assert [list(each) for each in zip(*rewards, strict=True)] == [list(reward.values.values()) for reward in group]


def test_what_the_policy_does_not_write_carries_no_loss(bridge: Bridge, policy: tuple[Any, Any], tmp_path):
    """On the trainer's own mask, with a policy that is made to write what is wanted."""
    from medgym.training import grpo_trainer

    model, processor = policy
    trainer = grpo_trainer(
        model, processor, bridge, output_dir=str(tmp_path), tasks=4, report_to=[], max_completion_length=400,
        num_generations=2, per_device_train_batch_size=2, gradient_checkpointing=False,
    )  # fmt: skip
    tokenizer = processor.tokenizer
    turns = iter([LOOK, DONE])

    def writes(prompt_ids: list[list[int]], *_: Any, **__: Any) -> tuple[list[list[int]], None]:
        return [tokenizer(text + tokenizer.eos_token)["input_ids"] for text in [next(turns)] * len(prompt_ids)], None

    trainer._generate_single_turn = writes
    row = bridge.dataset("train", 1)[0]
    out = trainer._generate_and_score_completions([row, row])
    ids, mask = out["completion_ids"][0], (out["tool_mask"] * out["completion_mask"])[0].bool()
    end = tokenizer.eos_token
    assert tokenizer.decode(ids[mask]) == LOOK + end + DONE + end
    rest = ids[~mask & out["completion_mask"][0].bool()]
    assert (rest == processor.image_token_id).sum() == 16
    assert "<tool_response>" in tokenizer.decode(rest)
    assert not (ids[mask] == processor.image_token_id).any()


def test_environments_that_take_numbers_are_refused():
    with pytest.raises(InputError, match="takes no text"):
        Bridge("MedToolBox-v0")
    with pytest.raises(InputError, match="4 tasks"):
        Bridge("MedTool-v0", tasks="phantoms:size=4,native=64", view_size=64).dataset("train", 5)


def test_a_call_before_reset_says_what_to_do(bridge: Bridge):
    with pytest.raises(InputError, match="call reset"):
        bridge.environment_factory().sam2(image=1, bbox_2d=[0, 0, 10, 10])
    assert WRITTEN not in inspect.signature(bridge.environment_factory.sam2).parameters
