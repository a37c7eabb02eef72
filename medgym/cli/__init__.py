"""The command ``medgym``: each of its commands is a function in one of these modules, in the order of ``--help``."""

from . import data, look, play, work
from .terminal import app, main

__all__ = ["app", "data", "look", "main", "play", "work"]
