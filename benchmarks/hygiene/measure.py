"""Measure what screening finds: text stamped into images, copies of images; and either where there is none.

    python benchmarks/hygiene/measure.py [--phantoms 30] [--texts 900] [--images FOLDER]

Images are phantoms of each modality, half of them 512 pixels wide, half 1024, and those of a folder, which must be free
of text. Text is a made name, date or number in Pillow's own font and in those that Matplotlib brings, in sizes of 10 to
40 pixels, at an edge or over tissue, on a box or not, saved as JPEG or not; it is readable: nine tenths of what lies
under it differ from it by 50 grey levels. Images, words and seed are not those that the detector was tuned with, real
images excepted. Writes its page, `results.md`.
"""

import argparse
import io
import random
import time
from collections import defaultdict
from collections.abc import Callable, Hashable
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

import medgym
from medgym.core.image import Pixels
from medgym.data.duplicates import NEAR, hashes_of, near_pairs
from medgym.data.lettering import lines_of_text
from medgym.tasks.phantoms import MODALITIES
from medgym.tasks.readers import open_image

PAGE = Path(__file__).parent / "results.md"
SEED = 20
FAMILIES = ("", "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf", "DejaVuSerif.ttf")
HEIGHTS = (10, 12, 14, 16, 20, 24, 32, 40)
SAID = (
    "DOE^JANE", "Brown, Peter", "Eva Lindqvist", "ID 9930184", "07/11/1958", "DOB 1972-08-30", "Dr. K. Ito",
    "County Hospital", "M 071Y", "Acc 5518203", "21.09.2019 08:41:55", "Ward 7 Bed 12",
)  # fmt: skip
WAYS = {
    "white at an edge": ((255, 255, 255), None, False),
    "grey at an edge": ((180, 180, 180), None, False),
    "yellow at an edge": ((255, 255, 0), None, False),
    "white over tissue": ((255, 255, 255), None, True),
    "black over tissue": ((0, 0, 0), None, True),
    "white on a black box": ((255, 255, 255), (0, 0, 0), True),
    "black on a white box": ((0, 0, 0), (255, 255, 255), True),
}
COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG of quality 50": lambda image: _jpeg(image, 50),
    "JPEG of quality 20": lambda image: _jpeg(image, 20),
    "a quarter of the size": lambda image: image.resize((image.width // 4, image.height // 4)),
    "one and a half times the size": lambda image: image.resize((image.width * 3 // 2, image.height * 3 // 2)),
    "25 grey levels brighter": lambda image: image.point([min(255, level + 25) for level in range(256)]),
    "a fifth darker": lambda image: image.point([level * 4 // 5 for level in range(256)]),
    "gamma 0.7": lambda image: image.point([round(255 * (level / 255) ** 0.7) for level in range(256)]),
    "1 % cut off each side": lambda image: _cut(image, 0.01),
    "2 % cut off each side": lambda image: _cut(image, 0.02),
    "3 % cut off each side": lambda image: _cut(image, 0.03),
    "4 % cut off each side": lambda image: _cut(image, 0.04),
    "6 % cut off each side": lambda image: _cut(image, 0.06),
    "3 % cut off the top": lambda image: image.crop((0, round(image.height * 0.03), image.width, image.height)),
    "2 % cut off, a third darker, JPEG of 60": lambda image: _jpeg(
        _cut(image, 0.02).point([level * 2 // 3 for level in range(256)]), 60
    ),
}  # fmt: skip


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    held = io.BytesIO()
    image.save(held, "JPEG", quality=quality)
    return Image.open(held)


def _cut(image: Image.Image, share: float) -> Image.Image:
    return ImageOps.crop(image, round(share * min(image.size)))


def _font(family: str, height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    if not family:
        return ImageFont.load_default(height)
    import matplotlib

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / family), height)


def stamped(pixels: Pixels, rng: random.Random, way: str, height: int) -> Pixels | None:
    """Write a line of text into an image; None where it has no place or could not be read."""
    colour, box, inside = WAYS[way]
    image = Image.fromarray(pixels).convert("RGB")
    draw, text, font = ImageDraw.Draw(image), rng.choice(SAID), _font(rng.choice(FAMILIES), height)
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    width, tall = round(right - left), round(bottom - top)
    x_most, y_most = image.width - width - 4, image.height - tall - 4
    if min(x_most, y_most) < 8:
        return None
    x, y = rng.choice((4, x_most)), rng.choice((4, y_most))
    if inside:
        x, y = rng.randint(x_most // 6, x_most * 5 // 6), rng.randint(y_most // 5, y_most * 4 // 5)
    under = np.asarray(image.convert("L"))[y : y + tall, x : x + width].astype(int)
    level = np.dot(colour, (0.299, 0.587, 0.114))
    if box is None and np.mean(np.abs(under - level) > 50) < 0.9:
        return None
    if box is not None:
        draw.rectangle((x - 3, y - 3, x + width + 3, y + tall + 3), fill=box)
    draw.text((x - left, y - top), text, font=font, fill=colour)
    return np.asarray(_jpeg(image, rng.choice((75, 90))) if rng.random() < 0.5 else image)


def made(count: int) -> dict[str, list[Pixels]]:
    """Return phantoms by modality."""
    found = {}
    for modality in MODALITIES:
        sizes = [512] * (count // 2) + [1024] * (count - count // 2)
        found[modality] = [
            medgym.load_tasks("phantoms", "train", seed=SEED, modality=modality, native=size)[index].images[0].pixels
            for index, size in enumerate(sizes)
        ]
    return found


def texts(images: list[Pixels], count: int) -> list[str]:
    """Return tables of how often stamped text is found."""
    rng, tried = random.Random(SEED), 0
    found: dict[tuple[str, Hashable], list[bool]] = defaultdict(list)
    while tried < count:
        way, height = rng.choice(list(WAYS)), rng.choice(HEIGHTS)
        image = stamped(rng.choice(images), rng, way, height)
        if image is not None:
            tried += 1
            hit = bool(lines_of_text(image))
            for group in (("all", "all"), ("way", way), ("height", height)):
                found[group].append(hit)
    shares = {group: f"{np.mean(hits):.3f} ({len(hits)})" for group, hits in found.items()}
    ways = [(str(name), shares["way", name]) for name in WAYS]
    heights = [(f"{name} pixels", shares["height", name]) for name in HEIGHTS]
    return [table(("text", "found (of)"), [("all", shares["all", "all"]), *ways, *heights])]


def false_texts(groups: dict[str, list[Pixels]]) -> str:
    """Return a table of images without text in which some is found, and of the time it takes."""
    rows = []
    for name, images in groups.items():
        start = time.perf_counter()
        hits = sum(bool(lines_of_text(image)) for image in images)
        spent = 1000 * (time.perf_counter() - start) / len(images)
        rows.append((name, f"{hits} of {len(images)}", f"{spent:.0f}"))
    return table(("images", "text found", "ms an image"), rows)


def copies(groups: dict[str, list[Pixels]]) -> str:
    """Return a table of how often copies are found."""
    images = [Image.fromarray(image).convert("L") for held in groups.values() for image in held[:4]]
    rows = []
    for name, change in COPIES.items():
        found = [near_pairs([h for h in map(_hashes, (image, change(image))) if h is not None]) for image in images]
        rows.append((name, f"{np.mean([bool(pairs) for pairs in found]):.3f} ({len(images)})"))
    return table(("copy", "found (of)"), rows)


def _hashes(image: Image.Image) -> np.ndarray | None:
    return hashes_of(np.asarray(image))


def false_copies(count: int) -> str:
    """Return a table of different phantoms of a modality that are taken for copies, and how near the nearest are."""
    rows = []
    for modality in MODALITIES:
        source = medgym.load_tasks("phantoms", "train", seed=SEED, modality=modality, native=256)
        hashes = [hashes_of(source[index].images[0].pixels) for index in range(count)]
        pairs = near_pairs([each for each in hashes if each is not None], 64)
        wrong = sum(pair.distance <= NEAR for pair in pairs)
        rows.append(
            (modality, f"{wrong} of {count * (count - 1) // 2}", str(pairs[0].distance) if pairs else "over 64")
        )
    return table(("different phantoms of", "pairs taken for copies", "bits between the nearest"), rows)


def neighbours(path: Path) -> str:
    """Return how many bits each slice of a volume differs from the next."""
    slices = []
    while True:
        try:
            slices.append(hashes_of(open_image(path, len(slices)).pixels))
        except medgym.InputError:
            break
    near = [
        near_pairs(list(pair), 256)[0].distance for pair in pairwise(slices) if all(each is not None for each in pair)
    ]
    wrong = sum(distance <= NEAR for distance in near)
    return f"- {path.name}: {wrong} of {len(near)} neighbouring slices are near; bits {min(near)} to {max(near)}\n"


def speed() -> str:
    """Return how long 10,000 images take to compare."""
    rng = np.random.default_rng(SEED)
    hashes = list(rng.random((10_000, *np.shape(hashes_of(rng.integers(0, 255, (64, 64), np.uint8))))) < 0.5)
    start = time.perf_counter()
    near_pairs(hashes)
    return f"{time.perf_counter() - start:.0f} s"


def table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [headings, ("---",) * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phantoms", type=int, default=30, help="how many of each modality")
    parser.add_argument("--pairs", type=int, default=150, help="how many of each modality are compared with each other")
    parser.add_argument("--texts", type=int, default=900, help="how many texts are stamped")
    parser.add_argument("--images", type=Path, help="a folder of images without text")
    parser.add_argument("--volume", type=Path, action="append", default=[], help="a volume; several times")
    options = parser.parse_args()
    groups = made(options.phantoms)
    if options.images:
        groups["real images"] = [open_image(path).pixels for path in sorted(options.images.iterdir())]
    everything = [image for images in groups.values() for image in images]
    page = "# Hygiene, measured\n\nWritten by `python benchmarks/hygiene/measure.py` with "
    page += f"--phantoms {options.phantoms} --texts {options.texts} --pairs {options.pairs}.\n"
    page += "\n## Text that is there\n\n" + "\n".join(texts(everything, options.texts))
    page += "\n## Text that is not\n\n" + false_texts(groups)
    page += f"\n## Copies\n\nNear is at most {NEAR} of 256 bits.\n\n" + copies(groups)
    page += "\n## What is no copy\n\n" + false_copies(options.pairs) + "\n" + "".join(map(neighbours, options.volume))
    page += f"\n10,000 images are compared in {speed()}.\n"
    print(page)
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
