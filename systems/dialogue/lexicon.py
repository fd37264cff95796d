"""Emotion by word lists: the baseline that needs no model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ...bench.adapter import Adapter
from ...bench.dialogue import Dialogue, Emotion, Turn

WORDS = {
    "hap": [
        "amazing",
        "awesome",
        "beautiful",
        "beautifully",
        "best",
        "brilliant",
        "celebrate",
        "congratulations",
        "delighted",
        "excited",
        "excellent",
        "fantastic",
        "finally",
        "fun",
        "funny",
        "glad",
        "good",
        "great",
        "happy",
        "haha",
        "hilarious",
        "hooray",
        "incredible",
        "joy",
        "laugh",
        "laughing",
        "love",
        "loved",
        "lovely",
        "lucky",
        "perfect",
        "pleased",
        "proud",
        "smile",
        "smiling",
        "sweet",
        "thrilled",
        "won",
        "wonderful",
        "yay",
        "yes",
    ],
    "ang": [
        "angry",
        "annoying",
        "blame",
        "broke",
        "crap",
        "damn",
        "damned",
        "disgusting",
        "dare",
        "enough",
        "excuse",
        "excuses",
        "fault",
        "fed",
        "furious",
        "hate",
        "hell",
        "how",
        "idiot",
        "incompetent",
        "insane",
        "insult",
        "joke",
        "liar",
        "lie",
        "lied",
        "lying",
        "mad",
        "never",
        "outrageous",
        "pathetic",
        "ridiculous",
        "rude",
        "shut",
        "sick",
        "stop",
        "stupid",
        "terrible",
        "unacceptable",
        "useless",
        "waste",
        "worst",
        "yell",
        "yelling",
    ],
    "sad": [
        "afraid",
        "alone",
        "cancer",
        "cried",
        "cry",
        "crying",
        "dead",
        "death",
        "died",
        "disappointed",
        "empty",
        "fail",
        "failed",
        "funeral",
        "goodbye",
        "gone",
        "grief",
        "hard",
        "heart",
        "hopeless",
        "hurt",
        "hurts",
        "lonely",
        "lose",
        "losing",
        "lost",
        "miss",
        "missed",
        "pain",
        "passed",
        "sad",
        "sadly",
        "sorry",
        "tears",
        "tired",
        "unfortunately",
        "upset",
        "weak",
        "wish",
        "worried",
    ],
}
DENIALS = frozenset(
    [
        "no",
        "not",
        "never",
        "don't",
        "doesn't",
        "didn't",
        "isn't",
        "wasn't",
        "can't",
        "won't",
        "nothing",
    ]
)


class Lexicon(Adapter):
    """`lexicon`: counts words of ours for each emotion over all recognisers' texts of the turn.

    A word after a denial counts for nothing. The turns before count a quarter as much for each
    step back. No word, or a tie, is neutral: that is this classifier's guess, not a default of the
    task.
    """

    def __init__(self, fade: float = 0.25) -> None:
        self._fade = fade

    def identity(self) -> dict[str, Any]:
        """The weight of a step back."""
        return {"fade": self._fade}

    def classify_emotion(self, batch: Sequence[Dialogue]) -> list[Emotion]:
        """One label a dialogue's last turn."""
        return [Emotion(self._label(dialogue)) for dialogue in batch]

    def _label(self, dialogue: Dialogue) -> str:
        scores = dict.fromkeys(WORDS, 0.0)
        for back, turn in enumerate(reversed(dialogue.turns)):
            if turn.speaker == dialogue.last.speaker:
                for label, count in counts(turn).items():
                    scores[label] += count * self._fade**back
        ranked = sorted(scores, key=lambda label: -scores[label])
        return ranked[0] if scores[ranked[0]] > scores[ranked[1]] else "neu"


def counts(turn: Turn) -> dict[str, float]:
    """Words of each emotion, a recogniser's text on average."""
    found = dict.fromkeys(WORDS, 0.0)
    for _, text in turn.transcripts:
        words = re.findall(r"[a-z']+", text.lower())
        for before, word in zip(["", *words], words, strict=False):
            for label, known in WORDS.items():
                found[label] += word in known and before not in DENIALS
    return {label: n / max(1, len(turn.transcripts)) for label, n in found.items()}
