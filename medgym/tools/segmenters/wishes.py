"""Words to what is looked for: each known word wishes for features, such as dark, small, or left of the middle.

There is no language model and no anatomy beyond the tables below. A word that is not in them means nothing.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

Wish = Mapping[str, tuple[float, float]]
"""What a word asks for: by feature, the value wanted and how far off is still half right."""

_BRIGHT: Wish = {"contrast": (1.0, 0.5), "level": (0.9, 0.4)}
_DARK: Wish = {"contrast": (-1.0, 0.5), "level": (0.15, 0.6)}
_LESION: Wish = {"size": (-2.0, 0.7), "round": (0.9, 0.3), "calm": (0.8, 0.4), "strength": (1.0, 0.6)}
_ORGAN: Wish = {"level": (0.65, 0.25), "round": (0.8, 0.4), "strength": (1.0, 0.5)}
_CELL: Wish = {"stain": (0.8, 0.4), "round": (0.9, 0.3), "size": (-2.1, 0.6), "contrast": (-1.0, 0.5)}

QUALITIES: Mapping[str, Wish] = {
    "bright white hyperdense hyperintense hyperechoic echogenic enhancing dense opacity": _BRIGHT,
    "dark black hypodense hypointense hypoechoic anechoic": _DARK,
    "red": {"red": (1.0, 0.6)},
    "yellow": {"yellow": (1.0, 0.6)},
    "purple violet blue": {"purple": (1.0, 0.6)},
    "small tiny little": {"size": (-2.7, 0.6)},
    "large big huge": {"size": (-0.9, 0.5)},
    "left": {"x": (0.25, 0.2)},
    "right": {"x": (0.75, 0.2)},
    "upper top superior": {"y": (0.25, 0.2)},
    "lower bottom inferior": {"y": (0.75, 0.2)},
    "central center centre middle": {"x": (0.5, 0.2), "y": (0.5, 0.2)},
    "round circular oval": {"round": (1.0, 0.25)},
    "irregular elongated": {"round": (0.4, 0.25)},
}
"""Adjectives: what they ask for goes before what a noun does."""

NOUNS: Mapping[str, Wish] = {
    "lesion tumor tumour mass metastasis cancer carcinoma abnormality": _LESION,
    "nodule polyp": {**_LESION, "size": (-2.4, 0.6)},
    "cyst fluid effusion gas air bubble": {**_LESION, **_DARK},
    "calcification exudate stone contrast": {**_BRIGHT, "size": (-2.5, 0.7)},
    "edema oedema enhancement": {**_BRIGHT, "size": (-1.3, 0.6)},
    "blood hemorrhage haemorrhage microaneurysm": {
        "red": (1.0, 0.6),
        "contrast": (-0.8, 0.5),
        "size": (-2.5, 0.7),
    },
    "vessel artery vein": {
        "red": (0.8, 0.6),
        "round": (0.2, 0.3),
        "contrast": (-0.8, 0.5),
        "size": (-1.0, 0.7),
    },
    "disc disk": {**_BRIGHT, "size": (-1.6, 0.4), "round": (0.95, 0.25)},
    "cup": {**_BRIGHT, "size": (-2.1, 0.4), "round": (0.95, 0.25), "level": (1.0, 0.2)},
    "liver": {**_ORGAN, "x": (0.27, 0.12), "y": (0.47, 0.2), "size": (-0.8, 0.25)},
    "spleen": {**_ORGAN, "x": (0.83, 0.1), "y": (0.6, 0.2), "size": (-1.5, 0.3)},
    "kidney": {**_ORGAN, "apart": (0.2, 0.07), "y": (0.65, 0.12), "size": (-1.6, 0.25)},
    "lung": {**_DARK, "apart": (0.22, 0.12), "y": (0.5, 0.2), "size": (-0.9, 0.35), "edge": (0.0, 0.2)},
    "vertebra spine": {**_BRIGHT, "x": (0.5, 0.1), "y": (0.75, 0.2), "size": (-1.6, 0.4)},
    "bone rib": {**_BRIGHT, "level": (1.0, 0.25), "size": (-1.8, 0.6)},
    "nucleus cell": _CELL,
    "lymphocyte": {**_CELL, "size": (-2.3, 0.4)},
}
"""What is asked for: of several nouns the last; the others only say where it lies."""

KINDS: Mapping[str, Wish] = {
    "inflammatory": {"size": (-2.3, 0.3), "level": (0.0, 0.2), "stain": (1.0, 0.3), "round": (1.0, 0.2)},
    "neoplastic": {"size": (-1.9, 0.35)},
}
"""Kinds of cell, which go before what "cell" asks for."""

LOOKS = (
    ("size", "small", -2.2, ""),
    ("contrast", "dark", 0.0, "bright"),
    ("round", "", 0.85, "round"),
    ("red", "", 0.5, "red"),
    ("yellow", "", 0.5, "yellow"),
    ("purple", "", 0.5, "purple"),
)
"""How a wish is told: feature, the word below a value, that value, the word above it."""

HUES = {"red", "yellow", "purple"}
TELLING = {"level", "contrast", "strength", "stain", *HUES}
"""Without any of these features a wish is only for a place, a size or a shape, and nothing is told by it."""

MIRRORED = {"kidney", "lung", "adrenal", "ovary", "breast", "lobe"}
"""Words with which left and right are the patient's, who faces the viewer: right is at the image's left."""

PLURALS = {"nuclei": "nucleus", "vertebrae": "vertebra", "metastases": "metastasis", "calculi": "stone"}


def _table(rows: Mapping[str, Wish]) -> dict[str, Wish]:
    return {word: wish for words, wish in rows.items() for word in words.split()}


_QUALITIES, _NOUNS = _table({**QUALITIES, **KINDS}), _table(NOUNS)
KNOWN = {*_QUALITIES, *_NOUNS, *MIRRORED}


class Request(NamedTuple):
    """What a text asks for: the wish of its known words, and whether for all that fit."""

    wish: Wish
    every: bool

    @property
    def looks(self) -> str:
        """The wish in plain words with a space behind them, such as ``dark, round``; may be empty."""
        asked = [(self.wish[row[0]][0], row) for row in LOOKS if row[0] in self.wish]
        words = [low if value < limit else high for value, (_, low, limit, high) in asked]
        return ", ".join(filter(None, words)) + " " * any(words)


def understood(text: str) -> Request:
    """Read a text: the last known noun before "in" or "of" is the thing, other nouns say where it lies."""
    words, every = [], False
    head = ""
    for clause in re.split(r"\b(?:in|of|within|inside|on|at|near|from)\b", text.lower()):
        found = []
        for word in re.findall(r"[a-z]+", clause):
            one = PLURALS.get(word, word if word in KNOWN else word.removesuffix("s"))
            if one in KNOWN:
                found.append(one)
                every |= one != word and not head
        head = head or next((word for word in reversed(found) if word in _NOUNS), "")
        words += found
    wish: dict[str, tuple[float, float]] = {}
    for word in words:
        if word in _NOUNS and word != head:
            wish |= {feature: _NOUNS[word][feature] for feature in ("x", "y", "apart") if feature in _NOUNS[word]}
    wish |= _NOUNS.get(head, {})
    for word in words:
        wish |= _QUALITIES.get(word, {})
    if {"left", "right"} & set(words) and MIRRORED & set(words):
        wish["x"] = (1 - wish["x"][0], wish["x"][1])
    return Request(wish, every)
