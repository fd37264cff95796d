"""Score files that any program wrote: no model, no task."""

COMMANDS = {
    "latency": "AL, LAAL, DAL, AP, ATD of a simultaneous system's log",
    "ranking": "Top-1, Bottom-1, rank correlations, MAE, R² of scored candidates",
    "scaling": "a test-based verifier over the number of its tests, from finished runs",
    "cpwer": "cpWER, tcpWER and word diarisation error of SegLST files",
    "wer": "word error rate of transcripts, with CER beside it",
}
