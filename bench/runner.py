"""Plan, run, record: one task, one adapter, one split, into one run folder."""

from __future__ import annotations

import heapq
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

from . import environment, signature
from .adapter import Failure, batch_method, method_of, request_type, response_type
from .batch_search import Budget, auto_limit, is_out_of_memory
from .batching import Batch, BatchLimit, Padding, plan
from .errors import UsageError
from .plain import to_json, to_plain
from .profile import Profile, others_share
from .scores import Table
from .signature import ContentHash
from .store import Run, RunFolder, load_run, target_digest
from .task import BadInput, Outcome, Request, Sample, Size, Split, Task
from .timing import stopwatch
from .utilisation import Sampler

Progress = Callable[[int, "int | None", Counter[str]], None]
"""Called after each batch with: samples done, samples in all (None: not known), outcomes."""

WARM_UP = 5.0
"""Most input (seconds, tokens) of the warm-up where nothing is padded to a length."""
BUSY = 0.1
"""Above this share of the processors taken by others, a run notes that its speeds are suspect."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run. All of it goes into the signature."""

    batch: BatchLimit = BatchLimit(auto=True)
    repeats: int = 1
    limit: int | None = None
    seed: int = 0
    device: str = "auto"
    latency: bool = False
    """Single-stream: one sample at a time, each one's own time kept."""

    def plain(self) -> dict[str, Any]:
        """For the signature."""
        return {
            "batch": "1" if self.latency else str(self.batch),
            "repeats": self.repeats,
            "limit": self.limit,
            "seed": self.seed,
            "device": self.device,
            "mode": "single-stream" if self.latency else "throughput",
        }


