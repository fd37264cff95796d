"""Train a compact translation model on a parallel file, in minutes on a CPU.

The parallel file is a pair of line files, or JSON lines whose fields are languages. What is written
is an ordinary checkpoint: use it as --model "wait-k(mt='hf-mt:FOLDER')".
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..output import note, print_json


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of the parallel file")
    parser.add_argument("--split", required=True, metavar="NAME", help="as in ntrex.en-pt")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--minutes", type=float, default=5.0, help="of training")
    parser.add_argument("--steps", type=int, metavar="N", help="at most")
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--layers", type=int, default=2, help="of encoder and of decoder")
    parser.add_argument("--vocabulary", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)


def main(args: Namespace) -> int:
    """Train, save, and say how it went."""
    from ...systems.compact_mt.train import Plan, train
    from ...tasks.simultaneous_mt.data import open_split

    pairs = [(r["source"], r["target"]) for r in open_split(args.split, args.data).rows()]
    plan = Plan(
        minutes=args.minutes,
        steps=args.steps,
        width=args.width,
        layers=args.layers,
        vocabulary=args.vocabulary,
        seed=args.seed,
    )
    result = train(pairs, args.out, plan, note) | {"pairs": len(pairs), "folder": str(args.out)}
    if args.json:
        print_json(result)
    else:
        print("  ".join(f"{k} {v}" for k, v in result.items()))
    return 0
