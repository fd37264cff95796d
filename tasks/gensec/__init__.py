"""GenSEC: what a language model can do with the text a frozen recogniser gives (Yang et al.)."""
