"""Make data sets from material at hand."""

COMMANDS = {
    "he-r": "a scoring-and-ranking set of candidate solutions, true scores by running",
    "nbest": "N-best lists of audio, from any recogniser",
    "ocr": "degraded page images of a text, read by Tesseract",
}
