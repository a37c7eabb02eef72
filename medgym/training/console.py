"""A training on a terminal: a bar for each stage, and the table at the end."""

from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from transformers import TrainerCallback

from ..data.screening import Flagged
from .plan import load_plan
from .report import rows, write_training_report
from .stages import Training, processes


class Bar(TrainerCallback):
    """A progress bar with the newest loss or reward."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self._task: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Begin a bar."""
        stage = Path(args.output_dir).parent.name
        self._task = self.progress.add_task(stage, total=state.max_steps, completed=state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Move it on."""
        self.progress.update(self._task, completed=state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Show the newest number."""
        for key in ("reward", "loss"):
            if key in (logs or {}):
                stage = Path(args.output_dir).parent.name
                self.progress.update(self._task, description=f"{stage}: {key} {float((logs or {})[key]):.2f}")
                return


def carry_out(
    plan: str, changes: dict[str, Any], out: Path, stages: tuple[str, ...], *, quiet: bool, flagged: Flagged
) -> dict[str, dict[str, Any]]:
    """Carry out a plan, show how it goes, and return the held-out results of all stages."""
    _hush()
    console = Console(stderr=quiet)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    first = processes().is_main_process
    with Progress(*columns, console=console, disable=quiet or not first) as progress:
        training = Training(
            load_plan(plan, changes),
            out,
            say=lambda line: console.print(line, highlight=False),
            callbacks=[Bar(progress)],
            flagged=flagged,
        )
        found = training.run(stages)
    if not first:
        return found
    page = write_training_report(out, found)
    headings, cells = rows(found)
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for place, name in enumerate(headings):
        table.add_column(name if place else f"held-out, {name}", justify="right" if place else "left", no_wrap=True)
    for row in cells:
        table.add_row(*row)
    console.print(table)
    console.print(f"Curves and episodes: {page}", soft_wrap=True, highlight=False)
    return found


def _hush() -> None:
    """Silence what the libraries say of themselves at every start."""
    import logging
    import os
    import warnings

    import transformers

    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    warnings.filterwarnings("ignore", category=FutureWarning)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.getLogger("trl").setLevel(logging.ERROR)
