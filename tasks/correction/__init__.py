"""Correction of print, grammar and speech translation: the rest of NeKo's tasks (Lin et al.)."""
