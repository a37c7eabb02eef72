"""What was made before, within a bound of bytes: the least recently used goes first."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class ByteCache(Generic[T]):
    """Values by key; safe for threads.

    Args:
        most_bytes: what all values together may take.
        size_of: how many bytes a value takes.
    """

    def __init__(self, most_bytes: int, size_of: Callable[[T], int]) -> None:
        self.most_bytes = most_bytes
        self.held_bytes = 0
        self.hits = self.misses = 0
        self._size_of = size_of
        self._held: OrderedDict[Hashable, T] = OrderedDict()
        self.lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._held)

    def find(self, key: Hashable) -> T | None:
        """Return the value of `key`, or None where it is not held."""
        with self.lock:
            if key not in self._held:
                self.misses += 1
                return None
            self.hits += 1
            self._held.move_to_end(key)
            return self._held[key]

    def keep(self, key: Hashable, value: T) -> None:
        """Hold a value, and let others go for it; one larger than the bound is not held."""
        size = self._size_of(value)
        with self.lock:
            if key in self._held or size > self.most_bytes:
                return
            self._held[key] = value
            self.held_bytes += size
            while self.held_bytes > self.most_bytes:
                self.held_bytes -= self._size_of(self._held.popitem(last=False)[1])
