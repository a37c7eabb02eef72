"""What a run's episodes come to: metrics, each a mean over the episodes that it is defined for, with its interval."""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from .statistics import Difference, Estimate, compare, estimate
from .traces import ERRORS, Line

PLACED = ("segmentation", "detection")


class Metric(NamedTuple):
    """A number of an episode, or None where it is not defined.

    Attributes:
        definition: what its mean is, and where it is from.
    """

    definition: str
    of: Callable[[Line], float | None]


def _number(key: str, kind: str | None = None) -> Callable[[Line], float | None]:
    return lambda line: line[key] if kind in (None, line["kind"]) else None


def _right(line: Line) -> float | None:
    return None if line["kind"] in PLACED else float(line["correct"])


def _well_called(line: Line) -> float | None:
    """Of the actions before the answer, the share that were usable and whose calls all succeeded."""
    acted = [turn for turn in line["turns"] if turn["answer"] is None]
    if not acted:
        return None
    fine = [
        not turn["errors"] and bool(turn["calls"]) and all("error" not in call["result"] for call in turn["calls"])
        for turn in acted
    ]
    return sum(fine) / len(fine)


def _words(line: Line) -> float | None:
    return float(sum(len(turn["text"].split()) for turn in line["turns"]))


def _usage(key: str) -> Callable[[Line], float | None]:
    return lambda line: (line.get("usage") or {}).get(key)


METRICS: dict[str, Metric] = {
    "reward": Metric("mean reward under the run's recipe", _number("reward")),
    "accuracy": Metric("share of right answers among those in words: choice, yes/no, open, number", _right),
    "iou": Metric(
        "mean intersection over union of the mask answered and the true one, 0 without an answer; empty on empty is 1",
        _number("iou", "segmentation"),
    ),
    "dice": Metric("mean Dice coefficient of the same masks, 2 IoU / (1 + IoU)", _number("dice", "segmentation")),
    "f1": Metric("mean F1 of boxes, each right that meets a true one of its own with IoU above 0.5", _number("f1")),
    "matched_iou": Metric(
        "mean IoU of the best one-to-one matching of boxes, over the larger number of them",
        _number("quality", "detection"),
    ),
    "calls": Metric("calls of tools an episode", _number("calls")),
    "turns": Metric("actions an episode", lambda line: float(len(line["turns"]))),
    "words": Metric("response length: words that the agent wrote in an episode", _words),
    "well_called": Metric(
        "tool-invocation accuracy: of the actions before the answer, those in form whose calls all succeeded "
        "(format and invocation jointly, as in Table 6 of MedVistaGym)",
        _well_called,
    ),
    "tokens_in": Metric("prompt tokens an episode, as the endpoint counts them", _usage("prompt_tokens")),
    "tokens_out": Metric("completion tokens an episode, as the endpoint counts them", _usage("completion_tokens")),
    "cost": Metric("cost of an episode at the prices given", _usage("cost")),
}


def summarise(lines: Sequence[Line]) -> dict[str, Any]:
    """Return one JSON-able object: every metric with its 95 % interval and its n, over all and by kind and modality.

    Episodes that failed are counted in ``failed`` and in no mean.
    """
    scored = [line for line in lines if not line["failed"]]
    components = list(dict.fromkeys(name for line in scored for name in line["rewards"]))
    return {
        "episodes": len(lines),
        "failed": len(lines) - len(scored),
        "metrics": measured(scored),
        "rewards": {name: _estimated(scored, _component(name)) for name in components},
        "by_kind": _parts(scored, "kind"),
        "by_modality": _parts(scored, "modality"),
        "end_reasons": dict(sorted(Counter(line["end_reason"] for line in scored).items())),
        "errors": _counted(name for line in lines for name in line["errors"]),
        "transitions": transitions(scored),
        "definitions": {**{name: metric.definition for name, metric in METRICS.items()}, **ERRORS, **PAIRED},
    }


def measured(lines: Sequence[Line]) -> dict[str, dict[str, Any]]:
    """Return every metric that is defined for any of the lines."""
    found = {name: _estimated(lines, metric.of) for name, metric in METRICS.items()}
    return {name: value for name, value in found.items() if value is not None}


def mean(summary: Mapping[str, Any], metric: str) -> float | None:
    """Return the mean of a metric in a summary, or None where it is not defined."""
    found = summary["metrics"].get(metric)
    return found["mean"] if found else None


def transitions(lines: Sequence[Line]) -> dict[str, dict[str, int]]:
    """Count what followed what: from ``start`` over tools to ``answer`` or the reason of the end."""
    counted: dict[str, Counter[str]] = {}
    for line in lines:
        steps = [call["name"] for turn in line["turns"] for call in turn["calls"]]
        way = ["start", *steps, str(line["end_reason"])]
        for one, two in pairwise(way):
            counted.setdefault(one, Counter())[two] += 1
    return {one: dict(counts.most_common()) for one, counts in counted.items()}


PAIRED = {
    "over_calling": "of the tasks that the same agent gets right with tools withheld, the share in which it calls them "
    "when it has them (as in Table 10 of MedVistaGym)",
    "under_calling": "of the tasks that it gets wrong with tools withheld, the share in which it calls none with them",
}


def calling(with_tools: Sequence[Line], without: Sequence[Line]) -> dict[str, dict[str, Any]]:
    """Return `PAIRED` of one agent's two runs over the same tasks."""
    before = {line["index"]: line for line in without if not line["failed"]}
    after = [line for line in with_tools if not line["failed"] and line["index"] in before]
    right = [line for line in after if before[line["index"]]["correct"]]
    wrong = [line for line in after if not before[line["index"]]["correct"]]
    found = {
        "over_calling": _estimated(right, lambda line: float(line["calls"] > 0)),
        "under_calling": _estimated(wrong, lambda line: float(line["calls"] == 0)),
    }
    return {name: value for name, value in found.items() if value is not None}


def paired(one: Sequence[Line], two: Sequence[Line], metric: str) -> Difference | None:
    """Compare two runs in a metric, over the tasks that both have scored."""
    of = METRICS[metric].of
    values = [{line["index"]: of(line) for line in lines if not line["failed"]} for lines in (one, two)]
    both = [line for line in one if all(each.get(line["index"]) is not None for each in values)]
    first, second = ([float(each[line["index"]] or 0.0) for line in both] for each in values)
    return compare(first, second, [_unit(line) for line in both])


def _component(name: str) -> Callable[[Line], float | None]:
    return lambda line: line["rewards"][name]["value"] if name in line["rewards"] else None


def _parts(lines: Sequence[Line], key: str) -> dict[str, dict[str, Any]]:
    return {
        part: {"episodes": sum(line[key] == part for line in lines), **measured([x for x in lines if x[key] == part])}
        for part in sorted({line[key] for line in lines})
    }


def _counted(names: Any) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _estimated(lines: Sequence[Line], of: Callable[[Line], float | None]) -> dict[str, Any] | None:
    pairs = [(value, _unit(line)) for line in lines if (value := of(line)) is not None]
    found: Estimate | None = estimate([value for value, _ in pairs], [unit for _, unit in pairs])
    return found.to_json() if found else None


def _unit(line: Mapping[str, Any]) -> Hashable:
    """What is drawn together in a bootstrap: a patient, or else the task."""
    patient: str = line.get("patient", "")
    return patient or int(line["index"])
