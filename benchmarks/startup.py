"""How long a user waits: imports, help, and `emollm predict` on one short recording.

The libraries alone are what emollm cannot do without, imported as fast as emollm imports them.

python benchmarks/startup.py [--repeats 3] [--output startup.json]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from common import clips, options, seconds_of, show

LIBRARIES = """
import gc
gc.disable()
import torch, lightning.pytorch, peft
from transformers import LlamaForCausalLM, WhisperModel
gc.freeze()
"""


def main() -> None:
    """Measure and print."""
    asked = options(__doc__, repeats=3)
    with tempfile.TemporaryDirectory() as scratch:
        (file,) = clips(Path(scratch), 1, 2.0, 0.0)
        emollm = [sys.executable, "-m", "emollm"]
        predict = [*emollm, "predict", str(file), "--output", scratch, "--restart", "true"]
        commands = {
            "imports of the libraries alone": [sys.executable, "-c", LIBRARIES],
            "imports of predict": [sys.executable, "-c", "import emollm.startup as s; s.import_libraries()"],
            "emollm --help": [*emollm, "--help"],
            "emollm fit --help": [*emollm, "fit", "--help"],
            "emollm predict, with ASR": predict,
            "emollm predict, without": [*predict, "--data.transcriber", "none"],
        }
        rows = []
        for name, command in commands.items():
            seconds = seconds_of(
                lambda c=command: subprocess.run(c, check=True, capture_output=True), asked.repeats
            )
            rows.append({"what": name, "seconds": seconds})
    show("start-up", rows, asked.output)


if __name__ == "__main__":
    main()
