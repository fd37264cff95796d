"""Score files that any program wrote: no model, no task."""

COMMANDS = {
    "latency": "AL, LAAL, DAL, AP, ATD of a simultaneous system's log",
    "wer": "word error rate of transcripts, with CER beside it",
}
