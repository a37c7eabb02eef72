"""A page that opens from disk: one HTML file with its styles, scripts and data inside, and nothing fetched.

The page that a person plays on is served, and asks its own server for turns.
"""

import html
import json
import math
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any


def page(title: str, name: str, index: Any, *, results: str = "") -> tuple[str, str]:
    """Return a page's beginning and its end; what is large goes between them, as `data` writes it.

    Args:
        title: the page's, as text.
        name: of the page's parts in ``pages/``: ``report``, ``leaderboard`` or ``play``.
        index: what its script draws first.
        results: HTML to show above what the script draws.
    """
    scripts = SCRIPTS[name]
    parts = {
        "title": html.escape(title),
        "connect": "; connect-src 'self'" if name == "play" else "",
        "style": _read("common.css") + _read(f"{name}.css"),
        "head": _read(f"{name}.head.html") if name == "report" else "",
        "body": _filled(_read(f"{name}.body.html"), {"results": results}),
        "index": data("index", index),
        "script": "\n".join(_read(f"{script}.js") for script in scripts),
    }
    begin, end = _read("page.html").split("{{data}}")
    return _filled(begin, parts), end


SCRIPTS: dict[str, Sequence[str]] = {
    "report": ("common", "masks", "charts", "figures", "episode", "report"),
    "leaderboard": ("common", "leaderboard"),
    "play": ("common", "play"),
}


def data(name: str, value: Any) -> str:
    """Return an element that holds a value as JSON, which nothing reads before a script asks for it.

    What is not a finite number is null, and no text of anybody's can end the element.
    """
    try:
        code = json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:
        code = json.dumps(_finite(value), allow_nan=False, separators=(",", ":"))
    return f'<script type="application/json" id="{html.escape(name)}">{code.replace("<", chr(92) + "u003c")}</script>\n'


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _filled(template: str, parts: dict[str, str]) -> str:
    """Fill a template once, so that nothing within a part is taken for a place to fill."""
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], template)


def _read(name: str) -> str:
    return (files(__package__) / "pages" / name).read_text("utf-8")
