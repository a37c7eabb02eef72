"""A chat as tokens: what was written is learned from, and nothing else."""

from medgym.agents.agent import make_agent
from medgym.evaluation.rollout import rollouts
from medgym.training import Bridge, Demonstration, small_policy
from medgym.training.tokens import IGNORED, collate, encode

SETTINGS = {"tasks": "phantoms:modality=oct,form=segment_organ,native=64", "view_size": 64, "segmenter": "simulated"}


def test_only_what_was_written_carries_a_loss():
    bridge = Bridge("MedTool-v0", **SETTINGS)
    processor = bridge.read_by(small_policy(["macula"], side=64)[1])
    tokenizer = processor.tokenizer
    played = [t for t, _ in rollouts(bridge.scenario, make_agent("teacher"), [("train", 0), ("train", 2)])]
    chats = [Demonstration.of(each).messages(bridge.scenario) for each in played]
    encoded = [encode(processor, chat) for chat in chats]
    for trajectory, one, chat in zip(played, encoded, chats, strict=True):
        learned = tokenizer.decode(one["labels"][one["labels"] != IGNORED])
        assert learned == "".join(turn.text + tokenizer.eos_token for turn in trajectory.turns)
        whole = processor.apply_chat_template(chat, tokenize=True, return_dict=True)["input_ids"]
        assert tokenizer.decode(one["input_ids"][0]) == tokenizer.decode(whole[0][:-1] if whole[0][-1] else whole[0])
        assert {len(one[key][0]) for key in ("labels", "attention_mask", "mm_token_type_ids")} == {
            len(one["input_ids"][0])
        }
    skipped = encode(processor, chats[0], skip=(0,))
    assert tokenizer.decode(skipped["labels"][skipped["labels"] != IGNORED]).startswith(played[0].turns[1].text)
    batch = collate(encoded, tokenizer.pad_token_id)
    assert batch["input_ids"].shape == batch["labels"].shape == batch["attention_mask"].shape
    assert len(batch["image_grid_thw"]) == sum(len(each.views) for each in played)
