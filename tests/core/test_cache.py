"""A cache that is bounded in bytes."""

from hypothesis import given
from hypothesis import strategies as st

from medgym.core.cache import ByteCache


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 60)), max_size=60))
def test_what_is_held_is_counted_and_bounded(kept: list[tuple[int, int]]) -> None:
    cache: ByteCache[bytes] = ByteCache(100, len)
    for key, size in kept:
        cache.keep(key, bytes(size))
        assert cache.held_bytes <= 100
    held = [found for key in range(10) if (found := cache.find(key)) is not None]
    assert cache.held_bytes == sum(map(len, held))


def test_the_least_recently_used_goes_first() -> None:
    cache: ByteCache[bytes] = ByteCache(3, len)
    for key in "abc":
        cache.keep(key, b"x")
    assert cache.find("a") == b"x"
    cache.keep("d", b"x")
    assert cache.find("b") is None
    assert cache.find("a") == b"x"
    cache.keep("large", b"1234")
    assert cache.find("large") is None
    assert (cache.hits, cache.misses) == (2, 2)
