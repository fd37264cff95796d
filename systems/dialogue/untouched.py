"""The speakers as they came: what every tagger is measured against."""

from __future__ import annotations

from collections.abc import Sequence

from ...bench.adapter import Adapter
from ...bench.dialogue import Session, Tagging


class Untouched(Adapter):
    """`untouched`: the uncorrected conversation."""

    def tag_speakers(self, batch: Sequence[Session]) -> list[Tagging]:
        """Each session's own segments."""
        return [Tagging(session.segments) for session in batch]
