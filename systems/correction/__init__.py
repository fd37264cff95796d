"""Correctors: from a list of hypotheses to one text, without a model, with one, and trained."""
