"""Train the byte-level corrector on N-best lists with references.

    podium train corrector lists/an4_train.jsonl -o an4.pt
    podium run gensec.correction --data lists --split an4_test --model "byte-corrector:an4.pt"

A tenth of the speakers is held out to choose the epoch; never give it the test speakers.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..output import note, print_json


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("lists", type=Path, metavar="NBEST")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=14.0, help="stop then, at the latest")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="more spin and gain nothing here")


def main(args: Namespace) -> int:
    """Train, write the checkpoint, and say how it went."""
    import torch

    from ...bench.nbest import nbest_of, read_nbest
    from ...systems.correction.corrector import Example, Plan, train

    torch.set_num_threads(args.threads)
    examples = [
        Example(nbest_of(row), row["output"], str(row.get("speaker", "")))
        for row in read_nbest(args.lists)
    ]
    plan = Plan(epochs=args.epochs, minutes=args.minutes, seed=args.seed)
    model, notes = train(examples, plan, note)
    model.save(str(args.out), **notes)
    if args.json:
        print_json({"file": str(args.out), **notes})
    else:
        note(f"{args.out}: {notes}")
    return 0
