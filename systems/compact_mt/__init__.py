"""A translation model small enough to be trained here: for policies that force target prefixes."""
