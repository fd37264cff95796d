"""Scoring Verifiers: how well a verifier ranks and scores programs without their tests."""
