"""Predictions as a model gives them: float32 probabilities, several corpora, some answers unread, some broken."""

from pathlib import Path

import numpy as np
import torch

from emollm.data.utterance import Utterance
from emollm.prediction import Prediction

LABELS = ["angry", "happy", "neutral", "sad"]


def made(n=300, corpora=("emodb", "ravdess"), speakers=6, unread=0.05, sharp=1.0, seed=0):
    """Predictions of n utterances; the larger ``sharp``, the surer the model is, rightly or wrongly."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, len(LABELS), n)
    scores = torch.tensor(rng.normal(size=(n, len(LABELS))) + 1.2 * np.eye(len(LABELS))[targets])
    chances = (sharp * scores.float()).softmax(-1)
    rows = []
    for index in range(n):
        corpus = corpora[index % len(corpora)]
        utterance = Utterance(
            id=f"{index:04d}",
            path=Path(f"{corpus}/{index:04d}.wav"),
            transcript="null",
            label=LABELS[targets[index]],
            speaker=f"{rng.integers(speakers):02d}" if speakers else None,
            corpus=corpus,
            language="de",
        )
        answer = None if rng.random() < unread else LABELS[int(chances[index].argmax())]
        error = "the answer could not be read" if answer is None else None
        values = dict(zip(LABELS, chances[index].tolist(), strict=True))
        rows.append(Prediction(utterance, answer, values, utterance.transcript, 1.23456789, "tiny", error))
    return rows


def broken(name="gone", corpus="emodb"):
    utterance = Utterance(id=name, path=Path(f"{corpus}/{name}.wav"), label="sad", corpus=corpus, speaker="00")
    return Prediction(utterance, None, {}, None, None, "tiny", "no sound in the file")
