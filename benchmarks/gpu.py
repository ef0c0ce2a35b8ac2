"""The full-size recipe's shapes with random weights: WavLM-Large, QPMapper, Llama-3.2-3B, in bfloat16 on a GPU.

python benchmarks/gpu.py [--clips 64] [--seconds 4] [--batch 16] [--tflops 989] [--size full] [--encoder bfloat16]
    [--output gpu.json]

``--tflops`` is the dense bfloat16 peak of the GPU by its data sheet (H100 SXM: 989): the share of it is printed.
``--encoder`` is the precision of WavLM's frozen weights; the recipe has bfloat16.
``--size tiny`` tries the same on a CPU in seconds; its numbers mean nothing.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import torch
from common import WORDS, clips, options, peak_gb, seconds_of, show
from transformers import LlamaConfig, LlamaForCausalLM, WavLMConfig, WavLMModel

from emollm import factory
from emollm.data import audio
from emollm.data.batch import Batch, Collate, Item
from emollm.data.utterance import Utterance
from emollm.models.sources import resolve
from emollm.modules.base import EmotionModule

WAVLM = {
    "full": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "feat_extract_norm": "layer",
        "do_stable_layer_norm": True,
        "conv_bias": True,
    },
    "tiny": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
}
LLAMA = {
    "full": {
        "hidden_size": 3072,
        "intermediate_size": 8192,
        "num_hidden_layers": 28,
        "num_attention_heads": 24,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 128_256,
    },
    "tiny": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "vocab_size": 49_152,
    },
}
LABELS = ["angry", "happy", "sad", "neutral"]


def main() -> None:
    """Measure and print."""
    precisions = ("bfloat16", "float32")
    sizes = {"clips": 64, "seconds": 4.0, "batch": 16, "tflops": 989.0, "repeats": 3}
    asked = options(__doc__, **sizes, size=("full", "tiny"), encoder=precisions)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as scratch:
        module = _module(Path(scratch), asked.size, asked.encoder, device).to(device)
        files = clips(Path(scratch) / "clips", asked.clips, asked.seconds)
        utterances = [
            Utterance(id=f.name, path=f, transcript=WORDS, label=LABELS[n % 4]) for n, f in enumerate(files)
        ]
        waves = [torch.from_numpy(audio.load(file)) for file in files]
    items = sorted(map(Item, utterances, waves), key=lambda item: len(item.waveform))
    index = {label: number for number, label in enumerate(LABELS)}
    batches = [Collate(index)(items[i : i + asked.batch]).to(device) for i in range(0, len(items), asked.batch)]
    rows = []

    def add(what: str, seconds: float, passes: int) -> None:
        work = passes * _operations(module, batches) / seconds / 1e12
        rows.append(
            {
                "what": what,
                "clips/s": asked.clips / seconds,
                "peak GB": peak_gb(),
                "TFLOP/s": work,
                "share of the peak": work / asked.tflops,
            }
        )

    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        module.eval()
        add("scores", seconds_of(lambda: [module.score(batch) for batch in batches], asked.repeats), 1)
    module.train()
    optimizer = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad])

    def one_pass() -> None:
        for batch in batches:
            with torch.autocast(device.type, torch.bfloat16):
                loss = module.loss(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    # Frozen weights cost no gradient of their own: forward, and the gradient of what flows through.
    add("training, nothing stored", seconds_of(one_pass, asked.repeats), 2)
    show(f"{asked.size} size: {asked.clips} clips of about {asked.seconds:g} s", rows, asked.output)


def _module(folder: Path, size: str, encoder: str, device: torch.device) -> EmotionModule:
    """Random weights in ordinary folders, read as anybody's would be."""
    with device:  # a GPU draws three billion numbers in no time
        WavLMModel(WavLMConfig(**WAVLM[size])).save_pretrained(folder / "wavlm")
        llm = LlamaForCausalLM(LlamaConfig(**LLAMA[size], tie_word_embeddings=True)).to(torch.bfloat16)
    llm.save_pretrained(folder / "llama")
    del llm
    for file in Path(resolve("packaged:smollm2-135m-instruct")).glob("*token*"):
        shutil.copy(file, folder / "llama")
    recipe = {
        "labels": LABELS,
        "backbone": {"source": str(folder / "wavlm"), "dtype": encoder},
        "interface": {"class_path": "emollm.models.interfaces.QPMapper"},
        "llm": {"source": str(folder / "llama"), "dtype": "bfloat16", "adapter": {"targets": "all-linear"}},
    }
    module = factory.build("emotion_llm", recipe)
    module.configure_model()
    return module


def _operations(module: EmotionModule, batches: list[Batch]) -> float:
    """Of one forward: two for each weight of the blocks and each position they are applied to."""
    backbone, llm = module.audio_backbone, module.model.llm.model
    encoder = sum(p.numel() for p in backbone.parameters())
    blocks = sum(p.numel() for n, p in llm.named_parameters() if "embed" not in n and "lm_head" not in n)
    positions = frames = 0
    for batch in batches:
        frames += int(batch.lengths.sum()) / 16_000 * backbone.frame_rate
        prompts = module.asking.prompts(module.template, batch)
        with torch.no_grad():
            speech, _ = module._speech(batch, module.template)
        positions += sum(len(p.before) + len(p.after) for p in prompts) + sum(len(s) for s in speech)
    return 2 * (encoder * frames + blocks * positions)


if __name__ == "__main__":
    main()
