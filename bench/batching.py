"""Batches as budgets: limits on a batch, 2-D buckets, a plan for a window, the padding account.

Buckets follow Canary-1B-Flash (arXiv 2503.05931, NeMo `estimate_duration_bins_2d.py`): edges of
equal input mass, and within each, edges of equal output mass. Unlike training, evaluation drops
nothing: a sample beyond every edge goes to the last bucket, and one of unknown size goes alone.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .errors import UsageError
from .task import Sample, Size

NUM_BUCKETS = 30
SUB_BUCKETS = 2
MAX_SIGMA = 4.0
MAX_STRETCH = 2.0
"""No sample is padded to more than this many times its own length, so a five-hour recording
never drags fifteen short ones up to five hours. Costs at most log2(longest / shortest) batches."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Sizes in (floor, edge], in both dimensions; `edge` is None where the size is unknown."""

    floor: Size
    edge: Size | None


UNKNOWN = Bucket(Size(-math.inf, -math.inf), None)
"""Where samples whose header could not be read go, each in a batch of its own."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """Upper edges: `inputs[i]` of input size and `outputs[i]` of output size within bucket i."""

    inputs: tuple[float, ...]
    outputs: tuple[tuple[float, ...], ...]

    def of(self, size: Size) -> Bucket:
        """The bucket of a size: the smallest that holds it, the last one where none does."""
        return self.bucket(*self.index(size)) if is_known(size) and self.inputs else UNKNOWN

    def __iter__(self) -> Iterator[Bucket]:
        """Every bucket, longest input and output first."""
        for i in reversed(range(len(self.inputs))):
            for j in reversed(range(len(self.outputs[i]))):
                yield self.bucket(i, j)

    def index(self, size: Size) -> tuple[int, int]:
        """Where a known size belongs: its input bucket, and its sub-bucket in that one."""
        i = min(bisect_left(self.inputs, size.input), len(self.inputs) - 1)
        return i, min(bisect_left(self.outputs[i], size.output), len(self.outputs[i]) - 1)

    def bucket(self, i: int, j: int) -> Bucket:
        """The bucket at an index."""
        floor = Size(
            self.inputs[i - 1] if i else -math.inf, self.outputs[i][j - 1] if j else -math.inf
        )
        return Bucket(floor, Size(self.inputs[i], self.outputs[i][j]))


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What a batch may hold once its padded size is above `floor` in both dimensions."""

    floor: Size
    samples: int
    padded: float = math.inf

    def most(self, longest: Size) -> float:
        """How many samples padded to `longest` this ceiling lets into one batch."""
        if longest.input <= self.floor.input or longest.output <= self.floor.output:
            return math.inf
        return min(self.samples, self.padded / longest.input)


