"""Training against concepts: a penalty on what a network makes of them, and CAVs that keep up with it."""

from ace3d_fast.training.penalty import ConceptPenalty, concept_penalty
from ace3d_fast.training.refit import CavRefit, ConceptExamples, lightning_callback

__all__ = ["CavRefit", "ConceptExamples", "ConceptPenalty", "concept_penalty", "lightning_callback"]
