"""How far an interpreter lags behind its source: AP, AL, LAAL, DAL, ATD, and compute-aware forms.

Notation: X units of source, Y units of reference, y units of output; d_i is how much source had
been read when output unit i = 1..y was written. Every score is the mean over sentences of the
sentence's lag, in units of the source (words, characters, or seconds and milliseconds of speech).
The compute-aware form of a score takes e_i, the time at which unit i was written on a clock on
which the source advances and computing adds to it, in the place of d_i.

Values equal SimulEval's (1.1.4, `latency_scorer.py`) where those exist; what it leaves out is
defined here, and stays in the mean:

- an empty output has the delay of its whole source, as one unit written at the end (AP: 1);
- a missing answer counts as an empty output;
- an empty source has no lag: 0 plus the computing time.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .metric import Array, Metric, Row


@dataclass(frozen=True, slots=True)
class Extent:
    """What a sentence's lag is measured against: lengths of source (X) and reference (Y)."""

    source_length: float
    reference_length: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """When each output unit was written: `delays` d_i, and `elapsed` e_i in the same unit.

    `end` is e at the end of the sentence, for outputs with no unit (None: no compute time known).
    """

    delays: Sequence[float]
    elapsed: Sequence[float] = ()
    end: float | None = None


@dataclass(frozen=True, slots=True)
class _Table:
    """Many timelines side by side, padded: `times` and `delays` (n, longest), the rest (n,)."""

    times: Array
    delays: Array
    count: NDArray[np.int64]
    source: Array
    reference: Array
    empty: NDArray[np.bool_]

    @property
    def written(self) -> NDArray[np.bool_]:
        """Which places of the padded arrays hold a unit, (n, longest)."""
        return np.arange(self.times.shape[1]) < self.count[:, None]


class Lag(Metric):
    """The mean over sentences of a lag: rows are (lag, 1)."""

    columns = ("lag", "sentences")
    short: ClassVar[str]

    def __init__(self, compute_aware: bool = False, unit: str = "words") -> None:
        self.compute_aware = compute_aware
        self.name = self.short + ("_ca" if compute_aware else "")
        self.unit = unit  # type: ignore[misc]  # the unit follows the data's

    def row(self, target: Extent, answer: Timeline) -> Row:
        lag, one = self.rows([target], [answer])[0]
        return float(lag), float(one)

    def rows(self, targets: Sequence[Extent], answers: Sequence[Timeline]) -> Array:
        if not len(targets):
            return np.zeros((0, 2))
        lags = self.lags(_table(targets, answers, self.compute_aware))
        return np.stack([lags, np.ones(len(lags))], axis=1)

    def worst(self, target: Extent) -> Row:
        return self.row(target, Timeline(()))

    def value(self, sums: Array) -> Array:
        return sums[..., 0] / sums[..., 1]

    def signature(self) -> dict[str, str]:
        return {"unit": self.unit, "empty": "whole-source"}

    @abstractmethod
    def lags(self, table: _Table) -> Array:
        """One lag a sentence, shape (n,)."""


class AverageProportion(Lag):
    """AP = sum_i d_i / (X Y). Cho and Esipova 2016, arXiv 1606.02012, eq. 4 (Y of the reference).

    Bounded by 1 only while the output is not longer than the reference; an empty output has 1.
    """

    short = "ap"

    def __init__(self, compute_aware: bool = False, unit: str = "words") -> None:
        super().__init__(compute_aware, "proportion")

    def lags(self, table: _Table) -> Array:
        total = np.where(table.written, table.times, 0.0).sum(axis=1)
        area = table.source * np.where(table.empty, 1.0, table.reference)
        return np.divide(total, area, out=np.zeros_like(total), where=area > 0)


class AverageLagging(Lag):
    """AL = 1/t sum_{i=1..t} [d_i - (i-1) X/Y], t the first i with d_i >= X (y if there is none).

    Ma et al. 2019 (STACL), arXiv 1810.08398, eq. 8. As in SimulEval, Y is the reference's length,
    and a sentence whose first unit comes after the end of the source (d_1 > X) lags by d_1.
    """

    short = "al"

    def lags(self, table: _Table) -> Array:
        return _average_lagging(table, table.reference)


