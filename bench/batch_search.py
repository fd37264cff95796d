"""The largest batch that fits each bucket: the search, what fits on this machine, the budgets.

The search is that of NeMo's OOMptimizer (arXiv 2409.13523; `oomptimizer.py`), on inference.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .adapter import Adapter, Failure, method_of, request_type
from .batching import BatchLimit, Bucket, estimate_buckets
from .task import Outcome, Size
from .timing import fence

START = 32
RELATIVE_GAP = 0.05
CEILING = 4096
MEMORY_FRACTION = 0.9
TOLERANCE = 0.05
"""A larger batch may be this much slower a unit of input, on a CPU, before it counts as too large;
the median of three probes of one batch size moves by about this much on a shared machine."""
PROBES = 3
AUTO_BUCKETS = 6
"""Coarse on purpose: a bucket's budget is that of its longest sample, and each costs probes."""

OUT_OF_MEMORY_TYPES = ("MemoryError", "OutOfMemoryError")
OUT_OF_MEMORY_TEXTS = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUDA failed with error out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "cuFFT error: CUFFT_INTERNAL_ERROR",
    "CUFFT_ALLOC_FAILED",
    "std::bad_alloc",
)


def is_out_of_memory(exception: BaseException) -> bool:
    """Whether memory ran out; torch's own exception is known by name, so torch is not imported.

    cuFFT reports a plan it cannot allocate as an internal error, hence its place in the list.
    """
    if any(c.__name__ in OUT_OF_MEMORY_TYPES for c in type(exception).__mro__):
        return True
    text = str(exception)
    if any(t in text for t in OUT_OF_MEMORY_TEXTS):
        return True
    return exception.__cause__ is not None and is_out_of_memory(exception.__cause__)


def search_largest(
    fits: Callable[[int], bool],
    start: int = START,
    relative: float = RELATIVE_GAP,
    ceiling: int = CEILING,
) -> int:
    """The largest n up to `ceiling` for which `fits(n)`, to within `relative`; 0 if 1 does not fit.

    Halves or doubles until bracketed, then bisects until the gap is at most `relative` of the
    smallest that failed, or 1.
    """
    largest_ok: int | None = None
    smallest_bad: int | None = None
    current = max(1, min(start, ceiling))
    while True:
        if fits(current):
            largest_ok = current
        else:
            smallest_bad = current
        if smallest_bad is None:
            if current == ceiling:
                return current
            current = min(current * 2, ceiling)
        elif largest_ok is None:
            if current == 1:
                return 0
            current = max(1, round(current / 2))
        else:
            gap = smallest_bad - largest_ok
            if gap <= 1 or gap / smallest_bad <= relative:
                return largest_ok
            current = round((largest_ok + smallest_bad) / 2)


@dataclass(frozen=True, slots=True)
class Budget:
    """What the search found for a bucket: batches of `samples`, and what kept them from growing.

    `stopped_by` is `memory`, `throughput`, `time` (the search had no more), `ceiling`, `error`
    (the model refuses an input of this size) or `unbatched`; `message` gives the error.
    """

    bucket: Bucket
    samples: int
    stopped_by: str
    message: str | None = None


def auto_limit(
    adapter: Adapter,
    capability: type,
    sizes: Iterable[Size],
    seconds: float = 20.0,
) -> tuple[BatchLimit, tuple[Budget, ...]]:
    """What `--batch auto` stands for with this adapter on this machine, and how it was found."""
    if not adapter.batched:
        return BatchLimit(samples=1), ()
    # One sub-bucket: a synthetic input of a given length costs the same whatever it is answered.
    buckets = estimate_buckets(sizes, AUTO_BUCKETS, sub_buckets=1)
    budgets = auto_budgets(adapter, capability, tuple(buckets), seconds=seconds)
    if not budgets:
        return BatchLimit(samples=1), ()
    return BatchLimit(auto=True).measured({b.bucket: b.samples for b in budgets}), budgets


def auto_budgets(
    adapter: Adapter,
    capability: type,
    buckets: Sequence[Bucket],
    *,
    seconds: float = 20.0,
    memory_fraction: float = MEMORY_FRACTION,
    ceiling: int = CEILING,
) -> tuple[Budget, ...]:
    """The largest batch for each bucket, found on synthetic inputs of the bucket's upper bound.

    Longest bucket first. The search ends after about `seconds`; what is left then keeps the answer
    of the next longer bucket, which fits it too. Never less than 1: nothing is dropped.
    """
    known = [(b, b.edge) for b in buckets if b.edge is not None]
    known.sort(key=lambda pair: (pair[1].input, pair[1].output), reverse=True)
    if not adapter.batched:
        return tuple(Budget(bucket, 1, "unbatched") for bucket, _ in known)
    found: list[Budget] = []
    start = time.perf_counter()
    with _memory_capped(memory_fraction) as on_gpu:
        speed = _Speed()
        probes = [
            _Probe(adapter, capability, edge, speed, memory_fraction, not on_gpu)
            for _, edge in known
        ]
        _climb(probes, until=start + seconds / 2)
        for i, ((bucket, _), probe) in enumerate(zip(known, probes, strict=True)):
            now = time.perf_counter()
            probe.until = now + max(0.0, start + seconds - now) / (len(probes) - i)
            longer = found[-1].samples if found else 1
            first = 1 if not on_gpu else 2 * longer if found else START
            n = search_largest(probe.fits, start=first, ceiling=ceiling)
            found.append(Budget(bucket, max(n, longer), probe.stopped_by, probe.message))
    return tuple(found)


