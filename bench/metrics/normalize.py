"""Text normalisers: what is done to both texts before they are compared.

`whisper-en` and `basic` are the normalisers of OpenAI Whisper (Radford et al. 2022, appendix C) as
the package whisper-normalizer ships them. That package is the definition; what stands here gives
the same text for less time, because a leaderboard normalises millions of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import unknown

if TYPE_CHECKING:
    from whisper_normalizer.english import EnglishTextNormalizer

NAMES = ("whisper-en", "basic", "none")

# The sources for which the short cuts below were shown to be exact. Any other version of the
# package is obeyed too, through its own code and at its own speed, until it is added here.
PROVEN = frozenset({"cd1d56af6533"})

_SOURCES = ("basic.py", "english.py", "normalizers/english.json")
_MEMO = 1 << 16  # entries a memo may hold; some 10 MB, more than the vocabulary of a test set
_LONG = 200  # characters; a longer span hardly comes twice

_BRACKETS = re.compile(r"[<\[][^>\]]*[>\]]")
_PARENTHESES = re.compile(r"\(([^)]+?)\)")
_SPACED_APOSTROPHE = re.compile(r"\s+'")
_DIGIT_COMMA = re.compile(r"(\d),(\d)")
_PERIOD = re.compile(r"\.([^0-9]|$)")
_DIGIT = re.compile(r"\d")
_BARE_PREFIX = re.compile(r"[.$¢€£]([^0-9])")
_BARE_PERCENT = re.compile(r"([^0-9])%")
_SPACES = re.compile(r"\s+")
_KEPT = ".%$¢€£"
_KEPT_SYMBOL = re.compile(f"[{_KEPT}]")


class Normalizer:
    """A named map of text to text; its rules are loaded when it is first used."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def hash(self) -> str:
        """What defines it, in twelve hex digits: the package's code and tables."""
        return "0" * 12 if self.name == "none" else _package_hash()

    @cached_property
    def _one(self) -> Callable[[str], str]:
        if self.name == "none":
            return str
        proven = self.hash in PROVEN
        if self.name == "basic":
            return _basic if proven else _package_basic()
        return _English() if proven else _package_english()

    def __call__(self, text: str) -> str:
        """The normalised text."""
        return self._one(text)

    def batch(self, texts: Iterable[str]) -> list[str]:
        """The normalised texts, in order."""
        return list(map(self._one, texts))

    def __repr__(self) -> str:
        return f"<Normalizer {self.name}@{self.hash}>"

    def __reduce__(self) -> tuple[Callable[[str], Normalizer], tuple[str]]:
        return normalizer, (self.name,)  # its memos stay at home


@cache
def normalizer(name: str) -> Normalizer:
    """The normaliser called `name`: `whisper-en`, `basic` or `none`.

    Raises UsageError for any other name.
    """
    if name not in NAMES:
        raise unknown("normalizer", name, NAMES)
    return Normalizer(name)


