"""Open ASR: word error rate and speed of speech recognisers."""
