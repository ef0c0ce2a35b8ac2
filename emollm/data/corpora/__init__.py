"""Corpus readers, one file each: whatever a corpus looks like on disk, it becomes one table of utterances."""

from emollm.data.corpora.ased import Ased
from emollm.data.corpora.base import Corpus, FileNameCorpus
from emollm.data.corpora.cremad import CremaD
from emollm.data.corpora.emobox import EmoBox
from emollm.data.corpora.emodb import Emodb
from emollm.data.corpora.emovo import Emovo
from emollm.data.corpora.esd import Esd
from emollm.data.corpora.folder import Folder
from emollm.data.corpora.iemocap import Iemocap
from emollm.data.corpora.meld import Meld
from emollm.data.corpora.msp_podcast import MspPodcast
from emollm.data.corpora.nemo import Nemo
from emollm.data.corpora.ravdess import Ravdess
from emollm.data.corpora.savee import Savee
from emollm.data.corpora.shemo import Shemo
from emollm.data.corpora.table import Table
from emollm.data.corpora.tess import Tess
from emollm.data.corpora.urdu import Urdu

__all__ = [
    "Ased",
    "Corpus",
    "CremaD",
    "EmoBox",
    "Emodb",
    "Emovo",
    "Esd",
    "FileNameCorpus",
    "Folder",
    "Iemocap",
    "Meld",
    "MspPodcast",
    "Nemo",
    "Ravdess",
    "Savee",
    "Shemo",
    "Table",
    "Tess",
    "Urdu",
]
