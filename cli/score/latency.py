"""Latency of a simultaneous translation system, from its log in SimulEval's format.

The log is JSON lines with `delays`, `source_length`, `reference`, `prediction`, and for
compute-aware scores `elapsed`: in words for text, in milliseconds for speech. An empty prediction
has the delay of its whole source; sentences cut short are listed. With --segments (JSON lines with
`index`, `text`, `start`, `duration`) each line of the log is a whole recording: StreamLAAL.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ...bench.errors import UsageError
from ...bench.local import objects
from ..output import interval, print_json, print_table


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--log", type=Path, required=True, metavar="FILE", help="instances.log")
    parser.add_argument("--unit", default="word", choices=["word", "char"], help="of the target")
    parser.add_argument("--source", default="auto", choices=["auto", "text", "speech"])
    parser.add_argument("--segments", type=Path, metavar="FILE", help="long-form: StreamLAAL")


@dataclass(frozen=True, slots=True)
class Instance:
    """One line of the log."""

    index: str
    prediction: str
    reference: str
    delays: list[float]
    elapsed: list[float]
    source_length: float
    speech: bool


def main(args: Namespace) -> int:
    """Print the scores."""
    from ...bench.metrics.latency import CutShort, latency_metrics

    log = read_log(args.log)
    speech = args.source == "speech" or (args.source == "auto" and log[0].speech)
    aware = any(any(i.elapsed) for i in log)
    extents, timelines, names = _pairs(log, args, aware)
    token = (300.0, 0.0) if speech else (1.0, 1.0)
    unit = "ms" if speech else ("words" if args.unit == "word" else "characters")
    metrics = list(latency_metrics(unit, aware, *token))
    if args.segments:
        metrics = [m for m in metrics if "atd" not in m.name]  # chunks span sentences
    document = _document(metrics, extents, timelines)
    document["cut_short"] = [
        name
        for name, e, t in zip(names, extents, timelines, strict=True)
        if CutShort().row(e, t)[0]
    ]
    if args.segments:
        document["scores"] = _streamed(document["scores"])
    if not aware:
        document["notes"] = ["no elapsed times in the log: compute-aware scores are left out"]
    if args.json:
        print_json(document)
        return 0
    rows = [[name, interval(score)] for name, score in document["scores"].items()]
    print_table(["score", "value [95 % interval]"], rows)
    outcomes, cut = document["outcomes"], document["cut_short"]
    print(f"{outcomes['ok']} ok, {outcomes['empty']} empty, {len(cut)} cut short {cut[:10]}")
    print(document["signature"])
    return 0


def read_log(path: Path) -> list[Instance]:
    """The instances of a log. Raises UsageError naming file and line."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    log = [_instance(row, f"{path}:{number}") for number, row in objects(path)]
    if not log:
        raise UsageError(f"{path}: no instances in it")
    return log


def _instance(row: dict[str, Any], where: str) -> Instance:
    source = row.get("source")
    if "delays" not in row:
        raise UsageError(f'{where}: no "delays"')
    length = row.get("source_length")
    if length is None:
        if not isinstance(source, str):
            raise UsageError(f'{where}: no "source_length"')
        length = len(source.split())
    delays, elapsed = (_times(row.get(k) or [], f'{where}: "{k}"') for k in ("delays", "elapsed"))
    if elapsed and len(elapsed) != len(delays):
        raise UsageError(f"{where}: {len(delays)} delays but {len(elapsed)} elapsed times")
    return Instance(
        str(row.get("index", where)),
        str(row.get("prediction") or ""),
        str(row.get("reference") or ""),
        delays,
        elapsed,
        _times([length], f'{where}: "source_length"')[0],
        not isinstance(source, str) and source is not None,
    )


def _times(values: Any, where: str) -> list[float]:
    try:
        times = [float(v) for v in values]
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where} holds {values!r}, not numbers") from error
    if not all(0 <= t < float("inf") for t in times):
        raise UsageError(f"{where} holds a time that is negative or not finite")
    return times


def _pairs(log: list[Instance], args: Namespace, aware: bool) -> tuple[list, list, list[str]]:
    from ...bench.metrics.latency import Extent, Timeline, reference_length
    from ...bench.metrics.stream_laal import Segment, sentences

    characters = args.unit == "char"
    if not args.segments:
        extents = [Extent(i.source_length, reference_length(i.reference, characters)) for i in log]
        timelines = [Timeline(i.delays, i.elapsed if aware else ()) for i in log]
        return extents, timelines, [i.index for i in log]
    parts: dict[str, list[Segment]] = {}
    for number, row in objects(args.segments):
        try:
            part = Segment(str(row["text"]), float(row["start"]), float(row["duration"]))
            parts.setdefault(str(row["index"]), []).append(part)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"{args.segments}:{number}: needs index, text, start, duration ({error})"
            ) from error
    extents, timelines, names = [], [], []
    for i in log:
        if i.index not in parts:
            raise UsageError(f'{args.segments}: no segments of "{i.index}"')
        units = _units(i.prediction, characters)
        if len(units) != len(i.delays):
            raise UsageError(f'"{i.index}": {len(units)} units but {len(i.delays)} delays')
        references = [_units(p.text, characters) for p in parts[i.index]]
        e, t = sentences(units, Timeline(i.delays, i.elapsed), parts[i.index], references)
        extents += e
        timelines += t
        names += [f"{i.index}.{k}" for k in range(len(e))]
    return extents, timelines, names


def _units(text: str, characters: bool) -> list[str]:
    return list("".join(text.split())) if characters else text.split()


def _streamed(scores: dict[str, Any]) -> dict[str, Any]:
    """Long-form names: LAAL over the cut sentences is StreamLAAL, and so on."""
    plain = ("length_ratio", "cut_short")
    return {name if name in plain else f"stream_{name}": s for name, s in scores.items()}


def _document(metrics: list, extents: list, timelines: list) -> dict[str, Any]:
    from importlib.metadata import version

    from ...bench.plain import to_json
    from ...bench.scores import describe
    from ...bench.statistics import estimates

    rows = {m.name: m.rows(extents, timelines) for m in metrics}
    found = estimates(metrics, rows)
    empty = sum(not t.delays for t in timelines)
    content = blake2b(to_json([extents, timelines]).encode(), digest_size=6).hexdigest()
    fields = {"unit": metrics[0].unit, "empty": "whole-source", "n": len(extents), "log": content}
    fields["podium"] = version("podium")
    return {
        "scores": {m.name: describe(m, found[m.name], rows[m.name]) for m in metrics},
        "outcomes": {"ok": len(timelines) - empty, "empty": empty},
        "signature": "|".join(["latency", *(f"{k}:{v}" for k, v in fields.items())]),
    }
