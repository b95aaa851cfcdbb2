"""Embeddings of numbers: what each numeric column becomes in front of the first layer."""

from tenfold.rules.embeddings.linear_relu import LinearReLU
from tenfold.rules.embeddings.none import NoEmbedding
from tenfold.rules.embeddings.pbld import PBLD
from tenfold.rules.embeddings.pl import PL
from tenfold.rules.embeddings.ple import PLE
from tenfold.rules.embeddings.plr import PLR

EmbeddingLayer = PLE | PBLD | PL | PLR | LinearReLU
Embedding = NoEmbedding | EmbeddingLayer

__all__ = ["PBLD", "PL", "PLE", "PLR", "Embedding", "EmbeddingLayer", "LinearReLU", "NoEmbedding"]
