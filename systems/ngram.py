"""n-gram language models in ARPA files: any can be read; arpabo fits new ones."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

from ..bench.errors import UsageError

UNKNOWN = "<unk>"
SMOOTHING = "kneser_ney"


class NGram:
    """Log-probabilities (natural) of words given the words before them, from an ARPA file.

    A word that the model has not is `<unk>` where the model has that, else it costs `floor`.
    Raises UsageError for a file that is not ARPA, with the line.
    """

    def __init__(self, path: str, floor: float = -16.0) -> None:
        file = Path(path)
        if not file.is_file():
            raise UsageError(f"{file}: no such file; make one with podium train ngram")
        self._rows = _read(file)
        self.order = max(map(len, self._rows))
        self.hash = blake2b(file.read_bytes(), digest_size=8).hexdigest()
        self.floor = floor

    def word(self, word: str, before: Sequence[str] = ()) -> float:
        """The log-probability of a word after these; backing off as ARPA says."""
        if (word,) not in self._rows:
            word = UNKNOWN
            if (word,) not in self._rows:
                return self.floor
        context = tuple(before)[max(0, len(before) - self.order + 1) :]
        spent = 0.0
        while True:
            found = self._rows.get((*context, word))
            if found is not None:
                return max(self.floor, spent + found[0])
            if not context:
                return self.floor
            spent += self._rows.get(context, (0.0, 0.0))[1]
            context = context[1:]

    def sentence(self, words: Sequence[str]) -> float:
        """Log-probability of a sentence, its end included."""
        full = ("<s>", *words, "</s>")
        return sum(self.word(full[i], full[:i]) for i in range(1, len(full)))


def fit(lines: Sequence[str], path: Path, order: int = 4) -> None:
    """Fit an n-gram model with Kneser-Ney smoothing and write it as ARPA.

    Raises UsageError where there is no text, or no arpabo.
    """
    try:
        from arpabo import ArpaBoLM
    except ModuleNotFoundError as error:
        raise UsageError("train ngram needs pip install 'podium[ngram]'") from error
    if not any(line.strip() for line in lines):
        raise UsageError("train ngram: no text to learn from")
    model = ArpaBoLM(max_order=order, smoothing_method=SMOOTHING, unicode_norm=False)
    model.read_corpus(io.StringIO("\n".join(" ".join(line.split()) for line in lines) + "\n"))
    model.compute()
    with path.open("w", encoding="utf-8") as file:
        model.write(file)


def _read(path: Path) -> dict[tuple[str, ...], tuple[float, float]]:
    """n-gram to (log-probability, back-off), both natural; columns parted by tabs or spaces."""
    rows: dict[tuple[str, ...], tuple[float, float]] = {}
    order = 0
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            text = line.strip()
            if text.startswith("\\") and text.endswith("-grams:"):
                order = int(text[1:-7])
            elif text == "\\end\\":
                break
            elif order and text:
                cells = text.split()
                try:
                    spent = float(cells[order + 1]) if len(cells) > order + 1 else 0.0
                    values = (float(cells[0]) * math.log(10), spent * math.log(10))
                    rows[tuple(cells[1 : order + 1])] = values
                except (ValueError, IndexError) as error:
                    raise UsageError(f"{path}:{number}: not a line of an ARPA file") from error
    if not rows:
        raise UsageError(f"{path}: not an ARPA file: no n-grams in it")
    return rows
