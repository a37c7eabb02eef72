"""Splits of an import: by patient, else study, else image; none of these is in two."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

from ...core.errors import InputError
from ...core.task import SPLITS
from ...tasks.schema import split_named
from ...tasks.splits import SHARES, drawn

Owner = tuple[str, str]
"""What rows may share: ``patient``, ``study`` or ``image``, and which."""


def shares_of(text: str) -> dict[str, tuple[float, float]]:
    """Read ``0.8,0.1,0.1`` of train, validation and test, or the name of the one split that all is.

    Raises:
        InputError: where it is neither.
    """
    if text[:1].isalpha():
        return {split_named(text): (0.0, 1.0)}
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        shares = []
    if len(shares) != len(SPLITS) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise InputError(f"--split is three shares that sum to 1, such as 0.8,0.1,0.1, or a split's name, not {text!r}")
    # What is left by rounding belongs to the last.
    ends = [1.0 if end > 1 - 1e-6 else end for end in accumulate(shares)]
    return dict(zip(SPLITS, zip([0.0, *ends], ends, strict=False), strict=True))


class Splits:
    """Gives each row its split, and remembers whose it is.

    A row is where the source says; else where others are that share its patient, study or image; else where the hash
    of the first of these three falls. One that the source puts elsewhere than those it shares them with is refused.
    """

    def __init__(self, shares: Mapping[str, tuple[float, float]] | None = None) -> None:
        self._shares = shares or SHARES
        self._named = shares is None
        self._placed: dict[Owner, str] = {}

    def place(self, named: str, owners: Sequence[Owner]) -> str:
        """Return the split of a row for which the source names one, or none.

        Raises:
            InputError: where what it shares with others is in another split.
        """
        where = {owner: self._placed[owner] for owner in owners if owner in self._placed}
        split = named if named and self._named else next(iter(where.values()), "") or drawn(owners[0][1], self._shares)
        for (whose, _), other in where.items():
            if other != split:
                raise InputError(f"its {whose} is in two splits, {split} here and {other} in others; expected one")
        self._placed.update(dict.fromkeys(owners, split))
        return split