def run(
    task: Task,
    adapter: Any,
    split: Split,
    folder: Path,
    *,
    settings: Settings = Settings(),
    fresh: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Run a task on a split and leave a finished run in `folder`; go on where one was killed.

    Raises UsageError if the adapter cannot do what the task needs, if the folder holds another
    run, or if it cannot be written to.
    """
    long = plan_signature(task, adapter, split, settings)
    with RunFolder(folder, long, fresh) as store:
        if store.complete:
            return load_run(folder)
        session = _Session(task, adapter, split, store, settings, progress)
        started = time.time()
        with Sampler() as sampler:
            session.run_all()
        document, profile = session.conclude(long, started, sampler)
        store.finish(document, profile)
    return load_run(folder)


def plan_signature(task: Task, adapter: Any, split: Split, settings: Settings) -> dict[str, Any]:
    """The long signature before the run. Raises UsageError on a model that cannot do the task."""
    spec = signature.spec_of(adapter)
    if not isinstance(adapter, task.needs):
        raise UsageError(
            f"{task.name} needs a model that can {method_of(task.needs)}; {spec} cannot"
        )
    model = {"spec": spec, "identity": dict(adapter.identity())}
    return signature.describe(task, split, model, settings.plain())


def folder_name(task: Task, adapter: Any, split: Split, settings: Settings) -> str:
    """A name that the same run gets again, and no other run: it ends in the signature's hash."""
    long = plan_signature(task, adapter, split, settings)
    digest = blake2b(to_json(long).encode(), digest_size=4).hexdigest()
    text = f"{task.name}-{split.name}-{signature.spec_of(adapter)}"
    return re.sub(r"[^\w.-]+", "-", text)[:80].strip("-") + f"-{digest}"


class _Session:
    """One process's share of a run: from where the folder stands to the end."""

    def __init__(
        self,
        task: Task,
        adapter: Any,
        split: Split,
        store: RunFolder,
        settings: Settings,
        progress: Progress | None,
    ) -> None:
        self.task, self.adapter, self.split, self.store = task, adapter, split, store
        self.settings = settings
        self.progress = progress or (lambda done, total, outcomes: None)
        self.limit = BatchLimit(samples=1) if settings.latency else settings.batch
        self.content = ContentHash()
        self.outcomes: Counter[str] = Counter(r["outcome"] for r in store.records())
        self.notes: list[str] = []
        self.warm = False
        self.budgets: Sequence[Budget] = ()
        self.call = Caller(adapter, task.needs)
        if store.done:
            self.notes.append(f"resumed: {len(store.done)} samples were there")
        if store.repaired:
            self.notes.append(f"repaired: {store.repaired} bytes of a damaged end removed")

    def run_all(self) -> None:
        """Answer every sample that the folder does not have yet, window by window."""
        for window in self._windows():
            self._measure_batches(window)
            queue = plan(window, self.limit)
            while queue:
                batch, queue = queue[0], queue[1:]
                self._warm_up(batch)
                records, ran_out = self._answer(batch)
                self.store.append(records)
                self.outcomes.update(r["outcome"] for r in records)
                self.progress(self.outcomes.total(), self._total(), self.outcomes)
                if ran_out:
                    self.limit = self.limit.halved(batch)
                    queue = plan([s for b in queue for s in b.samples], self.limit)

    def conclude(
        self, long: dict[str, Any], started: float, sampler: Sampler
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Score what was recorded: `run.json` and `profile.json`."""
        found = {"n": self.content.n, "content": self.content.hexdigest()}
        long = long | {"data": long["data"] | found}
        table, profile, failures = Table(self.task.metrics), Profile(), []
        for record in self.store.records():
            table.add(record)
            if "timing" in record:
                profile.add(record["timing"])
            if not Outcome(record["outcome"]).answered:
                failures.append({k: record[k] for k in ("id", "outcome", "message")})
        unit = request_type(self.task.needs).unit
        summary = profile.summary(unit, self.settings.latency, sampler)
        summary["batches"]["auto"] = to_plain(self.budgets) or None
        others = others_share(summary["utilisation"], os.cpu_count() or 1)
        if others is not None and others > BUSY:
            self.notes.append(
                f"other work used {others:.0%} of the processors: speeds are of a busy machine"
            )
        short = signature.short(long, self.task.metrics[0].name)
        resume = self.store.document["signature"]["resume"]
        document = {
            "task": self.task.name,
            "split": self.split.name,
            "model": long["model"]["spec"],
            "signature": {"short": short, "long": long, "resume": resume},
            "outcomes": {o.value: self.outcomes[o.value] for o in Outcome},
            **table.scores(),
            "failures": failures,
            "profile": summary,
            "environment": environment.describe(),
            "notes": self.notes,
            "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        return document, summary | {"timeline": sampler.timeline()}

    def _windows(self) -> Iterator[list[Sample]]:
        samples = self._missing()
        while window := list(islice(samples, self.split.buffer)):
            yield window

    def _missing(self) -> Iterator[Sample]:
        """The samples of this run that have no record, each checked and counted on the way."""
        seen: set[str] = set()
        for sample in selected(self.task.samples(self.split), self.settings):
            if sample.id in seen:
                raise UsageError(f'{self.split.name}: the id "{sample.id}" is there twice')
            seen.add(sample.id)
            self.content.add(sample)
            recorded = self.store.done.get(sample.id)
            if recorded is None:
                yield sample
            elif recorded != target_digest(sample.target):
                raise UsageError(
                    f'{self.store.path}: the reference of "{sample.id}" has changed since this run '
                    "began; --fresh starts it again"
                )
        if lost := self.store.done.keys() - seen:
            raise UsageError(
                f'{self.store.path}: "{min(lost)}" and {len(lost) - 1} more samples of this run '
                "are no longer in the data; --fresh starts it again"
            )

    def _total(self) -> int | None:
        if self.split.total is None or self.settings.limit is None:
            return self.split.total
        return min(self.split.total, self.settings.limit)

    def _measure_batches(self, window: Sequence[Sample]) -> None:
        """`--batch auto`: search for the largest batch that fits, once, on synthetic inputs."""
        if self.limit.auto:
            sizes = [s.size for s in window]
            self.limit, self.budgets = auto_limit(self.adapter, self.task.needs, sizes)
            self.warm = bool(self.budgets)

    def _warm_up(self, batch: Batch) -> None:
        """One call on inputs that belong to no test set, before the first that is timed."""
        if self.warm:
            return
        self.warm = True
        longest = batch.bucket.edge or Size()
        count = len(batch.samples) if self.adapter.batched else 1
        if not self.adapter.batched:
            longest = replace(longest, input=min(longest.input, WARM_UP))
        request = batch.samples[0].request.stand_in(longest)
        request = request.prepare(self.adapter.sampling_rate)
        answers = self.call([request] * count).answers
        for answer in answers:
            if isinstance(answer, Failure):
                self.notes.append(f"warm-up failed: {answer.message}")
                break

    def _answer(self, batch: Batch) -> tuple[list[dict[str, Any]], bool]:
        """Run one batch, `repeats` times on the clock, and make its records."""
        passes: list[_Pass] = [self._pass(batch.samples) for _ in range(self.settings.repeats)]
        first = passes[0]
        index = self.store.batches
        records = [
            self._record(sample, answer, index)
            for sample, answer in zip(batch.samples, first.answers, strict=True)
        ]
        differing = sum(
            a != b
            for later in passes[1:]
            for a, b in zip(first.answers, later.answers, strict=True)
        )
        records[-1]["timing"] = {
            "samples": first.reached,
            "padding": to_plain(first.padding),
            "passes": [p.seconds for p in passes],
            "retries": sum(p.retries for p in passes),
            "out_of_memory": sum(p.ran_out for p in passes),
            "differing": differing,
        }
        return records, any(p.ran_out for p in passes)

    def _pass(self, samples: Sequence[Sample]) -> _Pass:
        answers: list[Any] = []
        ready: list[Request] = []
        sizes: list[Size] = []
        with stopwatch() as watch:
            with watch.stage("decode"):
                for sample in samples:
                    answers.append(answer := _prepare(sample, self.adapter.sampling_rate))
                    if not isinstance(answer, Failure):
                        ready.append(answer)
                        sizes.append(answer.size(sample.size))
            called = _Called([], 0, 0)
            if ready:
                with watch.stage("model"):
                    called = self.call(ready)
        given = iter(called.answers)
        answers = [a if isinstance(a, Failure) else next(given) for a in answers]
        # What a model takes one at a time is not padded, whatever shares its batch.
        together = [sizes] if self.adapter.batched else [[s] for s in sizes]
        padding = sum(map(Padding.of, together), Padding())
        return _Pass(answers, watch.seconds, len(ready), padding, called.retries, called.ran_out)

    def _record(self, sample: Sample, answer: Any, batch: int) -> dict[str, Any]:
        record: dict[str, Any] = {"id": sample.id, "batch": batch}
        if isinstance(answer, Failure):
            record |= {"outcome": answer.outcome, "message": answer.message, "response": None}
            rows = self.task.worst(sample)
        else:
            outcome = Outcome.EMPTY if answer.empty else Outcome.OK
            record |= {"outcome": outcome, "response": answer}
            rows = self.task.score(sample, answer)
        return record | {"target": sample.target, "by": sample.by, "statistics": rows}


@dataclass(frozen=True, slots=True)
class _Pass:
    answers: list[Any]
    seconds: Mapping[str, float | None]
    reached: int
    padding: Padding
    retries: int
    ran_out: int


@dataclass(frozen=True, slots=True)
class _Called:
    answers: list[Any]
    retries: int
    ran_out: int


class Caller:
    """Calls one capability of an adapter so that one bad sample costs one sample.

    Out of memory: the batch is halved, down to one. Any other error in a batch: its samples are
    tried one by one. What still fails becomes a Failure in its place.
    """

    def __init__(self, adapter: Any, capability: type) -> None:
        self._method = batch_method(adapter, capability)
        self._response = response_type(capability)

    def __call__(self, requests: Sequence[Request]) -> _Called:
        try:
            return _Called(self._checked(requests), 0, 0)
        except UsageError:
            raise
        except Exception as error:  # an adapter may raise anything; each becomes an outcome
            ran_out = is_out_of_memory(error)
            if len(requests) == 1:
                outcome = Outcome.OUT_OF_MEMORY if ran_out else Outcome.ERROR
                return _Called([Failure(outcome, _one_line(error))], 0, int(ran_out))
        step = (len(requests) + 1) // 2 if ran_out else 1
        parts = [self(requests[i : i + step]) for i in range(0, len(requests), step)]
        return _Called(
            [a for p in parts for a in p.answers],
            1 + sum(p.retries for p in parts),
            int(ran_out) + sum(p.ran_out for p in parts),
        )

    def _checked(self, requests: Sequence[Request]) -> list[Any]:
        answers = list(self._method(requests))
        if len(answers) != len(requests):
            raise RuntimeError(f"the adapter gave {len(answers)} answers to {len(requests)} inputs")
        for answer in answers:
            if not isinstance(answer, (self._response, Failure)):
                raise RuntimeError(
                    f"the adapter gave {type(answer).__name__}, not {self._response.__name__}"
                )
        return answers


def selected(samples: Iterator[Sample], settings: Settings) -> Iterator[Sample]:
    """All samples; or, with a limit, a random subset that the seed and the ids alone decide."""
    if settings.limit is None:
        return iter(samples)
    chosen = heapq.nsmallest(
        settings.limit, enumerate(samples), key=lambda pair: _draw(pair[1].id, settings.seed)
    )
    return (sample for _, sample in sorted(chosen, key=lambda pair: pair[0]))


def _draw(name: str, seed: int) -> bytes:
    return blake2b(f"{seed}:{name}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _prepare(sample: Sample, sampling_rate: int | None) -> Request | Failure:
    try:
        return sample.request.prepare(sampling_rate)
    except BadInput as error:
        return Failure(Outcome.ERROR, str(error))
    except MemoryError as error:
        return Failure(Outcome.OUT_OF_MEMORY, _one_line(error))


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:500] if text else type(error).__name__
