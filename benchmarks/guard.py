"""What the guard of speakers' ranges lets through, by the predictions that `emollm validate` or `test` has stored.

Each speaker of the part is judged as he is, and for each emotion as if he had shown no other; each corpus too.
Corpora are judged by answers to one clip at a time, speakers by answers in their corpus's range. That foreign
corpora are not asked (`model.speaker_range.foreign`) is left out of account.

python benchmarks/guard.py runs/validate/version_0 [--evenness 0.75] [--clips 5]
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from emollm.modules.speaker_range import evenness


def main() -> None:
    """Count and print."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a report")
    parser.add_argument("--evenness", type=float, default=0.75)
    parser.add_argument("--clips", type=int, default=5)
    asked = parser.parse_args()
    if not (asked.run / "ranges" / "corpus.csv").is_file():
        parser.error(f"{asked.run} has no ranges/corpus.csv: test or validate a model trained with ranges.")
    table = Table("who", "shows", "number", "pass", "least even", "most even")
    rows = (("corpora", ["corpus"], "predictions.csv"), ("speakers", ["corpus", "speaker"], "ranges/corpus.csv"))
    for who, keys, file in rows:
        frame = pd.read_csv(asked.run / file, dtype={"speaker": str}).dropna(subset=["label", "target"])
        labels = [name.removeprefix("p_") for name in frame if name.startswith("p_")]
        for shows, groups in (("all his emotions", keys), ("one emotion", [*keys, "target"])):
            mixed = [_evenness(part, labels) for _, part in frame.groupby(groups) if len(part) >= asked.clips]
            if not mixed:
                continue
            passed = sum(value >= asked.evenness for value in mixed)
            table.add_row(who, shows, str(len(mixed)), str(passed), f"{min(mixed):.2f}", f"{max(mixed):.2f}")
    Console().print(table)


def _evenness(part: pd.DataFrame, labels: Sequence[str]) -> float:
    return evenness([int((part["label"] == label).sum()) for label in labels])


if __name__ == "__main__":
    main()