class LengthAdaptiveAverageLagging(Lag):
    """LAAL: AL with max(y, Y) in the place of Y, so that saying more is not rewarded.

    Papi et al. 2022, arXiv 2206.05807; Polák et al. 2022, arXiv 2204.06028.
    """

    short = "laal"

    def lags(self, table: _Table) -> Array:
        said = np.where(table.empty, 0, table.count)
        return _average_lagging(table, np.maximum(table.reference, said))


def _average_lagging(table: _Table, target_length: Array) -> Array:
    times, source = table.times, table.source
    pace = source / target_length
    place = np.arange(times.shape[1])
    ended = (times >= source[:, None]) & table.written
    last = np.where(ended.any(axis=1), ended.argmax(axis=1) + 1, table.count)
    behind = times - place * pace[:, None]
    lag = np.where(place < last[:, None], behind, 0.0).sum(axis=1) / last
    return np.where(times[:, 0] > source, times[:, 0], lag)


class DifferentiableAverageLagging(Lag):
    """DAL = 1/y sum_i [d'_i - (i-1) X/y], d'_1 = d_1, d'_i = max(d_i, d'_{i-1} + X/y).

    Arivazhagan et al. 2019 (MILk), arXiv 1906.05218, eq. 9: each unit costs at least its share of
    the source to write, to the end of the output.
    """

    short = "dal"

    def lags(self, table: _Table) -> Array:
        pace = table.source / table.count
        written, total, last = table.written, np.zeros_like(pace), table.times[:, 0] - pace
        for i in range(table.times.shape[1]):
            last = np.maximum(table.times[:, i], last + pace) if i else table.times[:, 0]
            total += np.where(written[:, i], last - i * pace, 0.0)
        return total / table.count


class AverageTokenDelay(Lag):
    """ATD: how long after its counterpart in the source each output unit ends, on average.

    Kano et al. 2022, arXiv 2211.13173, eqs. 1-4. Output unit t of chunk c is held against source
    token s = min(t - max(0, y_{<c} - x_{<c}), x_{<=c}), where x and y count tokens and units in
    chunks (a chunk: what is read, then what is written on it). Text takes one unit of time a word
    on both sides. Speech is cut into tokens of `source_token` (300 ms in the paper; the last of a
    chunk is shorter) and text written for it takes no time: `target_token` 0.
    """

    short = "atd"

    def __init__(
        self,
        compute_aware: bool = False,
        unit: str = "words",
        source_token: float = 1.0,
        target_token: float = 1.0,
    ) -> None:
        super().__init__(compute_aware, unit)
        self.source_token, self.target_token = source_token, target_token

    def signature(self) -> dict[str, str]:
        tokens = {"source": f"{self.source_token:g}", "target": f"{self.target_token:g}"}
        return super().signature() | tokens

    def lags(self, table: _Table) -> Array:
        delays, written = table.delays, table.written
        n, longest = delays.shape
        computed = table.times - delays
        computing = np.diff(computed, axis=1, prepend=0.0)
        starts = np.diff(delays, axis=1, prepend=-1.0) != 0  # where a chunk's first unit is
        place = np.arange(longest)
        chunk_first = np.maximum.accumulate(np.where(starts, place, 0), axis=1)
        before = np.where(chunk_first > 0, np.take_along_axis(delays, chunk_first - 1, 1), 0.0)
        whole, rest = np.divmod(delays - before, self.source_token)
        tokens = np.where(starts & written, whole + (rest != 0), 0.0)
        read = np.cumsum(tokens, axis=1)  # source tokens up to and with the chunk of each unit
        read_before = read - np.take_along_axis(tokens, chunk_first, 1)
        total, clock, rows = np.zeros(n), np.zeros(n), np.arange(n)
        for t in range(longest):
            clock = np.maximum(delays[:, t], clock) + self.target_token + computing[:, t]
            against = t + 1 - np.maximum(0.0, chunk_first[:, t] - read_before[:, t])
            against = np.minimum(against, read[:, t])
            # The source token's own end: in the first chunk that reaches so far.
            chunk = (read < against[:, None]).sum(axis=1).clip(max=longest - 1)
            inside = (against - read_before[rows, chunk]) * self.source_token
            ends = np.minimum(before[rows, chunk] + inside, delays[rows, chunk])
            total += np.where(written[:, t], clock - ends, 0.0)
        return total / table.count


