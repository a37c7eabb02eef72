"""The page that ranks runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def write_leaderboard(path: Path, entries: Sequence[dict[str, Any]], pairs: Sequence[dict[str, Any]] = ()) -> None:
    path.write_text("<html></html>")