@dataclass(frozen=True, slots=True)
class BatchLimit:
    """How large a batch may be: at most `samples`, at most `padded` input units (longest x count).

    `ceilings` hold for large samples only: those that a search measured, and those that were
    lowered when memory ran out. With `auto`, the search is still to be made.
    """

    samples: int | None = None
    padded: float | None = None
    auto: bool = False
    ceilings: tuple[Ceiling, ...] = ()

    def most(self, longest: Size) -> int:
        """How many samples padded to `longest` may share a batch; never less than one."""
        if not is_known(longest):
            return 1
        most = math.inf if self.samples is None else self.samples
        if self.padded is not None:
            most = min(most, self.padded / longest.input)
        for ceiling in self.ceilings:
            most = min(most, ceiling.most(longest))
        # n * x / x may come out just under n.
        return max(1, int(min(most * (1 + 1e-12), 2**31)))

    def halved(self, batch: Batch) -> BatchLimit:
        """The limit after `batch` ran out of memory: half of it, in its bucket and all larger."""
        floor, half = batch.bucket.floor, max(1, len(batch.samples) // 2)
        # A batch planned before an earlier halving may fail late: a ceiling only ever comes down.
        here = [c for c in self.ceilings if c.floor == floor]
        lowered = Ceiling(
            floor,
            min([half, *(c.samples for c in here)]),
            min((c.padded for c in here), default=math.inf),
        )
        kept = (c for c in self.ceilings if c.floor != floor)
        return replace(self, ceilings=(*kept, lowered))

    def measured(self, found: Mapping[Bucket, int]) -> BatchLimit:
        """This limit with the largest batch that was found to fit each bucket.

        Beyond the longest bucket measured, the padded size that fitted there is kept.
        """
        known = {bucket.edge: (bucket, n) for bucket, n in found.items() if bucket.edge is not None}
        top = max((edge.input for edge in known), default=0.0)
        ceilings = tuple(
            Ceiling(bucket.floor, n, n * edge.input if edge.input == top else math.inf)
            for edge, (bucket, n) in known.items()
        )
        return replace(self, auto=False, ceilings=ceilings)

    def __str__(self) -> str:
        if self.samples is None and self.padded is None:
            return "auto"
        return str(self.samples) if self.padded is None else f"{self.padded:g}s"


def parse_batch(text: str) -> BatchLimit:
    """`auto`, a number of samples (`16`), or padded seconds (`120s`). Raises UsageError."""
    text = text.strip()
    if text == "auto":
        return BatchLimit(auto=True)
    if re.fullmatch(r"[0-9]{1,9}", text) and int(text) > 0:
        return BatchLimit(samples=int(text))
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?s", text) and float(text[:-1]) > 0:
        return BatchLimit(padded=float(text[:-1]))
    raise UsageError(
        f'--batch "{text}": not a batch limit; '
        'give "auto", a number of samples such as 16, or padded seconds such as 120s'
    )


def is_known(size: Size) -> bool:
    """Whether a size can be planned with: a header may be unreadable (NaN), say 0, or nonsense."""
    return 1e-6 <= size.input <= 1e12 and 0 <= size.output <= 1e12


@dataclass(frozen=True, slots=True)
class Padding:
    """What a batch computes for nothing. It adds, so a ratio is never a mean of ratios.

    Source: arXiv 2503.05931 for the input and output ratios; quadratic terms weigh by attention.
    """

    input: float = 0.0
    input_padded: float = 0.0
    output: float = 0.0
    output_padded: float = 0.0
    squared: float = 0.0
    squared_padded: float = 0.0

    @classmethod
    def of(cls, sizes: Iterable[Size]) -> Padding:
        """The account of one batch; sizes that are unknown are left out of it."""
        known = [s for s in sizes if is_known(s)]
        if not known:
            return cls()
        n, t, u = len(known), max(s.input for s in known), max(s.output for s in known)
        return cls(
            math.fsum(s.input for s in known),
            n * t,
            math.fsum(s.output for s in known),
            n * u,
            math.fsum(s.input**2 for s in known),
            n * t**2,
        )

    def __add__(self, other: Padding) -> Padding:
        return Padding(
            self.input + other.input,
            self.input_padded + other.input_padded,
            self.output + other.output,
            self.output_padded + other.output_padded,
            self.squared + other.squared,
            self.squared_padded + other.squared_padded,
        )

    @property
    def input_ratio(self) -> float | None:
        """Share of the padded input that is padding, 1 - sum T / (B max T); None of nothing."""
        return 1 - self.input / self.input_padded if self.input_padded else None

    @property
    def output_ratio(self) -> float | None:
        """Share of the padded output that is padding, 1 - sum U / (B max U); None of nothing."""
        return 1 - self.output / self.output_padded if self.output_padded else None

    @property
    def useful_compute(self) -> float | None:
        """Share of attention's quadratic cost that is not padding, sum T^2 / (B max T^2)."""
        return self.squared / self.squared_padded if self.squared_padded else None


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples that go to the model together, and the bucket of the first."""

    samples: tuple[Sample, ...]
    bucket: Bucket = UNKNOWN


def estimate_buckets(
    sizes: Iterable[Size], num_buckets: int = NUM_BUCKETS, sub_buckets: int = SUB_BUCKETS
) -> Buckets:
    """Edges such that each bucket carries the same input mass, each sub-bucket the same output.

    With outputs of 0 this is 1-D bucketing. The order of `sizes` does not matter.
    """
    known = np.array([(s.input, s.output) for s in sizes if is_known(s)])
    if not len(known):
        return Buckets((), ())
    inputs, outputs = known[np.lexsort((known[:, 1], known[:, 0]))].T
    edges, merged = _input_edges(inputs, num_buckets)
    cuts = np.searchsorted(inputs, edges, side="right")
    groups = np.split(np.arange(len(inputs)), cuts[:-1])
    return Buckets(
        tuple(edges),
        tuple(
            _output_edges(inputs[group], outputs[group], sub_buckets * count)
            for group, count in zip(groups, merged, strict=True)
        ),
    )


def _input_edges(inputs: NDArray[np.float64], num: int) -> tuple[list[float], list[int]]:
    """Upper edges of equal mass over sorted values, and how many equal edges each stands for."""
    alone: list[float] = []
    n = len(inputs)
    mass = np.cumsum(inputs)
    # One recording of hours would be most of the mass, and leave one bucket for all the others.
    while n > 1 and num > 1 and inputs[n - 1] >= mass[n - 1] / num:
        alone.append(float(inputs[n - 1]))
        n, num = n - 1, num - 1
    edges: list[float] = []
    merged: list[int] = []
    for edge in [*_equal_mass(inputs[:n], num), *reversed(alone)]:
        if edges and edge == edges[-1]:
            merged[-1] += 1
        else:
            edges.append(edge)
            merged.append(1)
    return edges, merged


def _equal_mass(values: NDArray[np.float64], num: int) -> list[float]:
    """`num` upper edges over sorted values, each bucket with the same sum; the last is the max."""
    mass = np.cumsum(values)
    targets = mass[-1] * np.arange(1, num) / num
    at = np.minimum(np.searchsorted(mass, targets), len(values) - 1)
    return [*values[at].tolist(), float(values[-1])]


def _output_edges(
    inputs: NDArray[np.float64], outputs: NDArray[np.float64], num: int
) -> tuple[float, ...]:
    """Edges of equal output mass in one input bucket, without upper outliers of the token rate."""
    rate = outputs / inputs
    kept = outputs[rate <= rate.mean() + MAX_SIGMA * rate.std() + 1e-9]
    if not len(kept) or not kept.any():
        return (float(outputs.max()),)
    return tuple(dict.fromkeys(_equal_mass(np.sort(kept), num)))


def plan(
    samples: Sequence[Sample],
    limit: BatchLimit,
    num_buckets: int = NUM_BUCKETS,
    sub_buckets: int = SUB_BUCKETS,
) -> list[Batch]:
    """Every sample of a window exactly once, in batches within `limit`, longest first.

    The plan depends on the samples' ids and sizes, not on their order. What is left of a bucket
    joins the next shorter one, so small windows still fill their batches. Samples of unknown size
    come last, one a batch.
    """
    alone = [Batch((s,)) for s in sorted(samples, key=lambda s: s.id) if not is_known(s.size)]
    known = sorted((s for s in samples if is_known(s.size)), key=_longest_first)
    buckets = estimate_buckets((s.size for s in known), num_buckets, sub_buckets)
    placed: dict[tuple[int, int], list[Sample]] = defaultdict(list)
    for sample in known:
        placed[buckets.index(sample.size)].append(sample)
    ordered = (
        (sample, bucket)
        for at in sorted(placed, reverse=True)
        for bucket in [buckets.bucket(*at)]
        for sample in placed[at]
    )
    filled = sorted(_fill(ordered, limit), key=lambda pair: pair[0])
    return [batch for _, batch in filled] + alone


def _longest_first(sample: Sample) -> tuple[float, float, str]:
    return -sample.size.input, -sample.size.output, sample.id


def _fill(
    ordered: Iterable[tuple[Sample, Bucket]], limit: BatchLimit
) -> Iterator[tuple[tuple[float, float, str], Batch]]:
    """Cut an ordered list where the next sample would break the limit or be stretched too far.

    Gives each batch with its place in the order of batches: the longest first.
    """
    members: list[Sample] = []
    shortest, padded, most, first = math.inf, Size(0.0), 1, UNKNOWN
    for sample, bucket in ordered:
        size = sample.size
        before = padded
        if size.input > padded.input or size.output > padded.output:
            padded = Size(max(padded.input, size.input), max(padded.output, size.output))
            most = limit.most(padded)
        shortest = min(shortest, size.input)
        if members and (len(members) >= most or padded.input > MAX_STRETCH * shortest):
            yield (-before.input, -before.output, members[0].id), Batch(tuple(members), first)
            members, shortest, padded, most = [], size.input, size, limit.most(size)
        if not members:
            first = bucket
        members.append(sample)
    if members:
        yield (-padded.input, -padded.output, members[0].id), Batch(tuple(members), first)
