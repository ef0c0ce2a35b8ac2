"""Training: a pass without stored features, the first pass with them, later ones, beside a plain loop of theirs.

python benchmarks/train.py [--clips 64] [--seconds 3] [--batch 16] [--output train.json]

Rows of the default recipe: its warm-up, in which a linear head answers, its main stage, in which the LLM does, and
all its passes but the first one, each stage as often as the recipe asks for it. What can be repeated is measured
three times, of which the median counts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peers
import torch
from common import WORDS, clips, forget_peak, options, peak_gb, seconds_of, shipped, show
from peft import LoraConfig, get_peft_model

from emollm.data import audio
from emollm.data.batch import Batch, Collate, UtteranceDataset
from emollm.data.encode import fill
from emollm.data.features import FeatureStore
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.models.precision import dtype_of


def main() -> None:
    """Measure and print."""
    asked = options(__doc__, clips=64, seconds=3.0, batch=16)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows: list[dict[str, Any]] = []

    def timed(name: str, work: Callable[[], None], repeats: int = 3) -> None:
        forget_peak()
        rate = asked.clips / seconds_of(work, repeats, warm=False)
        rows.append({"pass": name, "clips/s": rate, "peak GB": peak_gb()})

    module = shipped(device)
    labels = {label: index for index, label in enumerate(module.labels)}
    optimizer = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad])
    with tempfile.TemporaryDirectory() as scratch:
        # Batches of about one length, as training forms them: with stored features and without.
        files = sorted(clips(Path(scratch), asked.clips, asked.seconds), key=lambda file: file.stat().st_size)
        table = UtteranceTable(
            Utterance(id=file.name, path=file, transcript=WORDS, label=module.labels[n % len(labels)])
            for n, file in enumerate(files)
        )

        def head(batch: Batch) -> torch.Tensor:
            return torch.nn.functional.cross_entropy(module._head_logits(batch), batch.targets)

        def one_pass(loss_of: Callable, store: FeatureStore | None) -> None:
            dataset, collate = UtteranceDataset(table, store=store), Collate(labels)
            module.train()
            for start in range(0, len(table), asked.batch):
                rest = range(start, min(start + asked.batch, len(table)))
                loss = loss_of(collate(dataset.__getitems__(list(rest))).to(device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

        for stage, loss_of in (("warm-up", head), ("LLM", module.loss)):
            store = FeatureStore(Path(scratch) / stage, module.feature_settings())

            def first_pass(loss_of: Callable = loss_of, store: FeatureStore = store) -> None:
                fill(store, module.audio_backbone, UtteranceDataset(table), device, 0, asked.batch)
                one_pass(loss_of, store)

            one_pass(loss_of, None)  # warm
            timed(f"{stage}, without stored features", lambda f=loss_of: one_pass(f, None))
            timed(f"{stage}, first pass, storing them", first_pass, repeats=1)
            timed(f"{stage}, later passes", lambda f=loss_of, s=store: one_pass(f, s))
        timed("peers' way, plain loop", _peers(files, asked.batch, device), repeats=1)
    warm = sum(stage.epochs for stage in module.stages if stage.answer == "head")
    passes = {"warm-up": warm - 1, "LLM": sum(stage.epochs for stage in module.stages) - warm}
    rows += [_together(rows, passes, "without stored features"), _together(rows, passes, "later passes")]
    show(f"train: {asked.clips} clips of about {asked.seconds:g} s, the default recipe", rows, asked.output)


def _together(rows: list[dict[str, Any]], passes: dict[str, int], how: str) -> dict[str, Any]:
    """The mean rate over the passes of several stages."""
    rates = {row["pass"]: row["clips/s"] for row in rows}
    seconds = sum(number / rates[f"{stage}, {how}"] for stage, number in passes.items())
    return {"pass": f"recipe after its first pass, {how}", "clips/s": sum(passes.values()) / seconds}


def _peers(files: list[Path], batch: int, device: torch.device) -> Callable[[], None]:
    mel, dtype = peers.extractor(), dtype_of("auto", device, "theirs")
    lora = LoraConfig(r=8, lora_alpha=16, target_modules=r".*language_model.*\.(q_proj|v_proj)")
    model = get_peft_model(peers.model(dtype, device), lora)
    for name, parameter in model.named_parameters():
        if "multi_modal_projector" in name:
            parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])

    def work() -> None:
        for start in range(0, len(files), batch):
            waves = [audio.load(file) for file in files[start : start + batch]]
            made = {k: v.to(device) for k, v in peers.inputs(waves, mel, dtype).items()}
            ids = made["input_ids"]
            answer = torch.arange(ids.shape[1], device=device) >= ids.shape[1] - 3
            loss = model(**made, labels=ids.masked_fill(~answer, -100)).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return work


if __name__ == "__main__":
    main()
