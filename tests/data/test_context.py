from emollm.data.context import with_context
from emollm.data.utterance import Utterance, UtteranceTable


def turn(dialogue: str, number: int, speaker: str, text: str | None, label: str | None = "sad") -> Utterance:
    return Utterance(
        id=f"{dialogue}_{number}",
        corpus="c",
        dialogue=dialogue,
        turn=number,
        speaker=speaker,
        transcript=text,
        label=label,
    )


TABLE = UtteranceTable(
    [
        turn("d1", 3, "Ross", "four"),
        turn("d1", 0, "Joey", "one"),
        turn("d1", 1, "Ross", "two", label=None),
        turn("d1", 2, "Rachel", None),
        turn("d2", 0, "Ross", "other"),
        Utterance(id="alone", transcript="no dialogue"),
    ]
)


def context_of(table: UtteranceTable, name: str) -> tuple[str, ...] | None:
    return next(row.context for row in table if row.id == name)


def test_earlier_turns_come_in_order_with_the_speaker_as_a():
    table = with_context(TABLE, 5)
    # An unlabelled turn counts; one without words has nothing to show.
    assert context_of(table, "d1_3") == ("B: one", "A: two")
    assert context_of(table, "d1_1") == ("B: one",)


def test_only_the_last_turns_are_shown_and_never_a_later_one():
    table = with_context(TABLE, 1)
    assert context_of(table, "d1_3") == ("A: two",)
    assert context_of(table, "d1_0") == ()


def test_dialogues_do_not_mix_and_the_order_of_rows_stays():
    table = with_context(TABLE, 5)
    assert context_of(table, "d2_0") == ()
    assert context_of(table, "alone") is None
    assert [row.id for row in table] == [row.id for row in TABLE]


def test_no_turns_asked_for_leaves_the_table_as_it_is():
    assert with_context(TABLE, 0) is TABLE
