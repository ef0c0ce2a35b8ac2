import pandas as pd
import yaml

import emollm
from emollm import weights
from emollm.__main__ import main
from emollm.data.context import with_context
from emollm.data.utterance import Utterance, UtteranceTable
from tests.small import LABELS, WORDS, recipe, run


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


def test_rows_of_a_dialogue_without_a_turn_are_told(recwarn):
    rows = [*TABLE, Utterance(id="lost", corpus="c", dialogue="d1", transcript="x")]
    assert context_of(with_context(UtteranceTable(rows), 5), "lost") is None
    assert "1 utterances are of a dialogue and have no turn (the first: c/lost)" in str(recwarn.list[0].message)


def test_no_turns_asked_for_leaves_the_table_as_it_is():
    assert with_context(TABLE, 0) is TABLE


def test_a_prompt_with_context_needs_dialogues(tiny_llama, tmp_path, capsys):
    """And with them it fits and tests, the turns before changing what the model says."""
    rows = ["split,label,transcript,speaker,dialogue,turn"]
    for part in ("train", "test"):
        rows += [f"{part},{LABELS[n % 3]},{WORDS[n % 4]} {n},s{n % 2},{part}{n // 3},{n % 3}" for n in range(6)]
    table = tmp_path / "table.csv"
    values = {
        "model": recipe("/nowhere", tiny_llama, prompt="transcript_context"),
        "data": {
            "corpora": [{"class_path": "emollm.data.corpora.Table", "init_args": {"file": str(table)}}],
            "protocol": {"class_path": "emollm.data.protocols.ColumnSplit", "init_args": {"validation": 0}},
            "num_workers": 0,
        },
        "trainer": {"accelerator": "cpu", "enable_progress_bar": False, "max_epochs": 1},
    }
    config = tmp_path / "recipe.yaml"
    config.write_text(yaml.safe_dump(values))
    table.write_text("\n".join(",".join(row.split(",")[:4]) for row in rows))
    assert main(["fit", "--config", str(config), "--trainer.logger.save_dir", str(tmp_path)]) == 2
    assert "dialogue and turn" in capsys.readouterr().err
    table.write_text("\n".join(rows))
    folder = run(tmp_path, "fit", "--config", config)
    last = folder / "checkpoints" / "last.ckpt"
    tested = run(tmp_path, "test", "--config", config, "--ckpt_path", last, "--ablations", "[no_context]")
    with_turns, without = (
        pd.read_csv(tested / name).set_index("id") for name in ("predictions.csv", "ablations/no_context.csv")
    )
    changed = (with_turns["p_angry"] - without["p_angry"]).abs() > 1e-6
    assert changed.sum() == 4, "the first turn of each of the two dialogues has nothing before it"

    # What was shown in training is shown in use, from Python as from the command line.
    short = run(tmp_path, "fit", "--config", config, "--data.context", "1") / "checkpoints" / "last.ckpt"
    assert weights.read(short).specification["context"] == 1
    ends = [["--trainer.accelerator", "cpu", "--data.num_workers", "0"], ["--data.context", "3"]]
    told = []
    for number, more in enumerate((ends[0], sum(ends, []))):
        output = tmp_path / f"said{number}"
        asked = [str(table), "--ckpt_path", str(short), "--output", str(output)]
        assert main(["predict", *asked, "--trainer.enable_progress_bar", "false", *more]) == 0
        told.append(pd.read_csv(output / "predictions.csv")["p_angry"])
    assert (told[0] - told[1]).abs().max() > 1e-3, "the flag beats what the checkpoint remembers"
    for given in (str(table), pd.read_csv(table)):
        mine = emollm.load(short, transcriber="none").predict(given)
        assert (mine["p_angry"] - told[0]).abs().max() < 1e-3
