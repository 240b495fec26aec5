"""States seen only now and then: Markov chains in continuous time."""

from toolkit.survival.markov.chain import MarkovChain
from toolkit.survival.markov.model import markov

__all__ = ["MarkovChain", "markov"]
