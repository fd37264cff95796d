"""Answers remembered on disk: a sweep asks a model the same thing at every operating point."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from ..adapter import Adapter, Failure, Generates, Translates
from ..plain import from_plain, to_json, to_plain
from ..stream import charge
from ..text import Generation, Prompt, Sentence, Translation
from .gguf import cache_folder


class Remember(Adapter):
    """An engine whose answers are kept in the cache folder, with the seconds that each took.

    An answer given from memory charges the interpretation under way with those seconds, so that
    compute-aware latency is what it would have been. Failures are not kept. Answers are told apart
    by the engine's spec and identity and by the whole request, sampling seed included.
    """

    def __init__(self, engine: Generates | Translates) -> None:
        self._engine: Any = engine
        self.forces_prefix = getattr(engine, "forces_prefix", False)
        key = to_json([getattr(engine, "spec", ""), self.identity()])
        folder = cache_folder() / "remember"
        folder.mkdir(parents=True, exist_ok=True)
        name = sha256(key.encode()).hexdigest()[:16]
        self._store = sqlite3.connect(folder / f"{name}.sqlite", timeout=60, isolation_level=None)
        self._store.execute("PRAGMA journal_mode=WAL")
        self._store.execute("PRAGMA synchronous=NORMAL")  # a lost answer is asked again
        self._store.execute("CREATE TABLE IF NOT EXISTS answers (request TEXT PRIMARY KEY, a TEXT)")

    def generate(self, batch: Sequence[Prompt]) -> Sequence[Generation | Failure]:
        """`prompt.n` continuations a prompt."""
        return self._answer(self._engine.generate, Generation, batch)

    def translate(self, batch: Sequence[Sentence]) -> Sequence[Translation | Failure]:
        """One translation a sentence."""
        return self._answer(self._engine.translate, Translation, batch)

    def identity(self) -> Mapping[str, Any]:
        return self._engine.identity()

    def close(self) -> None:
        self._store.close()
        self._engine.close()

    def _answer(self, ask: Callable[..., Any], kind: type, batch: Sequence[Any]) -> list[Any]:
        keys = [to_json([type(request).__name__, request]) for request in batch]
        known = {key: found for key in set(keys) if (found := self._look_up(key))}
        missing = [k for k, key in enumerate(keys) if key not in known]
        answers: list[Any] = [None] * len(batch)
        for k, key in enumerate(keys):
            if key in known:
                answers[k] = from_plain(kind, known[key]["answer"])
                charge(known[key]["seconds"])
        if missing:
            started = time.perf_counter()
            given = ask([batch[k] for k in missing])
            seconds = (time.perf_counter() - started) / len(missing)
            for k, answer in zip(missing, given, strict=True):
                answers[k] = answer
                if not isinstance(answer, Failure):
                    self._keep(keys[k], {"answer": to_plain(answer), "seconds": seconds})
        return answers

    def _look_up(self, key: str) -> Any:
        row = self._store.execute("SELECT a FROM answers WHERE request = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def _keep(self, key: str, value: Any) -> None:
        self._store.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, to_json(value)))
