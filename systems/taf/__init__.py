"""Translation by Anticipating Future (Ouyang et al., NAACL 2025, arXiv 2410.22499)."""

from .policy import TAF

__all__ = ["TAF"]
