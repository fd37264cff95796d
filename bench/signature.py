"""What made this number: the fields that must agree before two numbers may be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from importlib.metadata import version
from typing import Any

from .plain import to_json, to_plain
from .task import Sample, Split, Task


def describe(
    task: Task, split: Split, model: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The long signature, as far as it is known before the run.

    `model` is its spec and identity, `settings` what the runner was told (limit, seed, batch, ...).
    The seed is part of the data only where it chose them, under a limit.
    """
    return to_plain(
        {
            "task": {
                "name": task.name,
                "version": task.version,
                "spec": spec_of(task),
                "options": task.options(),
            },
            "data": {
                "split": split.name,
                "source": dict(split.source),
                "limit": (limit := settings.get("limit")),
                "seed": None if limit is None else settings.get("seed"),
            },
            "metrics": {m.name: m.signature() for m in task.metrics},
            "model": model,
            "run": {k: v for k, v in settings.items() if k != "limit"},
            "podium": version("podium"),
        }
    )


def spec_of(plugin: Any) -> str:
    """The spec that a plugin was built from; its class's name if it was made by hand."""
    return getattr(plugin, "spec", None) or type(plugin).__name__


def short(signature: Mapping[str, Any], metric: str) -> str:
    """The short form, for papers: `wer|set:open_asr.mini@...|normalizer:whisper-en@...|n:30|`."""
    data, task = signature["data"], signature["task"]
    revision = data["source"].get("revision") or data.get("content") or ""
    choices = task["options"] | signature["metrics"].get(metric, {})
    fields = {
        "set": f"{task['name']}.{data['split']}" + (f"@{revision[:12]}" if revision else ""),
        **{k: v for k, v in choices.items() if isinstance(v, (str, int, float))},
        "n": data.get("n", "?"),
    }
    if data.get("limit"):
        fields["seed"] = data["seed"]
    fields |= {"model": signature["model"]["spec"], "task": f"v{task['version']}"}
    fields["podium"] = signature["podium"]
    return "|".join([metric, *(f"{k}:{v}" for k, v in fields.items())])


def scored(signature: Mapping[str, Any]) -> dict[str, Any]:
    """What must agree for scores to compare; the model, the batch plan and the machine may differ.

    So may the limit and the seed: the hash of the content says which samples they chose.
    """
    return {
        "task": {k: v for k, v in signature["task"].items() if k != "spec"},
        "data": {k: v for k, v in signature["data"].items() if k not in ("limit", "seed")},
        "metrics": signature["metrics"],
    }


def first_difference(a: Any, b: Any, name: str = "") -> str | None:
    """The dotted name of the first field in which two signatures differ; None if they agree."""
    return next(differences(to_plain(a), to_plain(b), name), None)


def differences(a: Any, b: Any, name: str = "") -> Iterator[str]:
    """The dotted names of all fields in which two signatures differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}):
            yield from differences(a.get(key), b.get(key), f"{name}.{key}" if name else key)
    elif a != b:
        yield name


class ContentHash:
    """A hash of a set of samples, whatever their order: ids, targets and inputs."""

    def __init__(self) -> None:
        self.n = 0
        self._sum = 0

    def add(self, sample: Sample) -> None:
        """Count one sample in."""
        text = to_json([sample.id, sample.target, sample.request.fingerprint()])
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        self._sum = (self._sum + int.from_bytes(digest)) % (1 << 128)
        self.n += 1

    def hexdigest(self) -> str:
        """32 hexadecimal digits."""
        return f"{self._sum:032x}"
