"""Verifiers of generated code, one file each."""
