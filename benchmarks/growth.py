"""How cost grows: with the number of files (memory too), with their length, and with the number of labels.

python benchmarks/growth.py [--files 100,1000,10000] [--output growth.json]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from common import WORDS, clips, options, seconds_of, shipped, show

from emollm.data import audio
from emollm.data.batch import Collate, Item
from emollm.data.utterance import Utterance
from emollm.models.encoding import PromptEncoder
from emollm.modules.base import EmotionModule

_CHILD = """
import json, resource, sys, time
from emollm.__main__ import main
start = time.perf_counter()
code = main(sys.argv[1:])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print("RESULT " + json.dumps([code, time.perf_counter() - start, peak]))
"""
# fmt: off
_NAMES = [
    "angry", "happy", "sad", "neutral", "fear", "disgust", "surprise", "calm", "bored", "proud", "guilty",
    "ashamed", "amused", "excited", "content", "relieved", "tired", "anxious", "jealous", "lonely",
    "grateful", "hopeful", "confused", "curious", "hurt", "tense", "tender", "bitter", "eager", "shy",
    "bold", "cold",
]
# fmt: on


def main() -> None:
    """Measure and print."""
    asked = options(__doc__, files=[100, 1000, 10_000], seconds=1.0)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for number in asked.files:
            folder = Path(scratch) / str(number)
            clips(folder, number, asked.seconds)
            args = ["predict", folder, "--output", folder / "out", "--data.transcriber", "none"]
            args += ["--trainer.enable_progress_bar", "false"]
            done = subprocess.run(
                [sys.executable, "-c", _CHILD, *map(str, args)], check=True, capture_output=True, text=True
            )
            code, seconds, peak = json.loads(done.stdout.rpartition("RESULT ")[2])
            assert code == 0, done.stderr
            rows.append(
                {"what": f"{number} files, emollm predict", "clips/s": number / seconds, "peak GB": peak / 1e9}
            )
        module = shipped(torch.device("cpu"))
        with torch.inference_mode():
            for seconds in (1, 3, 10, 30):
                (file,) = clips(Path(scratch) / f"{seconds}s", 1, seconds, spread=0.0)
                rows.append({"what": f"one clip of {seconds} s", "clips/s": 1 / _one(module, file)})
            for number in (4, 8, 16, 32):
                rows.append({"what": f"{number} labels, a clip of 1 s", "clips/s": 1 / _one(module, file, number)})
    show("growth", rows, asked.output)


def _one(module: EmotionModule, file: Path, labels: int | None = None) -> float:
    """Seconds for one clip alone, decoded before."""
    wave = torch.from_numpy(audio.load(file))
    batch = Collate({})(
        [Item(Utterance(id=file.name, path=file, transcript=WORDS), wave[: 16_000 if labels else None])]
    )
    if labels:
        module.voter_is_heard = False  # it knows its own labels alone
        module.asking._encoders = {
            module.template: PromptEncoder(module.model.llm.tokenizer, module.template, _NAMES[:labels])
        }
    return seconds_of(lambda: module.score(batch), 5)


if __name__ == "__main__":
    main()
