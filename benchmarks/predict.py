"""Labelling clips: by stage, end to end, and beside the peers' way on weights of the same sizes.

python benchmarks/predict.py [--clips 64] [--seconds 3] [--batch 8] [--asr yes] [--bfloat16 yes] [--output F.json]

Each precision is measured for both ways, built and warm; --bfloat16 no leaves out what takes long where bfloat16
is only imitated. As shipped, the encoder is in float32, and the LLM in bfloat16 where the machine computes in it,
else in float32 too. Also printed: by how much the label scores of the fast path (a prompt's beginning kept, the
adapter merged, label tree, batches by length) differ from those of the plain path (one clip, one label, every
token anew), both in float32.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import peers
import torch
from common import WORDS, clips, forget_peak, options, peak_gb, seconds_of, shipped, show

from emollm.data import audio
from emollm.data.batch import Batch, Collate, Item
from emollm.data.transcripts import DEFAULT as TRANSCRIBER
from emollm.data.utterance import Utterance
from emollm.models.precision import Precision, dtype_of
from emollm.models.transcribe import Transcriber
from emollm.modules.base import EmotionModule
from emollm.predictor import Predictor

_PRECISIONS = [
    ("as shipped", "float32", "auto"),
    ("all in bfloat16", "bfloat16", "bfloat16"),
    ("all in float32", "float32", "float32"),
]
"""Name, encoder, LLM. As shipped, the encoder is in float32: in bfloat16 it is faster, and scores would move."""


def main() -> None:
    """Measure and print."""
    asked = options(__doc__, clips=64, seconds=3.0, batch=8, asr=("yes", "no"), bfloat16=("yes", "no"), repeats=3)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as scratch:
        files = clips(Path(scratch), asked.clips, asked.seconds)
        waves = [torch.from_numpy(audio.load(file)) for file in files]
        batches = _batches(files, waves, asked.batch)
        rows, total = [], sum(len(wave) for wave in waves) / 16_000

        def add(name: str, seconds: float, memory: float | None = None) -> None:
            rates = {"clips/s": len(files) / seconds, "real-time factor": seconds / total}
            rows.append({"stage": name, "ms a clip": 1000 * seconds / len(files), **rates, "peak GB": memory})

        module = shipped(device)
        decoding = seconds_of(lambda: [audio.load(file) for file in files], asked.repeats)
        hearing, joining, full = _stages(module, [batch.to(device) for batch in batches], asked.repeats)
        add("decode and resample", decoding)
        add("encoder", hearing)
        add("interface", joining)
        add("LLM (the rest)", max(full - hearing - joining, 1e-9))
        if asked.asr == "yes":
            # By the recogniser alone: a predictor would find the transcripts that an earlier run has kept.
            transcriber = Transcriber(TRANSCRIBER)
            recognising = seconds_of(lambda: [transcriber(w.numpy()) for w in waves], 1, warm=False)
            add("ASR, where no text is kept", recognising)
        del module
        for name, encoder, llm in _PRECISIONS:
            if encoder == "bfloat16" and asked.bfloat16 == "no":
                continue
            seconds = []
            # Each is built, and has labelled all once, before the clock runs; the other one is gone by then.
            for who, make in (("emollm", _ours), ("peers' way", _theirs)):
                forget_peak()
                work = make(files, asked.batch, encoder, llm, device)
                seconds.append(seconds_of(work, asked.repeats))
                add(f"{who}, {name}", seconds[-1], peak_gb())
                del work
            rows[-1]["times emollm"] = seconds[1] / seconds[0]
    show(f"predict: {asked.clips} clips of about {asked.seconds:g} s", rows, asked.output)
    largest = _difference(batches, device)
    print(f"Largest difference of a label's log-probability, fast path to plain path: {largest:.1e}")


def _batches(files: list[Path], waves: list[torch.Tensor], size: int) -> list[Batch]:
    """Batches of about one length, as emollm forms them."""
    utterances = [Utterance(id=file.name, path=file, transcript=WORDS) for file in files]
    items = sorted(map(Item, utterances, waves), key=lambda item: len(item.waveform))
    return [Collate({})(items[start : start + size]) for start in range(0, len(items), size)]


@torch.inference_mode()
def _stages(module: EmotionModule, batches: list[Batch], repeats: int) -> tuple[float, float, float]:
    """Seconds of the encoder, of the interface, and of all of the model."""
    states = [module.hidden_states(batch) for batch in batches]
    return (
        seconds_of(lambda: [module.hidden_states(batch) for batch in batches], repeats),
        seconds_of(lambda: [module.model.audio(*state) for state in states], repeats),
        seconds_of(lambda: [module.score(batch) for batch in batches], repeats),
    )


@torch.inference_mode()
def _difference(batches: list[Batch], device: torch.device) -> float:
    fast, plain = shipped(device, dtype="float32"), shipped(device, dtype="float32")
    plain.model.reuse, plain.model.scoring, plain.model.padding_side = False, "plain", "right"
    fast.voter_is_heard = False  # the LLM's own scores
    largest = 0.0
    for batch in batches[:2]:
        batch = batch.to(device)
        mine = fast.score(batch).log_scores.log_softmax(-1)
        for row, utterance in enumerate(batch.utterances):
            wave = batch.waveforms[row, : batch.lengths[row]]
            plain.model.llm.unmerge()
            alone = plain.model.label_scores(*_prompt(plain, Collate({})([Item(utterance, wave)])))
            largest = max(largest, float((alone.log_softmax(-1)[0] - mine[row]).abs().max()))
    return largest


def _prompt(module: EmotionModule, batch: Batch) -> tuple:
    prompts = module.asking.prompts(module.template, batch)
    speech, _ = module._speech(batch, module.template)
    return prompts, module.asking.encoder(module.template).label_tokens(), speech


def _ours(
    files: list[Path], batch: int, encoder: Precision, llm: Precision, device: torch.device
) -> Callable[[], None]:
    predictor = Predictor(shipped(device, encoder, dtype=llm), transcriber="none", batch_size=batch)
    return lambda: predictor.predict(files)


def _theirs(
    files: list[Path], batch: int, encoder: Precision, llm: Precision, device: torch.device
) -> Callable[[], None]:
    precise = getattr(torch, encoder)
    model, mel = peers.model(dtype_of(llm, device, "the LLM"), device, precise), peers.extractor()

    @torch.inference_mode()
    def work() -> None:
        for start in range(0, len(files), batch):
            waves = [audio.load(file) for file in files[start : start + batch]]
            made = {name: value.to(device) for name, value in peers.inputs(waves, mel, precise).items()}
            model.generate(**made, max_new_tokens=3, min_new_tokens=3, do_sample=False, pad_token_id=0)

    return work


if __name__ == "__main__":
    main()
