"""n-gram language models in ARPA files: any can be read, and small ones fitted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

from ..bench.errors import UsageError

UNKNOWN = "<unk>"


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
    """Fit an interpolated Witten-Bell model and write it as ARPA.

    For a context h that was seen c(h) times before t(h) different words, p(w | h) is
    (c(h w) + t(h) p(w | h without its first word)) / (c(h) + t(h)); below one word stands the
    uniform distribution over the words seen and `<unk>`. Unlike the ARPA files of the libraries
    that could be had, its probabilities sum to one. Raises UsageError where
    there is no text. Source: Chen and Goodman 1998, section 2.4.
    """
    sentences = [("<s>", *line.split(), "</s>") for line in lines if line.strip()]
    if not sentences:
        raise UsageError("train ngram: no text to learn from")
    counts: Counter[tuple[str, ...]] = Counter()
    for words in sentences:
        for n in range(1, order + 1):
            counts.update(zip(*(words[k:] for k in range(n)), strict=False))
    del counts[("<s>",)]  # it is given, never predicted
    total: Counter[tuple[str, ...]] = Counter()
    kinds: Counter[tuple[str, ...]] = Counter()
    for gram, count in counts.items():
        total[gram[:-1]] += count
        kinds[gram[:-1]] += 1
    rows: dict[tuple[str, ...], float] = {(UNKNOWN,): kinds[()] / (total[()] + kinds[()])}
    rows[(UNKNOWN,)] /= kinds[()] + 1
    for gram in sorted(counts, key=len):
        context, below = gram[:-1], rows[gram[1:]] if gram[1:] else 1 / (kinds[()] + 1)
        seen = total[context] + kinds[context]
        rows[gram] = (counts[gram] + kinds[context] * below) / seen
    rows[("<s>",)] = 0.0
    spent = {h: kinds[h] / (total[h] + kinds[h]) for h in kinds}
    _write(path, rows, spent, order)


def _write(
    path: Path, rows: Mapping[tuple[str, ...], float], spent: Mapping[tuple[str, ...], float],
    order: int,
) -> None:  # fmt: skip
    log = {0.0: -99.0}
    levels = [sorted(g for g in rows if len(g) == n) for n in range(1, order + 1)]
    with path.open("w", encoding="utf-8") as file:
        file.write("\\data\\\n")
        file.writelines(f"ngram {n}={len(grams)}\n" for n, grams in enumerate(levels, start=1))
        for n, grams in enumerate(levels, start=1):
            file.write(f"\n\\{n}-grams:\n")
            for gram in grams:
                value = log.get(rows[gram]) or math.log10(rows[gram])
                back = f"\t{math.log10(spent[gram]):.7f}" if gram in spent else ""
                file.write(f"{value:.7f}\t{' '.join(gram)}{back}\n")
        file.write("\n\\end\\\n")


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
