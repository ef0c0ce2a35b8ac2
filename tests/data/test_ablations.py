from dataclasses import replace
from pathlib import Path

import pytest

from emollm.data.ablations import ABLATIONS, applicable
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError

TABLE = UtteranceTable(
    Utterance(
        id=str(i),
        corpus="c",
        path=Path(f"{i}.wav"),
        start=float(i),
        transcript=f"words {i}",
        context=("B: hello",),
        speaker=f"s{i % 4}",
        label="sad",
    )
    for i in range(40)
)


def test_who_speaks_most_is_given_the_few_others():
    """Of a hundred clips two are another speaker's: fifty draws by chance miss them now and then."""
    rows = UtteranceTable(
        Utterance(id=f"{n}", corpus="c", speaker="b" if n < 2 else "a", path=Path(f"{n}.wav")) for n in range(100)
    )
    same, unknown = ABLATIONS["shuffled_audio"].remarks(rows, 0)
    assert (same["n"], unknown["n"], same["of"]) == (0, 0, 100)


def test_an_unnamed_speaker_may_be_anybody_of_his_corpus():
    """He is given to nobody whose speaker is named, where there are others; and where not, that is said."""
    rows = UtteranceTable(
        Utterance(id=f"{n}", corpus="c", speaker=None if n % 2 else f"s{n % 4}", path=Path(f"{n}.wav"))
        for n in range(40)
    )
    speaker_of = {row.path: row.speaker for row in rows}
    for before, after in zip(rows, ABLATIONS["shuffled_audio"].change(rows, 0), strict=True):
        if before.speaker is not None:
            assert speaker_of[after.path] not in (None, before.speaker)
    same, unknown = ABLATIONS["shuffled_audio"].remarks(rows, 0)
    assert (same["n"], unknown["n"], unknown["of"]) == (0, 20, 40)


def test_which_ablations_mean_something_follows_from_the_inputs():
    assert [a.name for a in applicable(["audio"])] == ["shuffled_audio"]
    assert [a.name for a in applicable(["transcript"])] == ["shuffled_transcript", "asr_transcript"]
    assert len(applicable(["audio", "transcript"])) == 5
    assert "no_context" in [a.name for a in applicable(["context", "transcript"])]


@pytest.mark.parametrize("name", ABLATIONS)
def test_who_speaks_and_what_is_right_never_changes(name: str):
    changed = ABLATIONS[name].change(TABLE, 0)
    assert [(row.key, row.label, row.speaker) for row in changed] == [(r.key, r.label, r.speaker) for r in TABLE]


def test_shuffled_audio_is_a_whole_clip_of_another_speaker():
    speaker_of = {row.path: row.speaker for row in TABLE}
    for before, after in zip(TABLE, ABLATIONS["shuffled_audio"].change(TABLE, 0), strict=True):
        assert speaker_of[after.path] != before.speaker
        assert after.path == Path(f"{after.start:.0f}.wav")
        assert after.transcript == before.transcript


def test_shuffled_transcripts_are_of_another_speaker_and_the_sound_stays():
    speaker_of = {row.transcript: row.speaker for row in TABLE}
    for before, after in zip(TABLE, ABLATIONS["shuffled_transcript"].change(TABLE, 0), strict=True):
        assert speaker_of[after.transcript] != before.speaker
        assert after.path == before.path


def test_the_exchange_depends_on_the_seed_alone():
    shuffle = ABLATIONS["shuffled_audio"].change
    assert list(shuffle(TABLE, 0)) == list(shuffle(TABLE, 0))
    assert list(shuffle(TABLE, 0)) != list(shuffle(TABLE, 1))
    half = UtteranceTable(row for row in TABLE if row.speaker in ("s0", "s1"))
    assert len({row.path for row in shuffle(half, 0)}) > 5


def test_turns_before_that_keep_the_reference_are_told():
    (told,) = ABLATIONS["asr_transcript"].remarks(
        TABLE.map(lambda row: replace(row, context=("A: no",))), 0, ["context"]
    )
    assert (told["n"], told["of"]) == (40, 40)
    assert "keep the reference's words" in told["text"]
    (told,) = ABLATIONS["asr_transcript"].remarks(
        TABLE.map(lambda row: replace(row, context=("A: no",))), 0, ["audio"]
    )
    assert told["n"] == 0, "what no prompt shows"


def test_one_speaker_alone_gets_another_clip_of_his_own():
    alone = UtteranceTable(row for row in TABLE if row.speaker == "s1")
    changed = ABLATIONS["shuffled_audio"].change(alone, 0)
    assert all(a.path != b.path for a, b in zip(alone, changed, strict=True))


def test_what_an_exchange_falls_short_of_is_told():
    def told(name, table):
        return [(one["text"], one["n"], one["of"]) for one in ABLATIONS[name].remarks(table, 0) if one["n"]]

    assert told("shuffled_audio", TABLE) == told("shuffled_transcript", TABLE) == told("audio", TABLE) == []
    alone = UtteranceTable(row for row in TABLE if row.speaker == "s1")
    ((text, *numbers),) = told("shuffled_audio", alone)
    assert text.startswith("For {n} of {of} it is another clip of the same speaker")
    assert numbers == [10, 10]
    ((text, *numbers),) = told("shuffled_audio", TABLE.map(lambda row: replace(row, speaker=None)))
    assert text.startswith("For {n} of {of} it is not known")
    assert numbers == [40, 40]
    two = TABLE.map(lambda row: replace(row, transcript=f"words {int(row.id) // 20}"))
    given = ABLATIONS["shuffled_transcript"].change(two, 0)
    alike = sum(a.transcript == b.transcript for a, b in zip(two, given, strict=True))
    assert 0 < alike < 40
    assert told("shuffled_transcript", two) == [("For {n} of {of} the other's words are the same.", alike, 40)]


@pytest.mark.parametrize("name", ["shuffled_audio", "shuffled_transcript"])
def test_one_utterance_has_nothing_to_be_exchanged_with(name):
    with pytest.raises(UserError, match="no second utterance"):
        ABLATIONS[name].change(UtteranceTable([next(iter(TABLE))]), 0)


def test_rows_without_sound_or_words_stay_as_they_are():
    table = UtteranceTable([Utterance(id="a"), Utterance(id="b")])
    for ablation in ABLATIONS.values():
        assert list(ablation.change(table, 0)) == list(table)
