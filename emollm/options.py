"""What each verb of the trainer is asked beside trainer, model and data, and how its trainer begins."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.cli import LightningArgumentParser
from lightning.pytorch.loggers import TensorBoardLogger

from emollm.baselines import BASELINES
from emollm.callbacks.checkpoint import BestCheckpoint, LastCheckpoint
from emollm.callbacks.summary import TrainingSummary
from emollm.data.ablations import ABLATIONS


def add_options(parser: LightningArgumentParser, verb: str, method: str) -> None:
    """Add the options of a verb.

    Args:
        parser: of the verb.
        verb: ``fit``, ``validate``, ``test`` or ``predict``.
        method: of the module that the parser was made for.
    """
    parser.add_argument(
        "--method",
        default=method,
        help="Which module is meant: emotion_llm, or probe (the baseline).",
    )
    parser.link_arguments("model.labels", "data.labels")
    if verb == "predict":
        parser.add_argument("source", help="A folder (read recursively), a sound file, a list or a table.")
        parser.add_argument("--output", default="predictions", help="Folder of the CSV and the JSONL.")
        parser.add_argument(
            "--restart",
            type=bool,
            default=False,
            help="Begin anew instead of going on where a run stopped.",
        )
        parser.add_argument(
            "--speaker_range",
            type=bool,
            default=False,
            help="Normalise by each speaker's other recordings, which are heard first: a column 'speaker' in "
            "a table, else one folder a speaker. For models trained with model.speaker_range.",
        )
        parser.set_defaults({"data.transcriber": "packaged:whisper-base"})
    if verb == "validate":
        parser.add_argument(
            "--calibrate",
            type=bool,
            default=False,
            help="Fit the temperature of the confidences on this part, and keep it beside the checkpoint.",
        )
    if verb == "test":
        parser.add_argument(
            "--ablations",
            type=list[str] | str,
            default="all",
            help="What the model is tested without; each costs a pass over the test part: all, none, or some "
            f"of {', '.join(ABLATIONS)}, with commas.",
        )
        parser.add_argument(
            "--baselines",
            type=list[str] | str,
            default=["majority", "probe"],
            help="What the model is held against; probe and transcript_llm are fitted on the training part: "
            f"all, none, or some of {', '.join(BASELINES)}, with commas.",
        )
    # Only fit writes checkpoints, but every verb takes the YAML that a fit was made with.
    parser.add_lightning_class_args(BestCheckpoint, "best")
    parser.add_lightning_class_args(LastCheckpoint, "last")


RUNS = "runs"
"""Folder of all runs, where neither the trainer nor a logger names one."""


def trainer_defaults(verb: str) -> dict[str, Any]:
    """Logger and callbacks of a verb, where a recipe names none."""
    if verb == "predict":
        return {"logger": False, "callbacks": []}
    logger = {
        "class_path": f"{TensorBoardLogger.__module__}.{TensorBoardLogger.__qualname__}",
        "init_args": {"save_dir": RUNS, "name": verb},
    }
    callbacks = [TrainingSummary()] if verb == "fit" else []
    # TrainingSummary prints a table of its own.
    return {"logger": logger, "callbacks": callbacks, "enable_model_summary": False}
