"""Which split something is in where its source names none: by a hash of its name, so the same everywhere."""

import hashlib
from collections.abc import Mapping

SHARES = {"train": (0.0, 0.8), "validation": (0.8, 0.9), "test": (0.9, 1.0)}
"""Of what is cut by us; from the first bound to the second, which is excluded."""


def share(name: str) -> float:
    """Map a name to 0 to 1, evenly, and the same everywhere."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=6).digest()) / (1 << 48)


def drawn(name: str, shares: Mapping[str, tuple[float, float]] = SHARES) -> str:
    """Return the split that a patient or an image of that name falls into."""
    at = share(name)
    return next(split for split, (low, high) in shares.items() if low <= at < high)
