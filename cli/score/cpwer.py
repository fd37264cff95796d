"""cpWER of a SegLST file against another: word errors under the best matching of speakers.

Also tcpWER, where the reference has times, and the word diarisation error. Sessions pair by their
ids; a reference session that is not among the hypotheses counts with every word deleted.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..output import print_json, print_scores


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--ref", type=Path, required=True, metavar="FILE")
    parser.add_argument("--hyp", type=Path, required=True, metavar="FILE")
    parser.add_argument("--normalizer", default="none", metavar="none|whisper-en|basic")
    parser.add_argument("--collar", type=float, default=5.0, metavar="SECONDS", help="for tcpWER")


def main(args: Namespace) -> int:
    """Print the scores."""
    from ...bench.metrics.cpwer import speaker_metrics
    from ...bench.scores import score_sessions
    from ...bench.seglst import read_pairs

    metrics = speaker_metrics(args.normalizer, args.collar)
    document = score_sessions(read_pairs(args.ref, args.hyp), metrics)
    if args.json:
        print_json(document)
        return 0
    print_scores(document["scores"])
    print(document["signature"])
    return 0
