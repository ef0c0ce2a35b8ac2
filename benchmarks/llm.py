"""What each saving on the LLM's side is worth, and what it does to the scores.

python benchmarks/llm.py [--clips 32] [--batch 8] [--output llm.json]

The default model on clips with a transcript; scores are held against float32 without any saving.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from common import WORDS, clips, options, seconds_of, shipped, show

from emollm.data import audio
from emollm.data.batch import Batch, Collate, Item
from emollm.data.utterance import Utterance
from emollm.modules.base import EmotionModule


def main() -> None:
    """Measure and print."""
    asked = options(__doc__, clips=32, seconds=3.0, batch=8, repeats=3)
    with tempfile.TemporaryDirectory() as scratch:
        files = clips(Path(scratch), asked.clips, asked.seconds)
        items = [
            Item(Utterance(id=f.name, path=f, transcript=WORDS), torch.from_numpy(audio.load(f))) for f in files
        ]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batches = [Collate({})(items[i : i + asked.batch]).to(device) for i in range(0, len(items), asked.batch)]
    rows, reference = [], None
    settings = [
        ("float32, one forward a label", "float32", False, "plain", False, False),
        ("float32, label tree", "float32", False, "tree", False, False),
        ("float32, beginning kept", "float32", False, "tree", True, False),
        ("float32, beginning kept, merged", "float32", False, "tree", True, True),
        ("float32, all, compiled", "float32", True, "tree", True, True),
        ("bfloat16, beginning kept", "bfloat16", False, "tree", True, False),
    ]
    for name, dtype, compiled, scoring, reuse, merged in settings:
        module = shipped(device, dtype=dtype, compile=compiled)
        module.model.reuse, module.model.scoring = reuse, scoring
        with torch.inference_mode():
            inputs = [_inputs(module, batch) for batch in batches]
            if merged:
                module.model.llm.merge()

            def work(module: EmotionModule = module, inputs: list[tuple] = inputs) -> torch.Tensor:
                return torch.cat([module.model.label_scores(*one).log_softmax(-1) for one in inputs])

            scores = work()
            reference = scores if reference is None else reference
            rows.append(
                {
                    "setting": name,
                    "ms a clip": 1000 * seconds_of(work, asked.repeats) / len(files),
                    "largest difference": float((scores - reference).abs().max()),
                    "other answers": int((scores.argmax(-1) != reference.argmax(-1)).sum()),
                }
            )
    for row in rows:
        row["faster by"] = rows[0]["ms a clip"] / row["ms a clip"]
    show(f"LLM: {asked.clips} clips, {len(module.labels)} labels, batches of {asked.batch}", rows, asked.output)


def _inputs(module: EmotionModule, batch: Batch) -> tuple:
    prompts = module.asking.prompts(module.template, batch)
    speech, _ = module._speech(batch, module.template)
    return prompts, module.asking.encoder(module.template).label_tokens(), speech


if __name__ == "__main__":
    main()
