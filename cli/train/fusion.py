"""Train the weights of voting over several systems' hypotheses.

    podium train fusion asr_nbest/librispeech_test_clean_7systems.jsonl.gz -o weights.json
    podium run gensec.correction --split ... --model "fusion:weights.json"

Train on other utterances than those you measure on.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..output import note, print_json


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("lists", type=Path, metavar="NBEST")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--penalty", type=float, default=1.0, help="L2, on each weight")


def main(args: Namespace) -> int:
    """Train and write the weights."""
    from ...bench.nbest import nbest_of, read_nbest
    from ...systems.correction.fusion import train

    lists = [(nbest_of(row), row["output"]) for row in read_nbest(args.lists)]
    weights = train(lists, args.penalty)
    weights.save(args.out)
    if args.json:
        print_json(weights)
    else:
        note(f"{args.out}: {dict(zip(weights.systems, weights.word, strict=True))}")
    return 0
