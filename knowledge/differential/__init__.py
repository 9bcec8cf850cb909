"""The differential: which conditions the findings speak for, with room for 'something else'."""

from knowledge.differential.parameters import Parameters, age_band
from knowledge.differential.scorer import OTHER, DifferentialScorer, Posterior

__all__ = ["OTHER", "DifferentialScorer", "Parameters", "Posterior", "age_band"]
