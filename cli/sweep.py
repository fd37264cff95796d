"""Run operating curves: each policy at every setting, then a table, a plot, and equal latency.

    podium sweep simultaneous_mt --policy taf --over tau=0.5..1.0 --over min_start=1,3,5

A range a..b has steps of 1 (whole numbers) or 0.1; a..b/s of s. --over KEY applies to the policies
that have such a setting, --over POLICY.KEY (hold-n.n=1..5) to one. Policies are specs; engines they
lack come from --lm and --mt. Finished points are not run again, and engines are asked each thing
once (their answers are kept in the cache folder, with the time each took).
"""

from __future__ import annotations

import inspect
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from ..bench.errors import UsageError
from ..bench.spec import Spec, parse
from ..bench.store import Run
from .output import interval, note, number, print_json, print_table, progress_bar


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("task", metavar="TASK")
    parser.add_argument("--policy", action="append", required=True, metavar="SPEC")
    parser.add_argument("--over", action="append", default=[], metavar="KEY=VALUES")
    parser.add_argument("--lm", default="gguf:smollm2", metavar="SPEC", help="what guesses")
    parser.add_argument("--mt", metavar="SPEC", help="what translates (default: bergamot:PAIR)")
    parser.add_argument("--no-remember", action="store_true", help="ask engines every time")
    parser.add_argument("--split", default="mini", metavar="NAME")
    parser.add_argument("--data", type=Path, metavar="DIR", help="local data (or PODIUM_DATA)")
    parser.add_argument("--limit", type=int, metavar="N", help="a seeded random subset of N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at", type=float, default=3.0, metavar="LAG", help="equal latency (AL)")
    parser.add_argument("--out", type=Path, default=Path("runs/sweep"), metavar="DIR")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="default: sweep.svg in --out")


@dataclass(frozen=True, slots=True)
class Setting:
    """One point to run: a policy with its settings, engines by spec."""

    spec: Spec
    swept: dict[str, Any]

    @property
    def policy(self) -> str:
        """The line of the plot that the point is on."""
        return self.spec.name


def main(args: Namespace) -> int:
    """Run every point, then print the curves."""
    if args.data is None and os.environ.get("PODIUM_DATA"):
        args.data = Path(os.environ["PODIUM_DATA"])
    settings = list(points(args))
    runs = list(_run_all(settings, args))
    equal = _equal_latency(settings, runs, args.at)
    plot = args.plot or args.out / "sweep.svg"
    _plot(settings, runs, plot, args.at)
    document = {
        "points": [
            {
                "policy": s.policy,
                "settings": s.swept,
                "folder": str(r.path),
                "scores": r["scores"],
                "outcomes": r["outcomes"],
                "signature": r["signature"]["short"],
            }
            for s, r in zip(settings, runs, strict=True)
        ],
        "at": {"al": args.at, "policies": equal},
        "plot": str(plot),
    }
    if args.json:
        print_json(document)
    else:
        _print(settings, runs, equal, args.at)
        print(plot)
    return int(any(run["failures"] for run in runs))


def points(args: Namespace) -> Iterator[Setting]:
    """Every policy at every combination of the settings that it has. Raises UsageError."""
    from ..bench.registry import load

    over = dict(values(text) for text in args.over)
    used: set[str] = set()
    for text in dict.fromkeys(args.policy):
        spec = parse(text)
        known = inspect.signature(load("adapter", spec.name)).parameters
        engines = {
            name: _engine(name, args)
            for name in ("lm", "mt")
            if name in known and name not in spec.options
        }
        keys = {k: k.removeprefix(f"{spec.name}.") for k in over}
        mine = {name: over[k] for k, name in keys.items() if name in known}
        used |= {k for k, name in keys.items() if name in known}
        for chosen in product(*mine.values()):
            swept = dict(zip(mine, chosen, strict=True))
            yield Setting(Spec(spec.name, None, {**engines, **spec.options, **swept}), swept)
    if unused := over.keys() - used:
        raise UsageError(f"sweep: no policy here has a setting {', '.join(sorted(unused))}")


def values(text: str) -> tuple[str, list[Any]]:
    """`tau=0.5..1.0` or `min_start=1,3,5` to a name and its values. Raises UsageError."""
    name, _, given = text.partition("=")
    try:
        if ".." not in given:
            found = [_number(v) for v in given.split(",")]
        else:
            ends, _, step = given.partition("/")
            low, high = (_number(v) for v in ends.split(".."))
            whole = isinstance(low, int) and isinstance(high, int)
            size = _number(step) if step else (1 if whole else 0.1)
            if size <= 0 or high < low:
                raise ValueError("nothing in this range")
            count = int((high - low) / size + 1e-9) + 1
            found = [round(low + k * size, 10) for k in range(count)]
    except ValueError as error:
        raise UsageError(f'sweep: --over "{text}": {error}; as in tau=0.5..1.0') from error
    return name, found


