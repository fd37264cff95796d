"""Rule-based translation through the apertium program."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from ..adapter import Adapter, Failure
from ..errors import UsageError, unknown
from ..task import Outcome
from ..text import Sentence, Translation

CODES = {"en": "eng", "es": "spa", "fr": "fra", "ca": "cat", "pt": "por"}
"""ISO 639-1 to the codes of apertium's modes; some modes use the short ones."""


class Apertium(Adapter):
    """Apertium in one mode, such as `eng-spa`; takes no forced prefix.

    Raises UsageError where the program or the mode is not installed.
    """

    forces_prefix = False

    def __init__(self, mode: str = "eng-spa") -> None:
        program = shutil.which("apertium")
        if program is None:
            raise UsageError(
                "apertium is not installed; install the Debian packages apertium and "
                f"apertium-{mode}, or give another engine"
            )
        self._program, self.mode = program, mode
        modes = subprocess.run([program, "-l"], capture_output=True, text=True).stdout.split()
        if mode not in modes:
            raise unknown("mode of apertium", mode, modes)

    def translate(self, batch: Sequence[Sentence]) -> Sequence[Translation | Failure]:
        """One translation a sentence; a word without a rule is given back as it is."""
        for sentence in batch:
            codes = sentence.source_language, sentence.target_language
            if self.mode not in ("-".join(codes), "-".join(CODES.get(c, c) for c in codes)):
                message = f"apertium:{self.mode} was asked for {'-'.join(codes)}"
                return [Failure(Outcome.ERROR, message) for _ in batch]
        # One sentence a line, each its own paragraph: apertium keeps line breaks.
        text = "\n".join(" ".join(s.text.split()) for s in batch) + "\n"
        done = subprocess.run(
            [self._program, "-u", self.mode], input=text, capture_output=True, text=True
        )
        lines = done.stdout.removesuffix("\n").split("\n")
        if done.returncode or len(lines) != len(batch):
            reason = done.stderr.strip().splitlines()[-1:] or [f"{len(lines)} lines came back"]
            return [Failure(Outcome.ERROR, f"apertium: {reason[0]}") for _ in batch]
        return [Translation(line.strip()) for line in lines]

    def identity(self) -> Mapping[str, Any]:
        version = subprocess.run([self._program, "--version"], capture_output=True, text=True)
        return {"mode": self.mode, "apertium": " ".join(version.stdout.split())[:40]}
