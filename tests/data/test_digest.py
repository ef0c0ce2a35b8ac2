"""A digest of what a table says."""

from dataclasses import replace
from pathlib import Path

from emollm.data.digest import digest
from emollm.data.utterance import Utterance, UtteranceTable

ROWS = [Utterance(id=f"{n}", path=Path(f"a/{n}.wav"), label="sad", speaker="1") for n in range(3)]


def test_a_corpus_may_be_moved_and_another_recording_is_other_data(tmp_path):
    tables = {}
    for folder, sound in (("here", b"one" * 9999), ("there", b"one" * 9999), ("noisy", b"two" * 9999)):
        path = tmp_path / folder / "0.wav"
        path.parent.mkdir()
        path.write_bytes(sound)
        tables[folder] = UtteranceTable([replace(ROWS[0], path=path)])
    assert digest(tables["here"]) == digest(tables["there"])
    assert digest(tables["here"]) != digest(tables["noisy"])


def test_it_changes_with_what_is_said_and_not_with_the_place():
    mine = digest(UtteranceTable(ROWS))
    assert mine == digest(UtteranceTable([replace(row, path=Path("b") / row.path.name) for row in ROWS]))
    others = [ROWS[:2], ROWS[::-1], [replace(ROWS[0], label="happy"), *ROWS[1:]], [replace(ROWS[0], speaker="2")]]
    assert len({mine, *(digest(UtteranceTable(rows)) for rows in others)}) == 5
