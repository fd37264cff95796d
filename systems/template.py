"""Prompt templates: a text file with a system part and a user part, replaceable, hashed."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from string import Template

from ..bench.errors import UsageError
from ..bench.text import Prompt

BREAK = "\n---\n"
"""Parts the system's text from the user's in a template file."""


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """Two texts with `$names` to fill in, and the hash of the file, for the signature."""

    system: str
    user: str
    hash: str

    @classmethod
    def load(cls, path: Path) -> PromptTemplate:
        """Read a template. Raises UsageError if there is no such file or a stray `$`."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path}: no template ({error.strerror})") from error
        system, found, user = text.partition(BREAK)
        if not found:
            system, user = "", text
        if not Template(text).is_valid():
            raise UsageError(f"{path}: a $ that starts no name; write $$ for the sign itself")
        digest = blake2b(text.encode(), digest_size=6).hexdigest()
        return cls(system.strip(), user.strip(), digest)

    def prompt(self, max_new_tokens: int, stop: tuple[str, ...] = (), **values: str) -> Prompt:
        """The filled-in chat prompt, answered greedily. Raises UsageError for an unknown name."""
        try:
            user, system = (Template(t).substitute(values) for t in (self.user, self.system))
        except KeyError as error:
            names = ", ".join(values)
            raise UsageError(f"the template asks for {error}; there are {names}") from error
        return Prompt(user, chat=True, system=system, max_new_tokens=max_new_tokens, stop=stop)
