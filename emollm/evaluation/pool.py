"""One report from the reports of several folds and seeds: every utterance counts, and every fold is told of."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from emollm.errors import UserError
from emollm.evaluation.folds import over_folds
from emollm.evaluation.frame import read
from emollm.evaluation.remarks import spoken, together
from emollm.evaluation.summary import summarise
from emollm.metrics import from_predictions

Content = dict[str, Any]


@dataclass(frozen=True)
class FoldReport:
    """What ``emollm test`` wrote of one fold.

    Attributes:
        fold: the fold's name.
        seed: the seed of its training; None where seeds are not compared.
        folder: where metrics.json and the tables of predictions lie.
    """

    fold: str
    seed: int | None
    folder: Path

    def content(self) -> Content:
        """What metrics.json holds."""
        return json.loads((self.folder / "metrics.json").read_text(encoding="utf-8"))


def pool(tested: Sequence[FoldReport], title: str, command: str, recipe: str) -> tuple[Content, pd.DataFrame]:
    """The content of a report over all folds, and their predictions in one table.

    Figures and intervals are of all rows together: each fold weighs by its utterances, and a speaker who is
    tested several times (by several seeds, or by models of several corpora) is still one speaker of the
    bootstrap, and so is an utterance where speakers are not known. Beside them stand mean and deviation over
    folds, each fold counting once. There is no pooled word error rate: folds do not store how many words they
    have.

    Args:
        tested: at least one.
        title: of the report.
        command: as the user typed it.
        recipe: YAML text, for the record.

    Returns:
        The content of metrics.json (``protocol.train`` and ``protocol.validation`` are means over folds,
        ``missing`` tells of folds in which nothing could be scored), and all predictions of the model itself with
        the columns ``fold`` and ``seed`` added.

    Raises:
        UserError: when there is nothing to pool, or the folds differ in their labels.
    """
    if not tested:
        raise UserError("There are no tested folds to pool.")
    every = {one: one.content() for one in tested}
    labels = every[tested[0]]["labels"]
    for one, content in every.items():
        if content["labels"] != labels:
            raise UserError(f"{one.folder} has other labels than {tested[0].folder}: they cannot be pooled.")
    empty = [one for one, content in every.items() if content["summary"] is None]
    rest = pd.concat([_marked(one, "predictions.csv") for one in empty]) if empty else pd.DataFrame()
    tested = [one for one in tested if one not in empty]
    if not tested:
        raise UserError(f"{empty[0].folder} has no predicted emotions: there is nothing to pool.")
    contents = [every[one] for one in tested]
    first = contents[0]
    by_fold = dict(zip((one.fold for one in reversed(tested)), reversed(contents), strict=True))
    by_fold = {one.fold: by_fold[one.fold] for one in tested}  # of several seeds the first, in the order given
    frame = pd.concat([_marked(one, "predictions.csv") for one in tested], ignore_index=True)
    missing = [[one["missing"]] if one.get("missing") else [] for one in contents]
    content = {
        **{key: value for key, value in first.items() if key != "wer"},
        "title": title,
        "created": datetime.now().strftime("%Y-%m-%d %H:%M"),
        "command": command,
        "model": title,
        "notes": _lines(_said(tested, [one.get("notes", []) for one in contents])),
        "protocol": _protocol(by_fold),
        "rows": [_row(row, tested, contents) for row in first["rows"]],
        "summary": _summary(pd.concat([frame, rest], ignore_index=True), labels),
        "missing": " ".join([*_missing(empty), *_lines(_said(tested, missing))]) or None,
        "calibration": _calibration(tested, contents, _protocol(by_fold)["name"]),
        "audit": {
            "lines": _lines({fold: one["audit"]["lines"] for fold, one in by_fold.items()}),
            "folds": {fold: one["audit"] for fold, one in by_fold.items()},
        },
        "matrix": _matrix(frame, by_fold, labels),
        "seeds": _seeds(frame, labels),
        "recipe": recipe,
    }
    return content, pd.concat([frame, rest], ignore_index=True)


def _missing(empty: Sequence[FoldReport]) -> list[str]:
    if not empty:
        return []
    names = ", ".join(dict.fromkeys(one.fold for one in empty))
    return [f"Nothing could be scored in fold {names}: none of its utterances has a label and could be read."]


def _said(tested: Sequence[FoldReport], sentences: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """What the runs of each fold say, each sentence once; of several seeds they may say several things."""
    said: dict[str, list[str]] = {one.fold: [] for one in tested}
    for one, lines in zip(tested, sentences, strict=True):
        said[one.fold] += [line for line in lines if line not in said[one.fold]]
    return said


def _marked(one: FoldReport, name: str) -> pd.DataFrame:
    return read(one.folder / name).assign(fold=one.fold, seed=one.seed)


# -- rows -----------------------------------------------------------------------------------------------------


def _row(row: Content, tested: Sequence[FoldReport], contents: Sequence[Content]) -> Content:
    """A row over all folds; one that a fold could not measure has no number, since it would be of other rows."""
    kind, name = row["kind"], row["name"]
    frames, remarks = [], []
    told: set[str] = set()
    for one, content in zip(tested, contents, strict=True):
        found = _found(content, kind, name)
        if kind != "model" and found.get("result") is None:
            why = found["why_not"] if found else "it was not measured"
            return {**row, "why_not": f"fold {one.fold}: {why}", "result": None, "intervals": None, "folds": None}
        if one.fold not in told:  # another seed is of the same utterances and speakers
            remarks += found.get("remarks", [])
            told.add(one.fold)
        frames.append(_marked(one, "predictions.csv" if kind == "model" else f"{kind}s/{name}.csv"))
    frame, labels = pd.concat(frames, ignore_index=True), contents[0]["labels"]
    summary = summarise(frame, labels)
    remarks = together(remarks)
    return {
        **row,
        **({"about": spoken(row["general"], remarks), "remarks": remarks} if remarks else {}),
        "name": "model" if kind == "model" else name,
        "why_not": None,
        "same": all(_found(content, kind, name).get("same", True) for content in contents),
        "result": summary["result"],
        "intervals": summary["intervals"],
        "folds": over_folds(dict(list(frame.groupby("fold", sort=False))), labels),
    }


def _found(content: Content, kind: str, name: str) -> Content:
    """A fold's row; nothing where the fold has none."""
    return next((row for row in content["rows"] if (row["kind"], row["name"]) == (kind, name)), {})


