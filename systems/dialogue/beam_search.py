"""Contextual beam search: the baseline of GenSEC's speaker tagging.

Words keep their order; a beam of speaker assignments is searched. For word w, tagged t, and a
speaker s of the session, an assignment's score grows by

    log P(s | t) + alpha log P(w | the words before it that s said) + beta

P(s | t) is `peak` for s = t and the rest spread evenly over the other speakers (at least
`max_speakers` - 1 of them). Source: Park et al. 2023, "Enhancing speaker diarization with large
language models: a contextual beam search approach", and GenSEC task 2, whose settings these are;
how the terms combine in its library was not published in a paper, so the sum is our reading.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from ...bench.adapter import Adapter
from ...bench.dialogue import Segment, Session, Tagging
from ..ngram import NGram


class _Word(NamedTuple):
    text: str
    speaker: str
    segment: int


class _Path(NamedTuple):
    score: float
    speakers: tuple[str, ...]
    said: dict[str, tuple[str, ...]]  # the last words of each speaker


class ContextualBeamSearch(Adapter):
    """`contextual-beam-search:lm.arpa`: re-tags words by what each speaker would go on to say.

    Sessions with one speaker, or with more than `most_speakers`, come back as they were. Make the
    n-gram model with podium train ngram.
    """

    def __init__(
        self,
        lm: str,
        alpha: float = 0.7378,
        beta: float = 0.0299,
        peak: float = 0.96,
        beam: int = 9,
        chunk: int = 175,
        window: int = 50,
        max_speakers: int = 4,
        most_speakers: int = 8,
    ) -> None:
        self._lm = NGram(lm)
        self._options = {
            "alpha": alpha, "beta": beta, "peak": peak, "beam": beam, "chunk": chunk,
            "window": window, "max_speakers": max_speakers, "most_speakers": most_speakers,
        }  # fmt: skip
        self._alpha, self._beta, self._peak, self._beam = alpha, beta, peak, beam
        self._chunk, self._window = chunk, window
        self._max_speakers, self._most = max_speakers, most_speakers

    def identity(self) -> dict[str, Any]:
        """The n-gram model's hash and the settings."""
        return {"lm": self._lm.hash, **self._options}

    def tag_speakers(self, batch: Sequence[Session]) -> list[Tagging]:
        """One tagging a session: the same words in the same segments, segments cut where needed."""
        return [self._tag(session) for session in batch]

    def _tag(self, session: Session) -> Tagging:
        count = len(session.speakers)
        if count < 2:
            return Tagging(session.segments)
        if count > self._most:
            return Tagging(session.segments, f"{count} speakers")
        words = [
            _Word(word, segment.speaker, k)
            for k, segment in enumerate(session.segments)
            for word in segment.words.split()
        ]
        tags: list[str] = []
        said: dict[str, tuple[str, ...]] = dict.fromkeys(session.speakers, ())
        for start in range(0, len(words), self._chunk):
            best = self._search(words[start : start + self._chunk], session.speakers, said)
            tags += best.speakers
            said = best.said
        return Tagging(retagged(session, words, tags))

    def _search(
        self, words: Sequence[_Word], speakers: Sequence[str], said: dict[str, tuple[str, ...]]
    ) -> _Path:
        rest = (1 - self._peak) / max(len(speakers) - 1, self._max_speakers - 1)
        paths = [_Path(0.0, (), said)]
        for word in words:
            grown = [
                self._grown(path, word, s, self._peak if s == word.speaker else rest)
                for path in paths
                for s in speakers
            ]
            # Paths that end alike have the same future: the best of them is enough.
            grown.sort(key=lambda p: -p.score)
            kept: dict[tuple[tuple[str, ...], ...], _Path] = {}
            for path in grown:
                kept.setdefault(tuple(path.said[s] for s in speakers), path)
            paths = list(kept.values())[: self._beam]
        return paths[0]

    def _grown(self, path: _Path, word: _Word, speaker: str, posterior: float) -> _Path:
        context = path.said[speaker]
        score = path.score + math.log(posterior) + self._beta
        score += self._alpha * self._lm.word(word.text.lower(), context)
        reach = min(self._window, self._lm.order - 1)
        said = {**path.said, speaker: (*context, word.text.lower())[-reach:]}
        return _Path(score, (*path.speakers, speaker), said)


def retagged(session: Session, words: Sequence[_Word], tags: Sequence[str]) -> tuple[Segment, ...]:
    """The session's segments, each cut where its words' tags change; times shared by words."""
    segments = []
    pairs = list(zip(words, tags, strict=True))
    for k, group in groupby(pairs, key=lambda pair: pair[0].segment):
        members = list(group)
        whole = session.segments[k]
        done = 0
        for speaker, run in groupby(members, key=lambda pair: pair[1]):
            texts = [word.text for word, _ in run]
            part = done / len(members), (done + len(texts)) / len(members)
            segments.append(Segment(speaker, " ".join(texts), *_times(whole, *part)))
            done += len(texts)
    return tuple(segments)


def _times(segment: Segment, begin: float, end: float) -> tuple[float | None, float | None]:
    if segment.start is None or segment.end is None:
        return None, None
    length = segment.end - segment.start
    return segment.start + begin * length, segment.start + end * length
