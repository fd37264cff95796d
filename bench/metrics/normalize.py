"""Text normalisers: what is done to both texts before they are compared.

`whisper-en` and `basic` are the normalisers of OpenAI Whisper (Radford et al. 2022, appendix C) as
the package whisper-normalizer ships them. That package is the definition; what stands here gives
the same text for less time, because a leaderboard normalises millions of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
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


class Normalizer:
    """A named map of text to text; `hash` identifies what defines it, for signatures."""

    def __init__(self, name: str, hash: str, one: Callable[[str], str]) -> None:
        self.name = name
        self.hash = hash
        self._one = one

    def __call__(self, text: str) -> str:
        """The normalised text."""
        return self._one(text)

    def batch(self, texts: Iterable[str]) -> list[str]:
        """The normalised texts, in order."""
        return list(map(self._one, texts))

    def __repr__(self) -> str:
        return f"<Normalizer {self.name}@{self.hash}>"


@lru_cache(maxsize=None)
def normalizer(name: str) -> Normalizer:
    """The normaliser called `name`: `whisper-en`, `basic` or `none`.

    Raises UsageError for any other name.
    """
    if name == "none":
        return Normalizer(name, "0" * 12, str)
    if name not in NAMES:
        raise unknown("normalizer", name, NAMES)
    found = _package_hash()
    if name == "basic":
        return Normalizer(name, found, _basic if found in PROVEN else _package_basic())
    return Normalizer(name, found, _English() if found in PROVEN else _package_english())


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


class _Inert(dict[str, str | None]):
    """Chunk (text between white space) -> what becomes of it, or None where neighbours matter.

    A chunk is inert when it is lower-case ASCII words and punctuation, none of which any rule
    but spelling and symbol removal can touch, whatever stands beside it.
    """

    # No apostrophe, bracket, underscore (part of a word to `\b`), digit, currency or percent sign.
    _WORDS = re.compile(r"[!\"#&*+,\-/:;=?@\\^`{|}~.]*[a-z][a-z!\"#&*+,\-/:;=?@\\^`{|}~.]*")

    def __init__(self, triggers: frozenset[str], spelling: dict[str, str]) -> None:
        self._triggers = triggers
        self._spelling = spelling

    def __missing__(self, chunk: str) -> str | None:
        if len(self) >= _MEMO:
            self.clear()
        self[chunk] = made = self._make(chunk)
        return made

    def _make(self, chunk: str) -> str | None:
        if self._WORDS.fullmatch(chunk) is None or ".." in chunk:  # of two periods one stays
            return None
        words = re.findall("[a-z]+", chunk)
        if not self._triggers.isdisjoint(words):
            return None
        words = [self._spelling.get(word, word) for word in words]
        return " ".join(words) if all(map(str.isalpha, words)) else None


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
        self._symbols = _Symbols(lambda c: remove_symbols_and_diacritics(c, keep=_KEPT))
        triggers = {"half", "st", "nd", "rd", "th", "s", *self._numbers.words}
        triggers.update(re.findall("[a-z]+", package.ignore_patterns.replace(r"\b", "")))
        for literal, _, _ in self._replacers:
            # With an apostrophe ("'s been") only what follows the space can stand in a chunk alone.
            triggers.update(literal.split()[1:] if "'" in literal else [literal])
        self._inert = _Inert(frozenset(triggers), spelling)
        self._inert_but_a = _Inert(frozenset({*triggers, "a"}), spelling)  # "and a half"
        self._spans: dict[tuple[str, bool, bool], str | None] = {}

    def __call__(self, text: str) -> str:
        text = _without_brackets(text.lower())
        chunks = text.split()
        inert = self._inert_but_a if "half" in text else self._inert
        words = list(map(inert.__getitem__, chunks))
        if None not in words:
            return " ".join(words)  # pyright: ignore[reportArgumentType, reportCallIssue]
        if "'" in text:
            # "'s been" wants one space exactly.
            if " ".join(chunks) != text.strip():
                return self._rewrite(text)
            self._glue(chunks, words)
        return " ".join(self._pieces(chunks, words))

    def _glue(self, chunks: list[str], words: list[str | None]) -> None:
        """Take back the word an apostrophe will close up to, fillers between them included."""
        for k in range(len(chunks) - 1, 0, -1):
            chunk = chunks[k]
            if words[k] is None and (chunk[0] == "'" or self._fillers.search(chunk)):
                words[k - 1] = None

    def _pieces(self, chunks: list[str], words: list[str | None]) -> list[str]:
        pieces = []
        end = len(chunks)
        k = 0
        while k < end:
            word = words[k]
            if word is not None:
                pieces.append(word)
                k += 1
                continue
            start = k
            while k < end and words[k] is None:
                k += 1
            span = chunks[start] if k == start + 1 else " ".join(chunks[start:k])
            piece = self._span(span, start > 0, k < end)
            if piece is not None:
                pieces.append(piece)
        return pieces

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
        if "'" in text:
            text = _SPACED_APOSTROPHE.sub("'", text)
        for literal, sub, replacement in self._replacers:
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
        if _DIGIT.search(text) or not self._numbers.words.isdisjoint(words):
            words = self._numbers(text).split()
        text = " ".join([self._spelling.get(word, word) for word in words])
        text = _BARE_PREFIX.sub(r" \1", text)
        if "%" in text:
            text = _BARE_PERCENT.sub(r"\1 ", text)
        return _SPACES.sub(" ", text)
