"""Questions made of images, masks and labels, each verified five times before it is kept.

`scenes` gathers what is marked on each image, `forms` drafts questions from it, `checks` are the five. `blind` is what
a whole set gives away without its images, `model` what an endpoint says to it all, `making` the order of things.
"""

from .making import make

__all__ = ["make"]