def _package_hash() -> str:
    """Twelve hex digits of the package's code and tables; nothing of it is imported."""
    from importlib.util import find_spec

    spec = find_spec("whisper_normalizer")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0])
    digest = sha256()
    for source in _SOURCES:
        digest.update((folder / source).read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()[:12]


def _package_english() -> EnglishTextNormalizer:
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


def _package_basic() -> Callable[[str], str]:
    from whisper_normalizer.basic import BasicTextNormalizer

    return BasicTextNormalizer()


def _without_brackets(text: str) -> str:
    if "<" in text or "[" in text:
        text = _BRACKETS.sub("", text)
    return _PARENTHESES.sub("", text) if "(" in text else text


class _Symbols(dict[int, str]):
    """A table for str.translate that learns a character when it first meets it."""

    def __init__(self, clean: Callable[[str], str]) -> None:
        self._clean = clean

    def __missing__(self, code: int) -> str:
        self[code] = made = self._clean(chr(code))
        return made


_SYMBOL_TO_SPACE = _Symbols(lambda c: " " if unicodedata.category(c)[0] in "MSP" else c)


def _basic(text: str) -> str:
    text = unicodedata.normalize("NFKC", _without_brackets(text.lower()))
    return _SPACES.sub(" ", text.translate(_SYMBOL_TO_SPACE).lower())


class _Inert(dict[str, str]):
    """Chunk (text between white space) -> what becomes of it, or "" where neighbours matter.

    A chunk is inert when it is lower-case ASCII words and punctuation, none of which any rule
    but spelling and symbol removal can touch, whatever stands beside it.
    """

    # No apostrophe, bracket, underscore (part of a word to `\b`), digit, currency or percent sign.
    _WORDS = re.compile(r"[!\"#&*+,\-/:;=?@\\^`{|}~.]*[a-z][a-z!\"#&*+,\-/:;=?@\\^`{|}~.]*")

    # An apostrophe inside a word, whose contraction may be one that is always written out alike.
    _CONTRACTED = re.compile(r"[a-z]+(?:'[a-z]+)+[,.?!;:]?")

    def __init__(
        self,
        triggers: frozenset[str],
        spelling: dict[str, str],
        rewrite: Callable[[str], str],
        fillers: re.Pattern[str],
    ) -> None:
        self._triggers = triggers
        self._spelling = spelling
        self._rewrite = rewrite
        self._fillers = fillers

    def __missing__(self, chunk: str) -> str:
        if len(self) >= _MEMO:
            self.clear()
        self[chunk] = made = self._make(chunk)
        return made

    def _make(self, chunk: str) -> str:
        if chunk.isascii() and chunk.isalpha():
            spelled = "" if chunk in self._triggers else self._spelling.get(chunk, chunk)
            return spelled if spelled.isalpha() else ""
        if self._CONTRACTED.fullmatch(chunk) and self._fillers.search(chunk) is None:
            if chunk.partition("'")[0] in self._triggers:  # "been't", which "'s" may go before
                return ""
            written = self._rewrite(f"x {chunk} x")[2:-2].split(" ")
            inert = all(map(str.isalpha, written)) and self._triggers.isdisjoint(written)
            return " ".join(written) if inert else ""
        if self._WORDS.fullmatch(chunk) is None or ".." in chunk:  # of two periods one stays
            return ""
        words: list[str] = re.findall("[a-z]+", chunk)
        if not self._triggers.isdisjoint(words):
            return ""
        written = [self._spelling.get(word, word) for word in words]
        return " ".join(written) if all(map(str.isalpha, written)) else ""


class _English:
    """EnglishTextNormalizer, exactly, with its rules run only where they can have an effect.

    An inert word is a wall: no rule looks across it, and the number normaliser has put out all it
    held when it meets one. So a text falls into inert words, each looked up, and the spans between
    them, each rewritten alone, with the word "x" for a neighbour where it had one, and remembered.
    """

    def __init__(self) -> None:
        package = _package_english()
        from whisper_normalizer.basic import remove_symbols_and_diacritics

        spelling = package.standardize_spellings.mapping
        self._numbers = package.standardize_numbers
        self._spelling = spelling
        self._fillers = re.compile(package.ignore_patterns)
        # Each pattern is a literal with word boundaries: where the literal is absent it is idle.
        self._replacers = [
            (pattern.replace(r"\b", ""), re.compile(pattern).sub, replacement)
            for pattern, replacement in package.replacers.items()
        ]
        self._word_replacers = [entry for entry in self._replacers if "'" not in entry[0]]
        self._symbols = _Symbols(lambda c: remove_symbols_and_diacritics(c, keep=_KEPT))
        triggers = {"half", "st", "nd", "rd", "th", "s", *self._numbers.words}
        fillers = re.findall("[a-z]+", package.ignore_patterns.replace(r"\b", ""))
        triggers.update(fillers)
        # What makes a contraction depend on its neighbours: an apostrophe that closes up over a
        # space, or over one that a filler taken away laid bare, and "been" after "'s".
        self._gluing = {" '", *(filler[-1] + "'" for filler in fillers)}
        participles = set()
        for literal, *_ in self._replacers:
            if "'" not in literal:
                triggers.add(literal)
            elif " " in literal:
                self._gluing.add(literal)
                participles.add(literal.split(" ")[1])
        triggers |= participles
        self._participles = tuple(participles)
        rules = spelling, self._rewrite, self._fillers
        self._inert = _Inert(frozenset(triggers), *rules)
        self._inert_but_a = _Inert(frozenset({*triggers, "a"}), *rules)  # "and a half"
        self._spans: dict[tuple[str, bool, bool], str | None] = {}

    def __call__(self, text: str) -> str:
        text = _without_brackets(text.lower())
        chunks = text.split()
        # Without its accents or its width a word of other letters may yet turn out to be "half".
        may_halve = "half" in text or not text.isascii()
        inert = self._inert_but_a if may_halve else self._inert
        words = list(map(inert.__getitem__, chunks))
        if all(words):
            return " ".join(words)
        if "'" in text:
            # "'s been" wants one space exactly.
            if " ".join(chunks) != text.strip():
                return self._rewrite(text)
            if any(glue in text for glue in self._gluing):
                self._glue(chunks, words)
        return " ".join(self._pieces(chunks, words))

    def _glue(self, chunks: list[str], words: list[str]) -> None:
        """Take back each word that an apostrophe, filler or participle after it may change."""
        for k in range(len(chunks) - 1, 0, -1):
            chunk = chunks[k]
            if not words[k] and (
                chunk[0] == "'"
                or chunk.startswith(self._participles)
                or self._fillers.search(chunk)
            ):
                words[k - 1] = ""

    def _pieces(self, chunks: list[str], words: list[str]) -> list[str]:
        pieces: list[str] = []
        end = len(chunks)
        words.append("")  # so that there is a next span, always
        k = 0
        while (start := words.index("", k)) < end:
            pieces += words[k:start]
            k = start + 1
            while k < end and not words[k]:
                k += 1
            span = chunks[start] if k == start + 1 else " ".join(chunks[start:k])
            piece = self._span(span, start > 0, k < end)
            if piece is not None:
                pieces.append(piece)
        return pieces + words[k:end]

    def _span(self, span: str, before: bool, after: bool) -> str | None:
        """What a span becomes between its neighbours; None where nothing of it is left."""
        key = (span, before, after)
        try:
            return self._spans[key]
        except KeyError:
            pass
        walled = self._rewrite(f"{'x ' if before else ''}{span}{' x' if after else ''}")
        if walled == ("x x" if before and after else "x") and (before or after):
            piece = None
        else:
            # A symbol without its number leaves a space at the text's edge: there "" is a piece.
            piece = walled[2 if before else 0 : -2 if after else None]
        if len(span) < _LONG:
            if len(self._spans) >= _MEMO:
                self._spans.clear()
            self._spans[key] = piece
        return piece

    def _rewrite(self, text: str) -> str:
        """Every rule in the package's order, on a lower-cased text without brackets."""
        text = self._fillers.sub("", text)
        replacers = self._word_replacers
        if "'" in text:
            text = _SPACED_APOSTROPHE.sub("'", text)
            replacers = self._replacers
        for literal, sub, replacement in replacers:
            if literal in text:
                text = sub(replacement, text)
        if "," in text:
            text = _DIGIT_COMMA.sub(r"\1\2", text)
        if "." in text:
            text = _PERIOD.sub(r" \1", text)
        if not text.isascii():
            text = unicodedata.normalize("NFKD", text)
        text = text.translate(self._symbols)
        words = text.split()
        if "half" in text or _DIGIT.search(text):
            words = self._numbers(text).split()
        elif not self._numbers.words.isdisjoint(words):
            # What the number rules do before this step is for halves and figures alone.
            text = " ".join(self._numbers.process_words(words))
            words = self._numbers.postprocess(text).split()
        text = " ".join([self._spelling.get(word, word) for word in words])
        # Without these symbols (figures and letters only) the words already stand one space apart.
        if _KEPT_SYMBOL.search(text):
            text = _BARE_PREFIX.sub(r" \1", text)
            text = _BARE_PERCENT.sub(r"\1 ", text)
            text = _SPACES.sub(" ", text)
        return text
