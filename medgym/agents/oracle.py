"""The oracle: tries honest trajectories from the truth on forks of the episode and plays the best."""

from collections.abc import Iterable, Iterator
from typing import ClassVar

from ..core.action import Action, Answer, Call
from ..core.episode import Episode
from ..core.geometry import Box, bounding, grow, intersect
from ..core.mask import Mask
from ..core.task import Kind, Truth, truth_of
from ..core.view import View
from .agent import Brief, Messages
from .builtin import Player, target, turns
from .walking import Walk

Plan = list[Action]


class Oracle(Player):
    """Knows the truth and uses only the tools: what it earns is what a perfect policy could."""

    needs_truth: ClassVar[bool] = True

    def begin(self, brief: Brief) -> None:
        """Find the plan that earns the most."""
        super().begin(brief)
        if brief.episode is None or brief.score is None:
            raise ValueError("the oracle needs the truth: roll it out with medgym.rollout")
        best: tuple[float, list[str]] | None = None
        for fork, plan in self._tried(brief.episode):
            texts: list[str] = []
            for action in plan:
                texts.append(self.brief.dialect.format(action, [view.size for view in fork.views]))
                fork.apply(texts[-1])
                if fork.over:
                    break
            earned = brief.score(fork.trajectory()).total
            if best is None or earned > best[0]:
                best = (earned, texts)
        self._texts: list[str] = best[1] if best else []

    def act(self, messages: Messages) -> str:
        """Return the next action of the plan."""
        return self._texts[turns(messages)]

    def _tried(self, episode: Episode) -> Iterator[tuple[Episode, Iterable[Action]]]:
        """Iterate forks of an episode, each with what is to be done there."""
        if truth_of(self.task).solid is not None:
            for by in (0.0, 0.05, 0.1):
                fork = episode.fork()
                yield fork, self._walk(fork, by)
        for plan in self._plans(episode.views):
            yield episode.fork(), plan

    def _walk(self, fork: Episode, by: float) -> Iterator[Action]:
        """Mark a volume slice by slice, as its views come; boxes are larger by a share."""

        def boxed(view: View, mask: Mask) -> list[float]:
            box = view.box_of(mask)
            return _written(grow(box, by), view) if box else [0.0, 0.0, *view.size]

        truth, dialect = truth_of(self.task), self.brief.dialect
        tools = [tool.name for tool in dialect.tools]
        walk = Walk(truth, fork.views[truth.image], fork.max_turns - 1, dialect.most_calls, tools)
        while calls := walk.calls(fork.views, boxed):
            yield Action("I go on through the volume.", calls)
        yield Action("I have seen all of it.", answer=walk.answer(fork.views))

    def _plans(self, views: tuple[View, ...]) -> Iterator[Plan]:
        truth = truth_of(self.task)
        view = views[truth.image]
        box = _asked_box(truth, view)
        for name, calls in self._looks(truth, view, box):
            result = len(views) + 1
            for answer in self._answers(truth, view, result if name != "zoom_in" else None, box):
                yield [
                    Action("I look at what the question is about.", calls),
                    Action("I have seen it.", answer=answer),
                ]
        for answer in self._answers(truth, view, None, box):
            yield [Action("I know.", answer=answer)]

    def _looks(self, truth: Truth, view: View, box: Box | None) -> Iterator[tuple[str, tuple[Call, ...]]]:
        middle = (view.size[0] / 4, view.size[1] / 4, view.size[0] * 3 / 4, view.size[1] * 3 / 4)
        for by in (0.0, 0.05, 0.1):
            around = _written(grow(box, by) if box else middle, view)
            for tool in ("sam2", "zoom_in"):
                if self.has(tool):
                    yield tool, (Call(tool, {"image": view.index, "bbox_2d": around}),)
        names = [name for name, mask in truth.structures.items() if mask == truth.mask]
        for text in dict.fromkeys([*names, target(self.task)]):
            if self.has("biomedparse"):
                yield "biomedparse", (Call("biomedparse", {"image": view.index, "text": text}),)

    def _answers(self, truth: Truth, view: View, made: int | None, box: Box | None) -> Iterator[Answer]:
        if self.task.kind is Kind.SEGMENTATION:
            if made is not None:
                yield {"mask": made}
            yield {"mask": None} if box is None else {"image": view.index, "bbox_2d": _written(box, view)}
        elif self.task.kind is Kind.DETECTION:
            inverse = view.to_original.inverse()
            yield {
                "image": view.index,
                "bbox_2d": [_written(inverse.box(each), view) for each in truth.boxes],
            }
        else:
            yield truth.answer


def _asked_box(truth: Truth, view: View) -> Box | None:
    """Return the place asked for in pixels of the first view; for a question, where its answer lies."""
    if truth.mask is not None:
        return view.box_of(truth.mask)
    return view.to_original.inverse().box(bounding(truth.boxes)) if truth.boxes else None


def _written(box: Box, view: View) -> list[float]:
    cut = intersect(box, (0, 0, *view.size))
    return [round(v, 2) for v in cut]
