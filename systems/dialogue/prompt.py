"""Speaker tagging and emotion classification by prompting a language model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...bench.adapter import Adapter, Failure, Generates
from ...bench.dialogue import Dialogue, Emotion, Session, Tagging
from ..template import PromptTemplate
from .beam_search import _Word, retagged

NAMES = {"neu": "neutral", "hap": "happy", "ang": "angry", "sad": "sad"}


class _Prompting(Adapter):
    def __init__(self, lm: Generates, template: str, ours: str) -> None:
        self._lm = lm
        path = Path(template) if template else Path(__file__).with_name(ours)
        self._template = PromptTemplate.load(path)
        self.batched = bool(getattr(lm, "batched", False))  # type: ignore[misc]

    def identity(self) -> dict[str, Any]:
        """The language model's identity and the template's hash."""
        return {
            "lm": dict(getattr(self._lm, "identity", dict)()),
            "template": self._template.hash,
        }

    def close(self) -> None:
        """Close the language model."""
        if isinstance(self._lm, Adapter):
            self._lm.close()


class PromptTag(_Prompting):
    """`prompt-tag(lm='gguf:smollm2')`: the model writes the conversation again with better labels.

    The answer counts only if it has the same words in the same order and no new speaker; else
    the speakers that came are kept, and the response says why.
    """

    def __init__(self, lm: Generates, template: str = "") -> None:
        super().__init__(lm, template, "tag.txt")

    def tag_speakers(self, batch: Sequence[Session]) -> list[Tagging | Failure]:
        """One tagging a session; sessions with one speaker are not asked about."""
        asked = [s for s in batch if len(s.speakers) > 1]
        given = iter(self._lm.generate([self._prompt(s) for s in asked]) if asked else ())
        return [
            _read_tags(next(given), s) if len(s.speakers) > 1 else Tagging(s.segments)
            for s in batch
        ]

    def _prompt(self, session: Session) -> Any:
        lines = [f"{s.speaker}: {s.words}" for s in session.segments]
        text = "\n".join(lines)
        return self._template.prompt(
            16 + len(text) // 2, transcript=text, speakers=", ".join(session.speakers)
        )


def _read_tags(answer: Any, session: Session) -> Tagging | Failure:
    if isinstance(answer, Failure):
        return answer
    tagged = []
    for line in answer.text.splitlines():
        speaker, colon, words = line.partition(":")
        if colon and speaker.strip() in session.speakers:
            tagged += [(word, speaker.strip()) for word in words.split()]
    words = [
        _Word(word, s.speaker, k)
        for k, s in enumerate(session.segments)
        for word in s.words.split()
    ]
    if [w for w, _ in tagged] != [w.text for w in words]:
        return Tagging(session.segments, "the answer has other words")
    return Tagging(retagged(session, words, [s for _, s in tagged]))


class PromptClassify(_Prompting):
    """`prompt-classify(lm=...)`: the model names the emotion, given `turns` earlier ones.

    `recogniser` names whose text to show (all distinct ones without it). The first word of the
    answer that names a label is the label; an answer without one stays as it is, and is wrong.
    """

    def __init__(
        self, lm: Generates, template: str = "", turns: int = 3, recogniser: str | None = None
    ) -> None:
        super().__init__(lm, template, "classify.txt")
        self._turns, self._recogniser = turns, recogniser

    def identity(self) -> dict[str, Any]:
        """The model's identity, the template's hash and what is shown."""
        shown = {"turns": self._turns, "recogniser": self._recogniser}
        return {**super().identity(), **shown}

    def classify_emotion(self, batch: Sequence[Dialogue]) -> list[Emotion | Failure]:
        """One label a dialogue's last turn."""
        answers = self._lm.generate([self._prompt(d) for d in batch])
        return [
            a if isinstance(a, Failure) else Emotion(named(a.text, d.labels))
            for a, d in zip(answers, batch, strict=True)
        ]

    def _prompt(self, dialogue: Dialogue) -> Any:
        before = dialogue.earlier[-self._turns :] if self._turns else ()
        context = "\n".join(f"{t.speaker}: {t.text(self._recogniser)}" for t in before)
        if self._recogniser:
            texts = [dialogue.last.text(self._recogniser)]
        else:
            texts = list(dict.fromkeys(text for _, text in dialogue.last.transcripts))
        return self._template.prompt(
            8,
            context=context or "(this is the first turn)",
            transcripts="\n".join(texts),
            labels=", ".join(NAMES.get(label, label) for label in dialogue.labels),
        )


def named(text: str, labels: Sequence[str]) -> str:
    """The first label (or its full name) that a text names; the text itself if it names none."""
    for word in re.findall(r"[a-z]+", text.lower()):
        for label in labels:
            if word in (label, NAMES.get(label)):
                return label
    return text.strip()
