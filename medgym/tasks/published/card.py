"""What is known of a published data set, and where to look for it."""

import hashlib
import os
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from ...core.errors import InputError
from ...core.task import Kind

VARIABLE = "MEDGYM_DATA"


@dataclass(frozen=True)
class Card:
    """The facts of a data set, as its own page or paper states them.

    Attributes:
        name: by which tasks are loaded.
        kinds: of tasks it gives.
        modalities: in the words of its authors.
        size: how much there is.
        splits: which there are here, and where each comes from.
        licence: as its page states it.
        citation: the paper.
        home: the page.
        get: the commands that bring it to ``$MEDGYM_DATA/<name>``, one a line.
        access: what has to be done before, empty where nothing.
        hub: the id of a data set of tables that `datasets` can load by itself; empty for folders of files.
    """

    name: str
    kinds: tuple[Kind, ...]
    modalities: tuple[str, ...]
    size: str
    splits: str
    licence: str
    citation: str
    home: str
    get: str
    access: str = ""
    hub: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return what a reader is shown."""
        facts = {**asdict(self), "get": self.get.split("\n")}
        return {name: fact for name, fact in facts.items() if fact and name != "hub"}

    @property
    def way_to_get(self) -> str:
        """Tell, for an error, how to get the data and under which licence."""
        access = f"{self.access}. " if self.access else ""
        return f"Licence: {self.licence}. {access}To get it:\n  " + self.get.replace("\n", "\n  ")


class Place(NamedTuple):
    """Where a data set lies: a folder, or its id on the hub; `stamp` changes with what lies directly in the folder."""

    folder: str = ""
    hub: str = ""
    stamp: str = ""

    def __str__(self) -> str:
        return self.folder or self.hub


def find(card: Card, path: str = "") -> Place:
    """Find a data set: in `path`, else in ``$MEDGYM_DATA/<name>``, else on the hub where it has tables there.

    Raises:
        InputError: where it is in none of them, with the commands that get it.
    """
    if path:
        if not os.path.isdir(path):
            raise InputError(f"{card.name}: no such folder: {path}. {card.way_to_get}")
        return _folder(path)
    shared = os.environ.get(VARIABLE, "")
    if shared and os.path.isdir(os.path.join(shared, card.name)):
        return _folder(os.path.join(shared, card.name))
    if card.hub:
        return Place(hub=card.hub)
    sought = f"not in ${VARIABLE}/{card.name}" if shared else f"neither path= nor ${VARIABLE} says where it is"
    raise InputError(f"{card.name} was not found: {sought}. {card.way_to_get}")


def _folder(path: str) -> Place:
    absolute = os.path.abspath(path)
    facts = sorted((entry.name, entry.stat(follow_symlinks=False).st_mtime_ns) for entry in os.scandir(absolute))
    return Place(absolute, stamp=hashlib.blake2b(repr(facts).encode(), digest_size=8).hexdigest())
