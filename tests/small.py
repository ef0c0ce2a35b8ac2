"""Small modules and batches in memory, and a small run of the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from emollm import factory
from emollm.__main__ import main
from emollm.data.batch import Batch, Collate, Item
from emollm.data.utterance import Utterance
from emollm.modules.base import EmotionModule
from tests.fake_corpus import tone, write_ravdess

LABELS = ["angry", "happy", "sad"]
WORDS = ["kids are talking", "dogs are sitting by the door", "the door", "say the word"]


def recipe(backbone: Path, llm: Path, /, **changes: Any) -> dict[str, Any]:
    """The values of a small speech LLM."""
    values = {
        "labels": LABELS,
        "backbone": {"source": str(backbone), "layers": [1, 3]},
        "interface": {
            "class_path": "emollm.models.interfaces.MLPInterface",
            "init_args": {"hidden": 32, "dropout": 0.0},
        },
        "llm": {"source": str(llm), "adapter": {"rank": 4, "dropout": 0.0}},
        "shuffle_labels": False,
        "max_answer_tokens": 12,
    }
    return {**values, **changes}


def build(backbone: Path, llm: Path, /, **changes: Any) -> EmotionModule:
    """A small speech LLM, made the same way each time."""
    torch.manual_seed(0)
    module = factory.build("emotion_llm", recipe(backbone, llm, **changes))
    module.configure_model()
    return module


def make_batch(size: int = 3, transcript: bool = True) -> Batch:
    """Tones of several lengths, each label once in turn."""
    items = []
    for index in range(size):
        wave = torch.from_numpy(tone(200 * (index + 1), 0.3 + 0.1 * index, seed=index))
        words = WORDS[index % len(WORDS)] if transcript else None
        items.append(Item(Utterance(id=str(index), label=LABELS[index % 3], transcript=words, corpus="c"), wave))
    return Collate({name: index for index, name in enumerate(LABELS)})(items)


def train(module: EmotionModule, batch: Batch, steps: int, rate: float = 5e-3) -> list[float]:
    """Losses of some steps on one batch."""
    trained = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0.0)
    losses = []
    for _ in range(steps):
        loss = module.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def copy(module: EmotionModule) -> dict[str, Tensor]:
    """All weights as they are now."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


@dataclass
class SmallRun:
    """Where the files of a small run lie."""

    folder: Path
    config: Path
    checkpoint: Path


def fit_small(folder: Path, backbone: Path, llm: Path) -> SmallRun:
    """Write a recipe in float32 and a corpus of tones, and fit one epoch."""
    corpus = write_ravdess(folder / "ravdess", emotions=5)
    config = folder / "recipe.yaml"
    values = {
        "model": recipe(backbone, llm),
        "data": {
            "corpora": [{"class_path": "emollm.data.corpora.Ravdess", "init_args": {"root": str(corpus)}}],
            "protocol": {
                "class_path": "emollm.data.protocols.FoldColumn",
                "init_args": {"column": "emobox_fold"},
            },
            "other_labels": "drop",
            "batch_size": 2,
            "num_workers": 0,
            "cache": {"folder": str(folder / "features")},
        },
        "trainer": {
            "accelerator": "cpu",
            "enable_progress_bar": False,
            "max_epochs": 1,
            "num_sanity_val_steps": 0,
        },
    }
    config.write_text(yaml.safe_dump(values))
    run(folder, "fit", "--config", config)
    return SmallRun(folder, config, folder / "fit" / "version_0" / "checkpoints" / "best.ckpt")


def run(folder: Path, verb: str, *args: Any, code: int = 0) -> Path:
    """Run a verb that writes a log; returns the newest folder it wrote into."""
    assert main([verb, *map(str, args), "--trainer.logger.save_dir", str(folder)]) == code
    return max((folder / verb).glob("version_*"), key=lambda path: int(path.name.partition("_")[2]))
