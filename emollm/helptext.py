"""The help of a verb, kept on disk: to write it, Lightning's classes must be imported, which takes seconds."""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from emollm.files import write_text
from emollm.models.cache import cache_folder

_MODEL = "  --model PATH            a checkpoint (best.ckpt), or a folder that emollm export wrote"
_SHORT = {
    "fit": """emollm fit --config RECIPE.yaml [options]: train a model; everything goes to runs/fit/version_N.

  --config RECIPE.yaml    see configs/; several are read in turn, and a flag beats them
  --ckpt_path LAST.ckpt   go on where a run stopped
  --data.protocol.fold N  which fold is tested, and so not trained on
  --trainer.max_epochs N  passes, where the recipe's stages do not say
  --trainer.default_root_dir FOLDER
                          in the place of runs
""",
    "validate": f"""emollm validate --config RECIPE.yaml --model PATH [options]: measure on the validation part.

{_MODEL}
  --calibrate true        fit the temperature of the confidences, and keep it beside the model
""",
    "test": f"""emollm test --config RECIPE.yaml --model PATH [options]: measure on the test part; writes a report.

{_MODEL}
  --ablations LIST        what the model is tested without: all, none, or names with commas
  --baselines LIST        what it is held against: all, none, or names with commas
""",
    "predict": f"""emollm predict SOURCE [options]: label recordings, and write each row as it comes.

  SOURCE                  a folder, a sound file, a list of paths (.txt), or a table (CSV, TSV, JSON lines)
{_MODEL};
                          the one that ships with emollm where left out
  --output FOLDER         of predictions.csv and predictions.jsonl; the same command goes on where it stopped
  --restart true          begin anew instead
  --speaker_range true    normalise by each speaker's other recordings
  --data.transcriber none do without transcripts
""",
}
"""What most people look for, before the two hundred options of Lightning and its kin."""


def show(verb: str, write: Callable[[], object]) -> None:
    """Print the help of a verb.

    It is written anew for another terminal width and whenever emollm, Lightning or jsonargparse changed.

    Args:
        verb: whose help is asked for.
        write: prints it.
    """
    print(_SHORT[verb])
    file = cache_folder() / "help" / f"{verb}-{_state()}.txt"
    if not file.is_file():
        text = io.StringIO()
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            write()
        with contextlib.suppress(OSError):
            write_text(file, text.getvalue())
        print(text.getvalue(), end="")
        return
    print(file.read_text(encoding="utf-8"), end="")


def _state() -> str:
    """What the help depends on, in short."""
    sources = [f"{path}{path.stat().st_mtime_ns}" for path in sorted(Path(__file__).parent.rglob("*.py"))]
    versions = [version(name) for name in ("lightning", "jsonargparse")]
    width = str(shutil.get_terminal_size().columns)
    return hashlib.sha256("|".join([*sources, *versions, width]).encode()).hexdigest()[:12]
