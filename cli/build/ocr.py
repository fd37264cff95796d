"""Render lines of a text as page images, degrade them, and read them with Tesseract.

    podium build ocr --text lines.txt --noise 0.25 -o ocr/mine.jsonl
    podium run correction.ocr --data . --split mine --model first

One page an input line. `--noise` in [0, 1] sets blur, specks and fading; the seed decides them.
Needs the program `tesseract` and the packages pillow and numpy.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from ...bench.errors import UsageError
from ..output import note, print_json

WIDTH = 60  # characters a rendered line


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--text", type=Path, required=True, metavar="FILE", help="a page a line")
    parser.add_argument("--noise", type=float, default=0.25, metavar="0..1")
    parser.add_argument("--language", default="eng", help="Tesseract's name of it")
    parser.add_argument("--font", default="DejaVuSerif.ttf", metavar="TTF")
    parser.add_argument("--size", type=int, default=22, metavar="PIXELS")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE")


def main(args: Namespace) -> int:
    """Render, degrade, read, write."""
    from ...bench.local import lines
    from ...bench.nbest_lists import write_lists

    if shutil.which("tesseract") is None:
        raise UsageError("build ocr: no program tesseract; install tesseract-ocr")
    if not args.text.is_file():
        raise UsageError(f"{args.text}: no such file")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, text in lines(args.text):
            page = Path(folder) / f"{number}.png"
            degraded(rendered(text, args.font, args.size), args.noise, args.seed + number).save(
                page
            )
            read = _read(page, args.language)
            row = {"id": f"{args.text.stem}-{number:04d}", "input": [read], "output": text}
            rows.append(row)
    write_lists(args.out, rows)
    note(f"{args.out}: {len(rows)} pages")
    if args.json:
        print_json({"file": str(args.out), "pages": len(rows)})
    return 0


def rendered(text: str, font: str, size: int) -> Any:
    """Black text on white, wrapped, as a grey image. Raises UsageError without the font."""
    import textwrap

    from PIL import Image, ImageDraw, ImageFont

    try:
        face = ImageFont.truetype(font, size)
    except OSError as error:
        raise UsageError(f"build ocr: no font {font}; give a .ttf file with --font") from error
    wrapped = textwrap.fill(text, WIDTH)
    box = ImageDraw.Draw(Image.new("L", (1, 1))).multiline_textbbox((0, 0), wrapped, face)
    image = Image.new("L", (int(box[2]) + 4 * size, int(box[3]) + 4 * size), 255)
    ImageDraw.Draw(image).multiline_text((2 * size, 2 * size), wrapped, 0, face)
    return image


def degraded(image: Any, noise: float, seed: int) -> Any:
    """Blurred, faded and speckled, each in proportion to `noise`; the same for a seed."""
    import numpy as np
    from PIL import Image, ImageFilter

    rng = np.random.default_rng(seed)
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(3 * noise)), dtype=np.float64)
    pixels = 255 - (255 - pixels) * (1 - 0.6 * noise)
    pixels += rng.normal(0, 120 * noise, pixels.shape)
    specks = rng.random(pixels.shape) < 0.02 * noise
    return Image.fromarray(np.where(specks, 0, pixels).clip(0, 255).astype(np.uint8))


def _read(page: Path, language: str) -> str:
    command = ["tesseract", str(page), "-", "-l", language, "--psm", "6"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(f"build ocr: tesseract: {done.stderr.strip().splitlines()[-1]}")
    return " ".join(done.stdout.split())
