"""Options of a recipe that its others leave without effect."""

import pytest

from emollm import factory
from emollm.modules.idle import idle_options
from tests.small import run

WORDS = {"prompt": "transcript", "labels": "basic4"}
LAST = {"epochs": 1}
HEAD = {"epochs": 1, "answer": "head"}


@pytest.mark.parametrize(
    ("recipe", "named"),
    [
        ({**WORDS, "vote": {}}, ["model.vote"]),
        ({**WORDS, "speaker_range": {}}, ["model.speaker_range"]),
        ({"prompt": "joint", "vote": {}}, ["model.vote"]),
        ({"prompt": "audio", "transcript_dropout": 0.5}, ["model.transcript_dropout"]),
        ({"prompt": "audio", "label_smoothing": 0.1, "objective": "tokens"}, ["model.label_smoothing"]),
        ({"prompt": "joint", "label_smoothing": 0.1}, ["model.label_smoothing"]),
        ({"prompt": "audio", "vote": {}, "speaker_range": {}, "label_smoothing": 0.1}, []),
        ({"prompt": "prompt_first", "transcript_dropout": 0.5}, []),
        (
            {
                "prompt": "audio",
                "transcript_dropout": 0.5,
                "stages": [{"epochs": 1, "prompt": "audio_transcript"}, LAST],
            },
            [],
        ),
        (
            {"prompt": "audio", "label_smoothing": 0.1, "objective": "tokens", "stages": [HEAD, LAST]},
            [],
        ),
        ({"prompt": "audio", "label_smoothing": 0.1, "stages": [{"epochs": 1, "prompt": "asr"}, LAST]}, []),
    ],
)
def test_what_is_asked_for_in_vain(recipe, named):
    sentences = list(idle_options(factory.build("emotion_llm", recipe)))
    assert [sentence.split()[0] for sentence in sentences] == named


def test_a_fit_tells_of_it(small_run, tmp_path):
    with pytest.warns(
        UserWarning, match=r"model\.transcript_dropout has no effect: no prompt shows a transcript\."
    ):
        run(
            tmp_path,
            "fit",
            "--config",
            small_run.config,
            "--model.prompt",
            "audio",
            "--model.transcript_dropout",
            "0.5",
        )