def _summary(frame: pd.DataFrame, labels: Sequence[str]) -> Content:
    """A recording that could not be read is one, however many models were tested on it."""
    summary = summarise(frame, labels)
    return {**summary, "broken": list({row["path"]: row for row in summary["broken"]}.values())}


def _seeds(frame: pd.DataFrame, labels: Sequence[str]) -> Content | None:
    """UA by seed over all folds, for the seeds that have all of them; None for less than two."""
    folds = frame["fold"].nunique()
    values = {
        str(seed): from_predictions(rows, labels).overall.ua
        for seed, rows in frame.groupby("seed")
        if rows["fold"].nunique() == folds
    }
    if len(values) < 2:
        return None
    return {
        "ua": {
            "mean": statistics.fmean(values.values()),
            "sd": statistics.stdev(values.values()),
            "values": values,
        }
    }


# -- what stands beside the numbers ---------------------------------------------------------------------------


def _protocol(by_fold: dict[str, Content]) -> Content:
    protocols = [content["protocol"] for content in by_fold.values()]
    names = dict.fromkeys(one.get("whole") or one["name"] for one in protocols)
    return {
        "name": "; ".join(names),
        "folds": list(by_fold),
        "speaker_independent": _all_or_unknown([one["speaker_independent"] for one in protocols]),
        "train": round(statistics.fmean(one["train"] for one in protocols)),
        "validation": round(statistics.fmean(one["validation"] for one in protocols)),
        "test": sum(one["test"] for one in protocols),
    }


def _calibration(tested: Sequence[FoldReport], contents: Sequence[Content], protocol: str) -> Content | None:
    """Means over folds, ``n`` their sum, ``thresholds`` the ends; None unless every fold was calibrated."""
    known = [content["calibration"] for content in contents if content["calibration"] is not None]
    if len(known) < len(contents):
        return None
    faults: dict[str, list[str]] = {one.fold: [] for one in tested}
    for one, calibration in zip(tested, known, strict=True):
        if calibration.get("fault") and calibration["fault"] not in faults[one.fold]:
            faults[one.fold].append(calibration["fault"])
    merged = {
        **known[0],
        "protocol": protocol,  # not that of the first fold
        "fault": "; ".join(f"fold {fold}: {fault}" for fold, said in faults.items() for fault in said) or None,
        "heard": any(one.get("heard") for one in known),
    }
    for name in set(merged) - {"fault", "heard", "protocol"}:
        values = [one[name] for one in known]
        if all(isinstance(value, int | float) for value in values):
            merged[name] = sum(values) if name == "n" else statistics.fmean(values)
        elif None in values:
            merged[name] = None
    thresholds = [one["threshold"] for one in known]
    merged["thresholds"] = None if None in thresholds else [min(thresholds), max(thresholds)]
    return merged


def _lines(by_fold: dict[str, list[str]]) -> list[str]:
    """Every sentence once, with the folds it holds for where it does not hold for all."""
    holds: dict[str, list[str]] = {}
    for fold, lines in by_fold.items():
        for line in lines:
            holds.setdefault(line, []).append(fold)
    return [
        line if len(folds) == len(by_fold) else f"Fold{'s' if len(folds) > 1 else ''} {_runs(folds)}: {line}"
        for line, folds in holds.items()
    ]


def _runs(folds: Sequence[str]) -> str:
    """Names of folds, three or more numbers in a row as "1–6"."""
    runs: list[list[str]] = []
    for fold in folds:
        last = runs[-1][-1] if runs else ""
        if fold.isdecimal() and last.isdecimal() and int(fold) == int(last) + 1:
            runs[-1].append(fold)
        else:
            runs.append([fold])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(run) for run in runs)


def _matrix(frame: pd.DataFrame, by_fold: dict[str, Content], labels: Sequence[str]) -> Content | None:
    """UA and WA by corpus of training and corpus of test, where the folds are corpora."""
    recipe = yaml.safe_load(next(iter(by_fold.values()))["recipe"])
    protocol = recipe.get("data", {}).get("protocol") or {}
    if not str(protocol.get("class_path", "")).endswith("CrossCorpus"):
        return None
    train = protocol.get("init_args", {}).get("train")
    names = {fold: " + ".join(train) if train else fold for fold in by_fold}
    results = {fold: from_predictions(rows, labels).corpora for fold, rows in frame.groupby("fold")}
    test = sorted({corpus for result in results.values() for corpus in result})

    def table(figure: str) -> list[list[float | None]]:
        return [
            [getattr(results[fold][corpus], figure) if corpus in results[fold] else None for corpus in test]
            for fold in by_fold
        ]

    return {"train": list(names.values()), "test": test, "ua": table("ua"), "wa": table("wa")}


def _all_or_unknown(answers: list[bool | None]) -> bool | None:
    """No where one is no, and else not known where one is not."""
    if False in answers:
        return False
    return None if None in answers else True
