"""From backbone frames to embeddings that an LLM reads, behind one contract."""

from emollm.models.interfaces.base import Interface
from emollm.models.interfaces.conv import ConvInterface
from emollm.models.interfaces.mlp import MLPInterface
from emollm.models.interfaces.qformer import QFormer
from emollm.models.interfaces.qpmapper import QPMapper
from emollm.models.interfaces.statistics import StatisticsInterface

__all__ = ["ConvInterface", "Interface", "MLPInterface", "QFormer", "QPMapper", "StatisticsInterface"]
