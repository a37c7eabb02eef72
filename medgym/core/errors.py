"""The two errors that are part of the contract: one for the user, one for the policy."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """What a user passed (a name, a file, an option) cannot be used; says what was expected."""


class ToolError(Exception):
    """A tool call failed for a reason the policy may read; the episode goes on.

    Any other exception out of a tool is a bug of the tool and is raised.

    Attributes:
        fault: whose it is: ``tool`` where the call was right in form, ``argument``, or ``name`` of a tool.
    """

    def __init__(self, message: str, fault: str = "tool") -> None:
        super().__init__(message)
        self.fault = fault


def nearest(name: str, names: Iterable[str]) -> str:
    """Return ``'. Did you mean …?'`` for the closest of `names`, or the list of them.

    >>> nearest("zoomin", ["zoom_in", "sam2"])
    ". Did you mean 'zoom_in'? There are: sam2, zoom_in"
    """
    known = sorted(map(str, names))
    close = difflib.get_close_matches(name.lower()[:64], known, n=1, cutoff=0.5)
    guess = f". Did you mean {close[0]!r}?" if close else "."
    return f"{guess} There are: {', '.join(known) or 'none'}"
