"""Requests that wait for the segmenter reach it as one batch; too many that wait are turned away."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..core.errors import ToolError
from ..tools.segmenter import Prompt, Segmentation, Segmenter, ask

Answers = list[Segmentation | ToolError]


class BusyError(Exception):
    """More prompts wait than the server holds."""


@dataclass(frozen=True, eq=False)
class _Waiting:
    prompts: Sequence[Prompt]
    answers: "asyncio.Future[Answers]"


class Batcher:
    """Asks a segmenter in a thread of its own, all that waited meanwhile at once.

    Args:
        most_waiting: how many prompts may wait; the next are refused.
        together: how many prompts are asked at once.
        observe: told the size of each batch.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        most_waiting: int,
        together: int = 64,
        observe: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.segmenter, self.most_waiting, self.together = segmenter, most_waiting, together
        self.waiting = 0
        self._observe = observe
        self._queue: deque[_Waiting] = deque()
        self._thread = ThreadPoolExecutor(1, "segmenter")
        self._work: asyncio.Task[None] | None = None

    async def ask(self, prompts: Sequence[Prompt]) -> Answers:
        """Return the answers.

        Raises:
            BusyError: where too many wait already.
        """
        if self.waiting and self.waiting + len(prompts) > self.most_waiting:
            raise BusyError(f"{self.waiting} prompts wait already; try again later")
        asked = _Waiting(prompts, asyncio.get_running_loop().create_future())
        self._queue.append(asked)
        self.waiting += len(prompts)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._drain())
        return await asked.answers

    async def _drain(self) -> None:
        while self._queue:
            batch: list[_Waiting] = []
            count = 0
            while self._queue and (not batch or count + len(self._queue[0].prompts) <= self.together):
                batch.append(self._queue.popleft())
                count += len(batch[-1].prompts)
            self.waiting -= count
            # Who gave up waiting is not worked for.
            await self._answer([each for each in batch if not each.answers.done()])

    async def _answer(self, batch: list[_Waiting]) -> None:
        prompts = [prompt for each in batch for prompt in each.prompts]
        if not prompts:
            return
        self._observe(len(prompts))
        loop = asyncio.get_running_loop()
        try:
            answers = iter(await loop.run_in_executor(self._thread, ask, self.segmenter, prompts))
        except Exception as error:
            if len(batch) == 1:
                _settle(batch[0], error)
            else:  # one of them is to blame: each on its own, so that the others get their answers
                for each in batch:
                    await self._answer([each])
            return
        for each in batch:
            _settle(each, [next(answers) for _ in each.prompts])


def _settle(asked: _Waiting, outcome: Answers | Exception) -> None:
    if asked.answers.done():
        return
    if isinstance(outcome, Exception):
        asked.answers.set_exception(outcome)
    else:
        asked.answers.set_result(outcome)
