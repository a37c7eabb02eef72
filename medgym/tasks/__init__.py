"""Where tasks come from: made phantoms, published data sets, and records of real images."""

from .sources import SOURCES, load_tasks

__all__ = ["SOURCES", "load_tasks"]
