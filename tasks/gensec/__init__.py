"""GenSEC: what a language model can do with a frozen recogniser's text (Yang et al. 2024)."""
