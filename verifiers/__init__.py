"""Verifiers: ways to score candidate programs without the tests that will judge them.

A verifier is an adapter with the capability `Verifies`, registered under `podium.verifiers`; it is
used wherever a model is: `podium run code_verification --model examples`.
"""
