"""From the clock of every batch to a profile: RTFx, stages, padding, latency, utilisation."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from .batching import Padding
from .statistics import quantiles
from .timing import STAGES
from .utilisation import Sampler

MODEL_PATH = ("model", "detokenise")
"""What `rtfx` counts. `rtfx_total` adds decoding and features."""

ENOUGH = 20
"""Looks at the machine below which its load is not judged."""

Seconds = Mapping[str, "float | None"]


@dataclass
class Profile:
    """The timings of a run, added up batch by batch."""

    padding: Padding = Padding()
    samples: int = 0
    batches: int = 0
    largest: int = 0
    retries: int = 0
    out_of_memory: int = 0
    differing: int = 0
    passes: list[dict[str, float | None]] = field(default_factory=list)
    latencies: array[float] = field(default_factory=lambda: array("d"))

    def add(self, timing: Mapping[str, Any]) -> None:
        """Take in the timing of one batch, as its last record has it."""
        self.padding += Padding(**timing["padding"])
        self.batches += 1
        self.samples += timing["samples"]
        self.largest = max(self.largest, timing["samples"])
        self.retries += timing["retries"]
        self.out_of_memory += timing["out_of_memory"]
        self.differing += timing["differing"]
        for i, seconds in enumerate(timing["passes"]):
            if i == len(self.passes):
                self.passes.append(dict.fromkeys(STAGES))
            for name, value in seconds.items():
                if value is not None:
                    self.passes[i][name] = (self.passes[i][name] or 0.0) + value
        if timing["samples"] == 1:
            first = timing["passes"][0]
            self.latencies.append(math.fsum(first[s] or 0.0 for s in STAGES if s != "decode"))

    def summary(self, unit: str, single_stream: bool, sampler: Sampler) -> dict[str, Any]:
        """The profile as `run.json` has it.

        `rtfx` and `rtfx_total` are seconds of audio a second (None where inputs are not audio), the
        median over repeats with every repeat beside it; `throughput` is input units a second. Only
        input that reached the model counts, and it counts with all the time that was spent on it,
        retries included. `stages` are seconds in the first pass, None where the adapter cannot
        tell the stage apart. `latency` (seconds from decoded input to answer) is there in
        single-stream mode only: it is never derived from batches.
        """
        model = [self._rate(p, MODEL_PATH) for p in self.passes]
        total = [self._rate(p, STAGES) for p in self.passes]
        seconds = unit == "seconds"
        p50, p95 = quantiles(self.latencies, 0.5, 0.95)
        return {
            "rtfx": _median(model) if seconds else None,
            "rtfx_total": _median(total) if seconds else None,
            "throughput": {"unit": unit, "model": _median(model), "total": _median(total)},
            "repeats": {
                "model": model,
                "total": total,
                "spread": _spread(model),
                "differing": self.differing,
            },
            "input": self.padding.input,
            "stages": self.passes[0] if self.passes else dict.fromkeys(STAGES),
            "latency": {"p50": p50, "p95": p95} if single_stream else None,
            "batches": {
                "n": self.batches,
                "mean": self.samples / self.batches if self.batches else None,
                "largest": self.largest,
                "retries": self.retries,
                "out_of_memory": self.out_of_memory,
            },
            "padding": {
                "input": self.padding.input_ratio,
                "output": self.padding.output_ratio,
                "useful_compute": self.padding.useful_compute,
            },
            "utilisation": sampler.summary(),
        }

    def _rate(self, seconds: Seconds, stages: Sequence[str]) -> float | None:
        spent = math.fsum(seconds[s] or 0.0 for s in stages)
        return self.padding.input / spent if spent > 0 and self.padding.input > 0 else None


def _median(rates: Sequence[float | None]) -> float | None:
    known = [r for r in rates if r is not None]
    return median(known) if known else None


def _spread(rates: Sequence[float | None]) -> float | None:
    """Largest less smallest, over the median; None with fewer than two repeats."""
    known = [r for r in rates if r is not None]
    return (max(known) - min(known)) / median(known) if len(known) > 1 else None


def others_share(utilisation: Mapping[str, Any], cores: int) -> float | None:
    """The share of the machine's processors that other processes used during the run, on average.

    Where it is large, the speeds measured are those of a busy machine.
    """
    own, whole = utilisation["cpu"], utilisation["system_cpu"]
    if own is None or whole is None or utilisation["samples"] < ENOUGH:
        return None
    return max(0.0, whole["mean"] / 100 - own["mean"] / 100 / cores)
