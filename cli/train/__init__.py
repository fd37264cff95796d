"""Train a reference system, small, to a file that its adapter loads."""

COMMANDS = {
    "corrector": "a byte-level encoder-decoder that corrects N-best lists",
    "fusion": "weights for voting over the hypotheses of several systems",
    "mt": "a compact encoder-decoder for translation, on a parallel file",
    "ngram": "an n-gram language model from text, for rescoring and speaker tagging",
}
