"""Folders as `emollm test` writes them."""

import json

from emollm.evaluation import summarise, to_frame, write
from emollm.evaluation.pool import FoldReport
from tests.evaluation.made import LABELS

COLUMN = "data: {protocol: {class_path: emollm.data.protocols.FoldColumn, init_args: {column: f}}}"


def write_fold(
    folder, fold, predictions, seed=None, majority=True, recipe=COLUMN, lines=("Every fold.",), **changes
):
    """A test folder with the model and one baseline, which got its answers from other noise."""
    here = folder / f"{fold}_{seed}"
    frame = to_frame(predictions, LABELS)
    write(frame, here / "predictions.csv")
    summary = summarise(frame, LABELS, draws=10)
    figures = {"result": summary["result"], "intervals": summary["intervals"], "why_not": None, "folds": None}
    rows = [{"kind": "model", "name": "best@1", "title": "audio", "about": "", **figures}]
    if majority:
        write(frame, here / "baselines" / "majority.csv")
    else:
        figures = {"result": None, "intervals": None, "why_not": "it was too dark"}
    rows.append({"kind": "baseline", "name": "majority", "title": "m", "about": "", "folds": None, **figures})
    content = {
        "title": f"Test of fold {fold}",
        "part": "test",
        "created": "",
        "command": "",
        "model": "best@1",
        "method": "probe",
        "labels": LABELS,
        "protocol": {
            "name": f"the column 'f', fold {fold} of 3, validation by utterance",
            "whole": "the column 'f', validation by utterance",
            "folds": [fold],
            "speaker_independent": True,
            "train": 10,
            "validation": 2,
            "test": len(predictions),
        },
        "rows": rows,
        "summary": summary,
        "calibration": None,
        "audit": {"lines": list(lines)},
        "matrix": None,
        "specification": {},
        "recipe": recipe,
        "versions": {"emollm": "0"},
        "machine": "",
        **changes,
    }
    (here / "metrics.json").write_text(json.dumps(content))
    return FoldReport(fold, seed, here)
