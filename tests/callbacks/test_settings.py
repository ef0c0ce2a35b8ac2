"""What tells rows of one model apart."""

from types import SimpleNamespace

import pytest

from emollm.callbacks.settings import differences, settings_of
from emollm.evaluation import Calibration
from emollm.models.prompts import load_template


def settings(
    prompt="audio_transcript", calibration=None, transcriber="none", context=3, labels=("angry", "sad"), share=0.5
):
    template = load_template(prompt)
    module = SimpleNamespace(
        labels=list(labels),
        calibration=calibration,
        template=template,
        inputs=template.inputs,
        has_vote=True,
        vote=SimpleNamespace(share=share),
    )
    return settings_of(module, SimpleNamespace(transcriber=transcriber, turns=context))


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "answer_sentence"},
        {"prompt": load_template("audio_transcript").to_dict() | {"missing_transcript": "?"}},
        {"transcriber": "packaged:whisper-base"},
        {"calibration": Calibration(1.5)},
        {"labels": ["sad", "angry"]},
        {"share": 0.25},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_changes_rows_is_a_difference(change):
    (said,) = differences(settings(**change), [settings()])
    assert said.startswith("another ")


def test_the_prompt_that_a_checkpoint_remembers_is_the_one_it_was_trained_with():
    remembered = load_template("audio_transcript").to_dict()
    assert settings(remembered | {"about": "said otherwise"}) == settings()


def test_who_reads_no_transcript_does_not_care_who_writes_them():
    deaf = SimpleNamespace(labels=["angry"], calibration=None, inputs=("audio",), has_vote=False)
    made = [settings_of(deaf, SimpleNamespace(transcriber=name, turns=3)) for name in ("none", "packaged:x")]
    assert made[0] == made[1]
    assert set(made[0]) == {"label set", "calibration", "share of the vote"}


def test_earlier_turns_count_where_the_prompt_shows_them():
    assert differences(settings("dialogue", context=2), [settings("dialogue", context=3)])
    assert not differences(settings(context=2), [settings(context=3)])
