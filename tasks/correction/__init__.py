"""Correction of print, grammar and translated speech: the rest of NeKo's tasks."""
