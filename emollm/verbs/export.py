"""``emollm export``: a trained model as one folder that another machine can use."""

from __future__ import annotations

import argparse
from pathlib import Path

from emollm import factory, weights
from emollm.errors import UserError
from emollm.evaluation.calibration import Calibration


def main(argv: list[str]) -> int:
    """Export a checkpoint.

    Args:
        argv: the arguments behind the verb.
    """
    parser = argparse.ArgumentParser(
        prog="emollm export",
        description="Write a trained model as one folder: safetensors, label set, prompt, specification, README.",
    )
    parser.add_argument("checkpoint", help="a checkpoint written by emollm fit")
    parser.add_argument("--output", required=True, help="the folder to write; it must not exist yet")
    parser.add_argument(
        "--calibration",
        help="a calibration.json that another fit of the same recipe left, for a model that was trained on its "
        "validation speakers too and so has none of its own",
    )
    args = parser.parse_args(argv)
    module = factory.load(args.checkpoint)
    if args.calibration is not None:
        if module.calibration is not None:
            raise UserError(f"{args.checkpoint} has a calibration of its own: leave --calibration out.")
        module.calibration = Calibration.read(Path(args.calibration))
    weights.write_folder(module, Path(args.output))
    size = sum(file.stat().st_size for file in Path(args.output).expanduser().rglob("*") if file.is_file())
    print(f"Written: {args.output} ({size / 1e6:.1f} MB). Use it: emollm predict FOLDER --model {args.output}")
    return 0
