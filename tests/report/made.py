"""Contents of reports, measured by emollm's own functions on predictions that are drawn at random."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from emollm.data.utterance import Utterance
from emollm.evaluation import Calibration, over_folds, summarise, to_frame
from emollm.prediction import Prediction

SEVEN = ["angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"]
NASTY = '<script>alert("x")</script>&\'"'
RIGHT_TO_LEFT = "مرحبا, كيف حالك اليوم؟"
LONG_PATH = "/corpora/" + "a_very_long_folder_name/" * 12 + "x.wav"


def frame_of(
    labels, n=600, speakers=24, corpora=("ravdess",), skill=2.0, unread=0.0, sharp=1.6, seed=0, texts=None
):
    """Predictions as a table; the larger ``skill``, the more are right."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(len(labels), 8.0))
    targets = rng.choice(len(labels), n, p=weights)
    voices = rng.integers(speakers, size=n) if speakers else [None] * n
    ease = rng.normal(0, 0.6, max(speakers, 1))
    texts = texts or ["Kids are talking by the door.", "Dogs are sitting by the door.", None]
    rows = []
    for index, (target, voice) in enumerate(zip(targets, voices, strict=True)):
        lift = skill + (0 if voice is None else ease[voice])
        scores = rng.normal(size=len(labels)) + lift * np.eye(len(labels))[target]
        scores[(target + 1) % len(labels)] += 0.35 * skill
        chances = np.exp(sharp * scores) / np.exp(sharp * scores).sum()
        answer = None if rng.random() < unread else labels[int(chances.argmax())]
        corpus = corpora[index % len(corpora)]
        utterance = Utterance(
            id=f"{index:05d}",
            path=Path(f"{corpus}/audio/{index:05d}.wav"),
            transcript=texts[index % len(texts)],
            label=labels[target],
            speaker=None if voice is None else f"{voice + 1:02d}",
            corpus=corpus,
        )
        values = dict(zip(labels, chances.tolist(), strict=True))
        error = None if answer else "the answer could not be read"
        rows.append(Prediction(utterance, answer, values, utterance.transcript, 2.0, "emotion_llm", error))
    return to_frame(rows, labels)


def content_of(labels=tuple(SEVEN), folds=0, rows=True, calibration=True, lines=None, draws=100, **options):
    """What ``metrics.json`` holds; ``options`` are those of ``frame_of``."""
    labels = list(labels)
    frames = {str(k + 1): frame_of(labels, seed=k, **options) for k in range(max(folds, 1))}
    frame = pd.concat([one.assign(id=f"{k}/" + one["id"]) for k, one in frames.items()], ignore_index=True)
    summary = summarise(frame, labels, draws)
    made = [
        row_of("model", "emotion_llm", "audio and transcript", "", summary)
        | {"folds": over_folds(frames, labels) if folds else None}
    ]
    if rows:
        made += _others(labels, draws, options | {"n": len(frame)})
    return {
        "title": "Test of whisper_smollm2",
        "part": "test",
        "created": "2026-11-23 07:00",
        "command": "emollm test --config configs/whisper_smollm2.yaml --ckpt_path best.ckpt --ablations all",
        "model": "whisper_smollm2",
        "method": "emotion_llm",
        "labels": labels,
        "protocol": {
            "name": "EmoBox, actor folds",
            "folds": [str(k + 1) for k in range(folds)],
            "speaker_independent": True,
            "train": 1000,
            "validation": 120,
            "test": len(frame),
        },
        "rows": made,
        "summary": summary,
        "calibration": asdict(Calibration(1.37, 0.62, 120, "EmoBox, actor folds", 0.112, 0.041, 1.02, 0.91))
        if calibration
        else None,
        "audit": {
            "lines": lines
            or [
                "No speaker of test is in training.",
                "Every test sentence also occurs in training: a model that reads transcripts can exploit this.",
                "No recording of test is a copy of one in training, nor was the same sound found saved again.",
            ]
        },
        "matrix": None,
        "specification": {"backbone": {"name": "whisper-base", "layers": [3, 4, 5]}, "llm": {"name": "smollm2"}},
        "recipe": "seed_everything: 7\nmodel:\n  interface:\n    class_path: emollm.models.interfaces.MLP\n" * 6,
        "versions": {"emollm": "0.1.0", "python": "3.11.9", "torch": "2.11.0", "transformers": "5.23.0"},
        "machine": "2 cores, 16 GiB of memory, no accelerator",
    }


def row_of(kind, name, title, about, summary, why_not=None):
    """A row of the comparison."""
    result, intervals = (summary["result"], summary["intervals"]) if summary else (None, None)
    return {
        "kind": kind,
        "name": name,
        "title": title,
        "about": about,
        "why_not": why_not,
        "result": result,
        "intervals": intervals,
        "folds": None,
    }


def matrix_of(names):
    """A cross-corpus matrix without the last pair."""
    values = np.random.default_rng(0).uniform(0.2, 0.9, (len(names), len(names))).tolist()
    values[-1][0] = None
    return {"train": list(names), "test": list(names), "ua": values, "wa": values}


def _others(labels, draws, options):
    def measured(skill, seed):
        return summarise(frame_of(labels, **{**options, "skill": skill, "seed": seed}), labels, draws)

    why_not = "not every training utterance has a transcript"
    return [
        row_of("ablation", "audio", "audio only", "The prompt without the transcript.", measured(1.8, 50)),
        row_of("ablation", "transcript", "transcript only", "The prompt without audio.", measured(0.2, 51)),
        row_of(
            "ablation",
            "shuffled_audio",
            "shuffled audio",
            "This transcript with the recording of another speaker.",
            measured(0.1, 52),
        ),
        row_of(
            "baseline", "majority", "majority class", "The most frequent label of training.", measured(0.0, 53)
        ),
        row_of("baseline", "probe", "probe", "The same backbone and a linear head.", measured(1.6, 54)),
        row_of("baseline", "transcript_llm", "transcript-only LLM", "The LLM, never hearing.", None, why_not),
    ]
