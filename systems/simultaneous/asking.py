"""What policies ask of engines, counted, and what they do with the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...bench.adapter import Failure, Generates, Translates
from ...bench.stream import Source, count, join_units, split_units
from ...bench.text import Prompt, Sentence


class EngineFailed(RuntimeError):
    """An engine failed in the middle of a stream; that ends the sentence."""


@dataclass(slots=True)
class Committed:
    """The target so far, in units: what has been written cannot be taken back."""

    language: str
    units: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The committed target, as a prefix to force."""
        return join_units(self.units, self.language)

    def add(self, units: Sequence[str]) -> str:
        """Commit more units; the text to write."""
        self.units += units
        return join_units(units, self.language)


def forces_prefix(mt: Translates) -> bool:
    """Whether an engine can be made to begin its translation with a given text."""
    return bool(getattr(mt, "forces_prefix", False))


def translations(
    mt: Translates, texts: Sequence[str], source: Source, committed: Committed, n: int = 1
) -> list[list[str]]:
    """Continuations of the committed target, in units: `n` a text, in order of texts.

    An engine that forces prefixes is given the committed target, and answers what comes after it.
    Another translates afresh: a translation that does not begin with the committed target does not
    extend it, and gives an empty continuation. Raises `EngineFailed` if a translation fails.
    """
    forced = forces_prefix(mt)
    batch = [
        Sentence(
            text,
            source.source_language,
            source.target_language,
            prefix=committed.text if forced else "",
            n=n,
        )
        for text in texts
    ]
    found: list[list[str]] = []
    for answer in mt.translate(batch):
        if isinstance(answer, Failure):
            raise EngineFailed(f"translation failed: {answer.message}")
        for text in [h.text for h in answer.nbest][:n] or [answer.text]:
            units = split_units(text, source.target_language)
            count(calls=1, tokens=len(units))
            found.append(units if forced else extension(units, committed.units))
    return found


def extension(units: list[str], committed: Sequence[str]) -> list[str]:
    """What follows the committed units; nothing where the units do not begin with them."""
    n = len(committed)
    return units[n:] if units[:n] == list(committed) else []


def ending(mt: Translates, text: str, source: Source, committed: Committed) -> list[str]:
    """The rest of the target once the source is whole.

    Engines that cannot force a prefix give a fresh translation; where it disagrees with what has
    been written, its units after as many as are written follow: the sentence is finished, at the
    price of a seam.
    """
    if forces_prefix(mt):
        (units,) = translations(mt, [text], source, committed)
        return units
    (units,) = translations(mt, [text], source, Committed(committed.language))
    return units[len(committed.units) :]


def continuations(lm: Generates, prompt: Prompt) -> list[str]:
    """The language model's continuations. Raises `EngineFailed` if it fails."""
    (answer,) = lm.generate([prompt])
    if isinstance(answer, Failure):
        raise EngineFailed(f"generation failed: {answer.message}")
    count(calls=prompt.n, tokens=answer.tokens or sum(len(t.split()) for t in answer.texts))
    return list(answer.texts)


def agreed(hypotheses: Sequence[Sequence[str]], tau: float) -> list[str]:
    """RALCP: the longest prefix that at least `tau` of the hypotheses share.

    For each length the most common prefix counts; hypotheses shorter than that count as they are.
    The search ends at the first length without agreement. (At `tau` 0.5 or less the prefixes of
    successive lengths need not be nested; the last one stands, as in the paper's code.)
    Source: Wang et al. 2023; Ouyang et al., NAACL 2025, arXiv 2410.22499, section 3.
    """
    found: tuple[str, ...] = ()
    for length in range(1, max(map(len, hypotheses), default=0) + 1):
        prefixes = Counter(tuple(h[:length]) for h in hypotheses)
        prefix, votes = prefixes.most_common(1)[0]
        if votes < tau * len(hypotheses) - 1e-9:  # 0.55 of 20 is 11
            break
        found = prefix
    return list(found)


def describe(**engines: Any) -> Mapping[str, Any]:
    """For the signature: each engine's identity, and how a committed prefix is kept."""
    identity: dict[str, Any] = {
        name: dict(engine.identity()) if hasattr(engine, "identity") else {}
        for name, engine in engines.items()
    }
    if "mt" in engines:
        identity["prefix"] = "forced" if forces_prefix(engines["mt"]) else "retranslated"
    return identity


def close_all(*engines: Any) -> None:
    """Close every engine that can be closed."""
    for engine in engines:
        if hasattr(engine, "close"):
            engine.close()