def _climb(probes: Sequence[_Probe], until: float) -> None:
    """One sample of each size, shortest first: warms up, and tells what longer ones will take.

    Without it a recording of hours, which no one can interrupt, would be the first thing probed.
    """
    for probe in reversed(probes):
        probe.until = until
        if not probe.fits(1):
            break


@dataclass
class _Speed:
    """Input units a second, the best of all probes: to foretell what the next would take."""

    best: float = 0.0


@dataclass
class _Probe:
    """Whether a batch of n synthetic inputs of one size fits, by running it."""

    adapter: Adapter
    capability: type
    size: Size
    speed: _Speed
    memory_fraction: float
    on_cpu: bool
    until: float = 0.0
    stopped_by: str = "ceiling"
    message: str | None = None
    _throughput: dict[int, float] = field(default_factory=dict)
    _bytes: dict[int, int] = field(default_factory=dict)

    def fits(self, n: int) -> bool:
        """Run a batch of n, on a CPU several times; what was once found is not tried again."""
        if n in self._throughput:
            return not self.on_cpu or self._worth_it(n)
        if not self._affordable(n):
            return False
        request = request_type(self.capability).synthetic(self.size)
        batch = [request.prepare(self.adapter.sampling_rate)] * n
        taken: list[float] = []
        try:
            with _peak_growth() as growth:
                for _ in range(PROBES if self.on_cpu else 1):
                    taken.append(self._seconds(batch))
                    if time.perf_counter() + taken[-1] > self.until:
                        break
        except Exception as error:
            self.stopped_by = "memory" if is_out_of_memory(error) else "error"
            self.message = f"{type(error).__name__}: {error}"
            return False
        self._bytes[n] = growth()
        self._throughput[n] = n * self.size.input / max(1e-9, statistics.median(taken))
        self.speed.best = max(self.speed.best, self._throughput[n])
        return not self.on_cpu or self._worth_it(n)

    def _affordable(self, n: int) -> bool:
        """Whether time and, on a CPU, memory allow a probe: a CPU is not asked for what kills."""
        now = time.perf_counter()
        foretold = n * self.size.input / self.speed.best if self.speed.best else 0.0
        if now >= self.until or now + foretold > self.until:
            self.stopped_by = "time"
            return False
        if self.on_cpu and self._bytes:
            import psutil

            m, used = max(self._bytes.items())
            if used * n / m > self.memory_fraction * psutil.virtual_memory().available:
                self.stopped_by = "memory"
                return False
        return True

    def _worth_it(self, n: int) -> bool:
        smaller = [v for m, v in self._throughput.items() if m < n]
        if smaller and self._throughput[n] < (1 - TOLERANCE) * max(smaller):
            self.stopped_by = "throughput"
            return False
        return True

    def _seconds(self, batch: list[Any]) -> float:
        fence()
        start = time.perf_counter()
        answers = getattr(self.adapter, method_of(self.capability))(batch)
        fence()
        taken = time.perf_counter() - start
        for answer in answers:
            if isinstance(answer, Failure) and answer.outcome is Outcome.OUT_OF_MEMORY:
                raise MemoryError(answer.message)
        return taken


@contextmanager
def _memory_capped(fraction: float) -> Iterator[bool]:
    """Hold torch to a fraction of each GPU, so that what exceeds it fails; False if it uses none.

    The cache is not emptied between probes: a run's memory is fragmented too.
    """
    torch = sys.modules.get("torch")
    devices = range(torch.cuda.device_count()) if torch is not None else ()
    if torch is None or not any(torch.cuda.memory_allocated(device) for device in devices):
        yield False
        return
    for device in devices:
        torch.cuda.set_per_process_memory_fraction(fraction, device)
    try:
        yield True
    finally:
        torch.cuda.empty_cache()
        for device in devices:
            torch.cuda.set_per_process_memory_fraction(1.0, device)


@contextmanager
def _peak_growth() -> Iterator[Callable[[], int]]:
    """How many bytes the process tree grew at most in a block, sampled every 50 ms."""
    from .utilisation import Sampler

    sampler = Sampler(interval=0.05, gpu=False)
    with sampler:
        yield lambda: max(0, sampler.peak_rss - sampler.first_rss)
