"""Word error rate (and CER) of a file of transcripts against a file of references.

Files are plain text, one utterance a line, or JSON lines with `id` and `text`. Text files pair by
line, JSON lines by id; files that do not pair are refused.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ...bench.pairs import read_pairs
from ..output import print_json, print_scores


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--ref", type=Path, required=True, metavar="FILE")
    parser.add_argument("--hyp", type=Path, required=True, metavar="FILE")
    parser.add_argument("--normalizer", default="whisper-en", metavar="whisper-en|basic|none")
    parser.add_argument("--rule", default="plain", metavar="plain|merge-compounds")


def main(args: Namespace) -> int:
    """Print the scores."""
    from ...bench.metrics.wer import CharacterErrorRate, WordErrorRate
    from ...bench.scores import score_texts

    metrics = (WordErrorRate(args.normalizer, args.rule), CharacterErrorRate(args.normalizer))
    document = score_texts(read_pairs(args.ref, args.hyp), metrics)
    if args.json:
        print_json(document)
        return 0
    print_scores(document["scores"])
    print(document["signature"])
    return 0