class LengthRatio(Metric):
    """Units of output over units of reference: latency is only to be read beside it."""

    name = "length_ratio"
    unit = "units/unit"
    higher_is_better = True
    columns = ("output", "reference")

    def row(self, target: Extent, answer: Timeline) -> Row:
        return float(len(answer.delays)), float(target.reference_length)

    def worst(self, target: Extent) -> Row:
        return 0.0, float(target.reference_length)

    def value(self, sums: Array) -> Array:
        return sums[..., 0] / sums[..., 1]


class CutShort(Metric):
    """Share of sentences with less than `share` of the reference's units in the output."""

    name = "cut_short"
    columns = ("cut_short", "sentences")

    def __init__(self, share: float = 0.5) -> None:
        self.share = share

    def row(self, target: Extent, answer: Timeline) -> Row:
        return float(len(answer.delays) < self.share * target.reference_length), 1.0

    def worst(self, target: Extent) -> Row:
        return 1.0, 1.0

    def value(self, sums: Array) -> Array:
        return sums[..., 0] / sums[..., 1]

    def signature(self) -> dict[str, str]:
        return {"below": f"{self.share:g}"}


def latency_metrics(
    unit: str = "words",
    compute_aware: bool = True,
    source_token: float = 1.0,
    target_token: float = 1.0,
) -> tuple[Metric, ...]:
    """Every latency metric, ideal and compute-aware, with the length ratio beside them."""
    lags: list[Metric] = []
    for aware in (False, True) if compute_aware else (False,):
        lags += [
            AverageLagging(aware, unit),
            LengthAdaptiveAverageLagging(aware, unit),
            DifferentiableAverageLagging(aware, unit),
            AverageProportion(aware),
            AverageTokenDelay(aware, unit, source_token, target_token),
        ]
    return (*lags, LengthRatio(), CutShort())


def reference_length(text: str, characters: bool) -> int:
    """Y as SimulEval counts it: pieces between single spaces, or characters; at least 1."""
    return max(1, len(text.strip()) if characters else len(text.split(" ")))


def _table(targets: Sequence[Extent], answers: Sequence[Timeline], compute_aware: bool) -> _Table:
    """Timelines side by side; an empty one becomes one unit at the end of its source."""
    source = np.array([t.source_length for t in targets], dtype=np.float64)
    reference = np.array([t.reference_length for t in targets], dtype=np.float64)
    empty = np.array([not len(a.delays) for a in answers])
    count = np.array([max(1, len(a.delays)) for a in answers])
    shape = (len(answers), int(count.max()))
    written = np.arange(shape[1]) < count[:, None]
    delays = np.zeros(shape)
    delays[written] = [
        d
        for t, a in zip(targets, answers, strict=True)
        for d in (a.delays if len(a.delays) else (t.source_length,))
    ]
    times = delays
    if compute_aware:
        times = np.zeros(shape)
        times[written] = [e for t, a in zip(targets, answers, strict=True) for e in _elapsed(t, a)]
    return _Table(times, delays, count, source, np.maximum(reference, 1.0), empty)


def _elapsed(target: Extent, answer: Timeline) -> Sequence[float]:
    if not len(answer.delays):
        return (target.source_length if answer.end is None else answer.end,)
    if not len(answer.elapsed):
        return answer.delays
    if len(answer.elapsed) != len(answer.delays):
        raise ValueError(f"{len(answer.delays)} delays but {len(answer.elapsed)} elapsed times")
    return answer.elapsed
