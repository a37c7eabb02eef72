"""Trajectories as data sets of other trainers: TRL's chat format, ShareGPT for LLaMA-Factory, parquet for verl."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import InputError, nearest
from ..envs.scenario import Scenario
from .bridge import Bridge
from .demonstrations import Demonstration, load

Chat = list[dict[str, Any]]
SHAREGPT = {"user": "human", "assistant": "gpt", "system": "system"}


def export(source: Path, out: Path, form: str, env: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Replay trajectories and write them, each image once, into a folder.

    Args:
        source: demonstrations, or a folder of `medgym run` or `medgym train`, whose own environment is taken.
        form: ``trl``, ``sharegpt`` or ``verl``.

    Raises:
        InputError: for an unknown form, or a folder that is not empty.
    """
    if form not in FORMS:
        raise InputError(f"unknown format {form!r}{nearest(form, FORMS)}; there are {', '.join(FORMS)}")
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out} is not empty; choose another folder")
    path, env, own = _found(source, env)
    scenario = Bridge(env, **{**own, **settings}).scenario
    (out / "images").mkdir(parents=True, exist_ok=True)
    rows = _rows(scenario, load(path), out)
    file, count = FORMS[form](out, rows)
    return {"file": str(file), "trajectories": count, "format": form}


def _found(source: Path, env: str) -> tuple[Path, str, dict[str, Any]]:
    """Return where the trajectories are, and the environment that the folder was made with."""
    if (source / "plan.json").is_file():
        own = dict(json.loads((source / "plan.json").read_text("utf-8"))["env"])
        return source / "sft" / "demonstrations.jsonl", own.pop("id", env), own
    if (source / "config.json").is_file():
        config = json.loads((source / "config.json").read_text("utf-8"))
        return source, config["run"]["env"], {"task_seed": config["run"]["seed"], **config["run"]["settings"]}
    return source, env, {}


def _rows(scenario: Scenario, demonstrations: Iterator[Demonstration], out: Path) -> Iterator[dict[str, Any]]:
    """Iterate chats whose images are files, by the hash of their pixels."""
    from ..evaluation.pictures import keep_image

    for each in demonstrations:
        episode = scenario.episode(scenario.task(each.split, each.index))
        for text in each.texts:
            episode.apply(text)
        trajectory = episode.trajectory()
        files = [f"images/{keep_image(view.pixels, out / 'images')}.png" for view in trajectory.views]
        chat = each.messages(scenario)
        shown = sum(part["type"] == "image" for message in chat for part in message["content"])
        reward = scenario.score(trajectory).total
        yield {"chat": chat, "images": files[:shown], "id": trajectory.task.id, "reward": reward, "place": each}


def _trl(out: Path, rows: Iterator[dict[str, Any]]) -> tuple[Path, int]:
    """Write ``messages`` with image placeholders and ``images``, as SFTTrainer reads them."""

    def line(row: dict[str, Any]) -> dict[str, Any]:
        messages = [
            {"role": message["role"], "content": [_placeholder(part) for part in message["content"]]}
            for message in row["chat"]
        ]
        return {"messages": messages, "images": row["images"], "id": row["id"], "reward": row["reward"]}

    return _lines(out / "data.jsonl", [line(row) for row in rows])


def _sharegpt(out: Path, rows: Iterator[dict[str, Any]]) -> tuple[Path, int]:
    """Write ``conversations`` with ``<image>`` where an image stands, and the ``dataset_info.json`` that names them."""

    def line(row: dict[str, Any]) -> dict[str, Any]:
        said = [{"from": SHAREGPT[message["role"]], "value": _with_marks(message)} for message in row["chat"]]
        return {"conversations": said[1:], "system": said[0]["value"], "images": row["images"], "id": row["id"]}

    columns = {"messages": "conversations", "system": "system", "images": "images"}
    about = {"medgym": {"file_name": "data.json", "formatting": "sharegpt", "columns": columns}}
    (out / "dataset_info.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    lines = [line(row) for row in rows]
    (out / "data.json").write_text(json.dumps(lines, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return out / "data.json", len(lines)


def _verl(out: Path, rows: Iterator[dict[str, Any]]) -> tuple[Path, int]:
    """Write parquet with the columns of verl's multi-turn data: prompt, images and where the task is found again."""
    from datasets import Dataset

    lines = []
    for row in rows:
        messages = [{"role": message["role"], "content": _with_marks(message)} for message in row["chat"]]
        first = sum(part["type"] == "image" for message in row["chat"][:2] for part in message["content"])
        place: Demonstration = row["place"]
        lines.append(
            {
                "data_source": "medgym",
                "prompt": messages[:2],
                "messages": messages,
                "images": [{"image": str(out / file)} for file in row["images"][:first]],
                "all_images": [{"image": str(out / file)} for file in row["images"]],
                "reward_model": {"style": "rule", "ground_truth": ""},
                "extra_info": {"id": row["id"], "reward": row["reward"], "split": place.split, "index": place.index},
            }
        )
    Dataset.from_list(lines).to_parquet(str(out / "data.parquet"))
    return out / "data.parquet", len(lines)


FORMS: dict[str, Callable[[Path, Iterator[dict[str, Any]]], tuple[Path, int]]] = {
    "trl": _trl,
    "sharegpt": _sharegpt,
    "verl": _verl,
}


def _placeholder(part: dict[str, Any]) -> dict[str, Any]:
    return {"type": "image"} if part["type"] == "image" else part


def _with_marks(message: dict[str, Any]) -> str:
    return "".join("<image>" if part["type"] == "image" else part["text"] for part in message["content"])


def _lines(path: Path, lines: Sequence[dict[str, Any]]) -> tuple[Path, int]:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
    return path, len(lines)
