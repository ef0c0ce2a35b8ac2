"""Corpus readers, one file each: whatever a corpus looks like on disk, it becomes one table of utterances."""

from emollm.data.corpora.base import Corpus, FileNameCorpus
from emollm.data.corpora.emodb import Emodb
from emollm.data.corpora.folder import Folder
from emollm.data.corpora.ravdess import Ravdess
from emollm.data.corpora.table import Table

__all__ = ["Corpus", "Emodb", "FileNameCorpus", "Folder", "Ravdess", "Table"]
