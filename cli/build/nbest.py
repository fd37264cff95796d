"""Make N-best lists of audio with any recogniser, for `podium run gensec.correction --data DIR`.

    podium build nbest --audio an4_train/manifest.jsonl --model pocketsphinx -n 5 -o lists/an4
        --held-out 0.3

Writes lists/an4.jsonl; or, with --held-out, lists/an4_train.jsonl and lists/an4_test.jsonl with
that share of the speakers, whole, in the second. Audio that fails gets an empty list that says why.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path
from typing import Any

from ...bench.errors import UsageError
from ..output import note, print_json, progress_bar


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--audio", type=Path, required=True, metavar="MANIFEST")
    parser.add_argument("--model", required=True, metavar="SPEC", help="gives n-best lists")
    parser.add_argument("-n", type=int, default=5, metavar="N", help="hypotheses a list")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="NAME")
    parser.add_argument("--held-out", type=float, default=0.0, metavar="SHARE", help="of speakers")
    parser.add_argument("--normalizer", default="none", help="of both sides, as in whisper-en")
    parser.add_argument("--batch", type=int, default=8, metavar="N")


def main(args: Namespace) -> int:
    """Decode, write, and say what was written."""
    from ...bench.adapter import Transcribes, method_of
    from ...bench.local import local_rows
    from ...bench.nbest_lists import held_out, make_lists, normalized, write_lists
    from ...bench.spec import build, parse

    spec = parse(args.model)
    adapter: Any = build(
        "adapter", type(spec)(spec.name, spec.argument, {**spec.options, "nbest": args.n})
    )
    if not hasattr(adapter, method_of(Transcribes)):
        raise UsageError(f"build nbest: {args.model} does not transcribe")
    rows = list(local_rows(args.audio, require=("audio", "text")))
    lists = []
    try:
        with progress_bar(f"nbest {args.model}") as progress:
            for row in make_lists(rows, adapter, args.n, args.batch):
                lists.append(normalized(row, args.normalizer))
                progress(len(lists), len(rows), Counter(error=sum("error" in r for r in lists)))
    finally:
        adapter.close()
    name = args.out.name.removesuffix(".jsonl")
    parts = {name: lists}
    if args.held_out:
        train, test = held_out(lists, args.held_out)
        parts = {f"{name}_train": train, f"{name}_test": test}
    written = {}
    for part, chosen in parts.items():
        path = args.out.with_name(f"{part}.jsonl")
        write_lists(path, chosen)
        written[str(path)] = len(chosen)
        note(f"{path}: {len(chosen)} lists")
    failed = [r["id"] for r in lists if "error" in r]
    if args.json:
        print_json({"files": written, "failed": failed})
    return int(bool(failed))
