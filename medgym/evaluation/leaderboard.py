"""Agents ranked over their runs, as one page that opens from disk."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .page import page


def write_leaderboard(
    path: Path, entries: Sequence[Mapping[str, Any]], pairs: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Write a page that ranks agents within each suite by the metric that its reader chooses.

    Args:
        path: the HTML file.
        entries: one for each run: ``name``, ``about``, ``suite``, ``n``, ``failed``, ``versions``, ``report`` (a link
            relative to `path`, or nothing) and ``metrics``, by name ``{"mean", "low", "high", "n"}``. ``ties``, where
            given, names the agents that it cannot be told apart from: a list, or by metric a list.
        pairs: differences on the same tasks: ``one``, ``two``, ``metric``, ``difference``, ``low``, ``high``, ``p`` and
            ``n``.
    """
    index = {"entries": [dict(entry) for entry in entries], "pairs": [dict(pair) for pair in pairs]}
    begin, end = page("medgym leaderboard", "leaderboard", index)
    partial = path.with_suffix(".part")
    partial.write_text(begin + end, "utf-8", errors="replace")
    partial.replace(path)