def _number(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _engine(name: str, args: Namespace) -> str:
    pair = "en-pt" if args.split == "mini" else args.split.rpartition(".")[2]
    spec = args.lm if name == "lm" else (args.mt or f"bergamot:{pair}")
    return spec if args.no_remember else f"remember(engine={spec!r})"


def _run_all(settings: list[Setting], args: Namespace) -> Iterator[Run]:
    """One run folder a point; engines are built once for all points."""
    from ..bench.batching import BatchLimit
    from ..bench.runner import Settings, folder_name, run
    from ..bench.spec import build

    context = {"seed": args.seed}
    engines: dict[str, Any] = {}
    try:
        for setting in settings:
            options = dict(setting.spec.options)
            for name in ("lm", "mt"):
                if isinstance(spec := options.get(name), str):
                    if spec not in engines:
                        note(f"loading {spec}")
                        engines[spec] = build("adapter", spec, **context)
                    options[name] = engines[spec]
            adapter = build("adapter", Spec(setting.spec.name, None, options), **context)
            adapter.spec = str(setting.spec)
            task = build("task", args.task)
            split = task.split(args.split, args.data)
            how = Settings(batch=BatchLimit(samples=1), limit=args.limit, seed=args.seed)
            folder = args.out / folder_name(task, adapter, split, how)
            with progress_bar(str(setting.spec)) as progress:
                yield run(task, adapter, split, folder, settings=how, progress=progress)
    finally:
        for engine in engines.values():
            engine.close()


def _equal_latency(settings: list[Setting], runs: list[Run], at: float) -> list[dict[str, Any]]:
    from ..bench.curves import Point, at_latency
    from ..bench.plain import to_plain
    from ..bench.scores import Table
    from ..bench.spec import rebuild

    metrics = {m.name: m for m in rebuild(runs[0]).metrics}
    quality, lag = metrics["bleu"], metrics["al"]
    found = []
    for setting, run in zip(settings, runs, strict=True):
        rows = Table.of(run.records(), [quality, lag]).rows()
        found.append(Point(setting.policy, setting.swept, rows["bleu"], rows["al"]))
    return to_plain(at_latency(found, quality, lag, at, _baseline(found, quality, lag, at)))


def _baseline(found: list[Any], quality: Any, lag: Any, at: float) -> str:
    """The policy that the others are held against: the best that does not anticipate."""
    from ..bench.curves import at_latency

    plain = [p for p in found if p.policy != "taf"] or found
    ranked = at_latency(plain, quality, lag, at, plain[0].policy, resamples=2)
    best = max(ranked, key=lambda r: (r.value == r.value, r.value))
    return best.policy


def _plot(settings: list[Setting], runs: list[Run], path: Path, at: float) -> None:
    from ..bench.curves import draw

    curves: dict[str, list[Any]] = {}
    for setting, run in zip(settings, runs, strict=True):
        curves.setdefault(setting.policy, []).append(run["scores"])
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(curves, path, at=at)


def _print(
    settings: list[Setting], runs: list[Run], equal: list[dict[str, Any]], at: float
) -> None:
    unit = runs[0]["scores"]["al"]["unit"].removesuffix("s")
    names = ["al", "laal", "dal", "al_ca", "length_ratio", f"calls_per_{unit}"]
    rows = []
    for setting, run in zip(settings, runs, strict=True):
        scores = run["scores"]
        rows.append(
            [
                setting.policy,
                " ".join(f"{k}={v:g}" for k, v in setting.swept.items()),
                interval(scores["bleu"]),
                *(number(scores[name]["value"]) for name in names),
            ]
        )
    print_table(["policy", "settings", "BLEU", *names], rows, f"n = {runs[0]['scores']['al']['n']}")
    print_table(
        ["policy", f"BLEU at AL {at:g}", "difference to the best without anticipation"],
        [[r["policy"], _spread(r, ""), _spread(r, "gain_")] for r in equal],
    )


def _spread(row: dict[str, Any], prefix: str) -> str:
    value = row[prefix.removesuffix("_") or "value"]
    low, high = row[prefix + "low"], row[prefix + "high"]
    return number(value) + ("" if low is None else f" [{low:.2f}, {high:.2f}]")
