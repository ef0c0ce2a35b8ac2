"""How a table is split into training, validation and test; every class is deterministic on any machine."""

from emollm.data.protocols.base import Protocol, Split
from emollm.data.protocols.columns import ColumnSplit, FoldColumn
from emollm.data.protocols.cross_corpus import CrossCorpus, LeaveOneCorpusOut
from emollm.data.protocols.drawn import GroupedKFold, RandomSplit, SpeakerSplit
from emollm.data.protocols.leave_out import LeaveOneSessionOut, LeaveOneSpeakerOut
from emollm.data.protocols.parts import part_of
from emollm.data.protocols.speakers import carve_validation

__all__ = [
    "ColumnSplit",
    "CrossCorpus",
    "FoldColumn",
    "GroupedKFold",
    "LeaveOneCorpusOut",
    "LeaveOneSessionOut",
    "LeaveOneSpeakerOut",
    "Protocol",
    "RandomSplit",
    "SpeakerSplit",
    "Split",
    "carve_validation",
    "part_of",
]
