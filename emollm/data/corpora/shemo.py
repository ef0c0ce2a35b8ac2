"""ShEMO: Persian radio plays in six emotions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from emollm.data.corpora.base import FileNameCorpus
from emollm.data.corpora.faults import Faults
from emollm.data.corpora.files import find_table, stem_of, tell_left_out
from emollm.data.corpora.json_files import read_json
from emollm.data.corpora.rows import keep_first, mend, tell_contradictions
from emollm.data.corpora.text import read_text
from emollm.data.folders import visible_files
from emollm.data.labels import canonical
from emollm.data.utterance import UtteranceTable
from emollm.errors import UserError

_LABELS = {"A": "angry", "F": "fear", "H": "happy", "N": "neutral", "S": "sad", "W": "surprise"}
_RENAMED = 162  # recordings, after their transcripts were written (issue 2 of the repository)


class Shemo(FileNameCorpus):
    """The Sharif Emotional Speech Database (Mohamad Nezami et al. 2019, doi:10.1007/s10579-018-9427-x).

    Free for academic use; github.com/mansourehk/ShEMO. 3000 recordings of 87 speakers (31 women, 56 men): 1059
    angry, 1028 neutral, 449 sad, 225 surprise, 201 happy and 38 fear, so few that the owners leave fear out of
    their own experiments. No official split.

    Read as ``female/F01A01.wav``: gender and number of the speaker, emotion, count. Transcripts are in
    ``shemo.json`` (a mapping, or a list, for the owners published both; else ``modified_shemo.json``, by
    others), else in ``.ort`` files of the same name as the recording, anywhere below the root; 162 recordings have
    none of these, and 162 no recording (issue 2 of the repository: files renamed after relabelling). The file's
    name tells the emotion; a list that tells another one is warned of.

    Args:
        root: the folder of the corpus; the files may lie at any depth, in any sound format.
    """

    name = "shemo"
    language = "fa"
    published = 3000
    pattern = re.compile(r"(?P<speaker>(?P<gender>[MF])\d\d)(?P<emotion>[A-Z]+)(?P<number>\d\d)", re.IGNORECASE)
    example = "F01A01.wav"

    def describe(self, match: re.Match[str]) -> dict[str, Any]:
        """Gender, speaker, emotion, count."""
        part = {name: value.upper() for name, value in match.groupdict().items()}
        return {
            "id": match[0].upper(),
            "label": _LABELS.get(part["emotion"], part["emotion"]),
            "speaker": part["speaker"],
            "gender": {"M": "male", "F": "female"}[part["gender"]],
        }

    def read(self) -> UtteranceTable:
        """Every recording once, sorted by name, with its transcript where there is one.

        Raises:
            UserError: when no file is named as the corpus names its files, or transcripts cannot be read.
        """
        faults = Faults()
        listed: dict[str, dict[str, Any]] = {}
        contradicted: list[str] = []
        folder = self.folder()
        with faults.gather():
            if file := find_table(folder, "shemo.json", "modified_shemo.json"):
                for name, facts in _listed(file, faults, contradicted):
                    if not keep_first(listed, name, facts):
                        contradicted.append(f"{file}, {name}")
        given = {name: facts.get("transcript") for name, facts in listed.items()}
        texts = {name: mend(text) for name, text in given.items() if isinstance(text, str)}
        for path in visible_files(folder):
            name = stem_of(path).upper()
            if path.suffix.lower() == ".ort" and name not in texts:
                with faults.gather():
                    texts[name] = mend(read_text(path, fallback="cp1256"))
        faults.check()
        tell_contradictions(contradicted, self.name)
        table = super().read()
        there = set(table.values("id"))
        tell_left_out(
            [name for name in texts if name not in there],
            f"{self.name}: recordings that transcripts below {folder} name are not there",
            f"restore them, or go on without: the owners have renamed {_RENAMED}",
        )
        mute = [row.id for row in table if not texts.get(row.id)] if texts else []
        # The whole corpus lacks as many as the owners have renamed, and nothing is amiss.
        tell_left_out(
            mute if len(mute) > _RENAMED or len(table) < self.published else [],
            f"{self.name}: recordings have no transcript below {folder}",
            f"restore them, or go on without: of the whole corpus {_RENAMED} have none",
        )
        said = {name: str(facts.get("emotion") or "") for name, facts in listed.items()}
        others = [row.id for row in table if canonical(said.get(row.id, "")) not in ("", row.label)]
        tell_left_out(
            [f"{name} {said[name]}" for name in others],
            f"{self.name}: the list below {folder} says another emotion than recordings' names, which count",
            "correct the list, or the name",
        )
        return table.map(lambda row: replace(row, transcript=texts.get(row.id) or None))


def _listed(file: Path, faults: Faults, contradicted: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name of the recording and what is said of it: ``{"F21N37": {…}}``, or a list of ``{"id": "F21N37", …}``.

    Names that an object has twice, with other content, are added to ``contradicted``.
    """
    content = read_json(file, contradicted, fallback="cp1256")
    if isinstance(content, list) and content:
        named = [facts for facts in content if isinstance(facts, dict) and facts.get("id")]
        if len(named) < len(content):
            faults.add(f"{file}: {len(content) - len(named)} of {len(content)} entries have no id.")
        entries = [(str(facts.pop("id")), facts) for facts in named]
    elif isinstance(content, dict):
        entries = list(content.items())
    else:
        raise UserError(f"{file} must map names of recordings to objects with a transcript.")
    for name, facts in entries:
        if isinstance(facts, dict):
            yield stem_of(Path(name)).upper(), facts
        else:
            faults.add(f"{file} must map names of recordings to objects with a transcript: '{name}' has none.")
