"""``emollm prompts``: which prompt template serves a recipe best, by its validation part."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emollm.arguments import model_is_checkpoint, values_of
from emollm.errors import UserError
from emollm.startup import import_libraries

if TYPE_CHECKING:
    import pandas as pd

    from emollm.models.prompts import PromptTemplate
    from emollm.prompt_trial import PromptTrial

STATE = "trial.json"
_TEMPLATES = "templates"

Measured = tuple[dict[str, "pd.DataFrame"], dict[str, str]]
"""Predictions by template, and by template why there are none."""


def main(argv: list[str]) -> int:
    """Measure templates on the validation part, going on where an earlier call stopped.

    Args:
        argv: the arguments behind the verb.

    Returns:
        0, or 1 when the fit of a template failed.
    """
    try:
        asked, args = _parser().parse_known_args(model_is_checkpoint(argv))
    except argparse.ArgumentError as error:
        raise UserError(f"{error}: 'emollm prompts --help' shows every option.") from error
    configs = values_of(args, "--config", "-c")
    _check(asked, args, configs)
    import_libraries()  # which --help does without
    from emollm.begun import begin, state_of
    from emollm.data.digest import digest
    from emollm.files import hold
    from emollm.prompt_trial import PromptTrial, named_templates

    templates = named_templates(asked.templates)
    named = ["--ckpt_path", asked.ckpt_path] if asked.ckpt_path else []
    trial = PromptTrial([*args, *named], asked.limit, min(templates, key=lambda one: one.takes_audio))
    output = Path(asked.output).expanduser() if asked.output else Path("runs") / "prompts" / Path(configs[-1]).stem
    output.mkdir(parents=True, exist_ok=True)
    lock = hold(output, "An earlier call")
    try:
        # All on which predictions depend but the template; steps have a folder of their own.
        model = None if trial.stored is None else trial.stored.name
        data = digest(trial.split.train + trial.split.validation)
        state = state_of(args, configs, model=model, limit=asked.limit, data=data)
        begin(output / STATE, state, _ways(output), asked.restart)
        for template in templates:
            _record(output, template)
        asked_as_is = "zero-shot" if trial.stored is None else "checkpoint"
        found = {asked_as_is: _measure_as_is(trial, templates, output / asked_as_is)}
        failed: list[str] = []
        if asked.tuned:
            folder = output / f"tuned_{asked.steps}"
            found[folder.name] = _measure_tuned(trial, templates, args, asked.steps, folder, lock, failed)
        _report(trial, templates, found, output, shlex.join(["emollm", "prompts", *argv]), configs)
    finally:
        if lock is not None:
            os.close(lock)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emollm prompts",
        usage="emollm prompts --config RECIPE [options] [any option of emollm validate]",
        description="Measure prompt templates on the validation part of a recipe, and write the best one as a "
        "file that --model.prompt takes. The test part is not looked at. The same command again goes on where it "
        "was stopped.",
        allow_abbrev=False,
        exit_on_error=False,
    )
    add = parser.add_argument
    add(
        "--templates",
        default="all",
        help="shipped names or YAML files, as a,b (default: all that ship, but for asr and joint)",
    )
    add(
        "--limit",
        type=int,
        metavar="N",
        help="validation utterances to measure on, drawn at random (default: all)",
    )
    add("--ckpt_path", metavar="FILE", help="the model that is asked (default: the LLM alone, untrained)")
    add(
        "--tuned",
        choices=("true", "false"),
        default="false",
        help="fit each template, too, for some steps from the recipe's seed: no stages, a frozen backbone",
    )
    add("--steps", type=int, default=100, metavar="N", help="of such a fit (default: 100)")
    add("--output", metavar="FOLDER", help="of the report (default: runs/prompts/NAME OF THE RECIPE)")
    add("--restart", action="store_true", help="forget what an earlier call left in the output folder")
    return parser


def _check(asked: argparse.Namespace, args: Sequence[str], configs: Sequence[str]) -> None:
    """Refuse what makes no sense, before anything is loaded."""
    asked.tuned = asked.tuned == "true"
    if not configs:
        raise UserError("prompts needs a recipe: emollm prompts --config configs/meld_context.yaml.")
    if values_of(list(args), "--model.prompt"):
        raise UserError("prompts sets model.prompt itself: name templates with --templates.")
    if asked.tuned and asked.ckpt_path:
        raise UserError("--tuned true begins every fit anew, from the recipe: leave --ckpt_path out.")
    for name in ("limit", "steps"):
        value = getattr(asked, name)
        if value is not None and value < 1:
            raise UserError(f"--{name} is {value}: at least 1.")


# -- what was begun -------------------------------------------------------------------------------------------


def _ways(output: Path) -> list[Path]:
    return [folder for way in ("zero-shot", "checkpoint", "tuned_*") for folder in output.glob(way)]


def _record(output: Path, template: PromptTemplate) -> None:
    """Keep the template's text; where it is another than before, forget what was measured with it."""
    from emollm.files import write_text
    from emollm.report.prompts import template_text

    file, text = output / _TEMPLATES / f"{template.name}.yaml", template_text(template)
    if file.is_file() and file.read_text(encoding="utf-8") != text:
        for way in _ways(output):
            (way / f"{template.name}.csv").unlink(missing_ok=True)
            shutil.rmtree(way / template.name, ignore_errors=True)
    write_text(file, text)


# -- measuring ------------------------------------------------------------------------------------------------


def _measure_as_is(trial: PromptTrial, templates: Sequence[PromptTemplate], folder: Path) -> Measured:
    reasons = {one.name: why for one in templates if (why := trial.why_not(one)) is not None}
    left = [one for one in templates if one.name not in reasons]
    frames = {}
    for number, one in enumerate(left, start=1):
        file = folder / f"{one.name}.csv"
        frames[one.name] = _once(file, lambda one=one: trial.as_it_is(one))
        _tell(trial, folder.name, one.name, frames[one.name], len(left) - number)
    return frames, reasons


def _measure_tuned(
    trial: PromptTrial,
    templates: Sequence[PromptTemplate],
    args: Sequence[str],
    steps: int,
    folder: Path,
    lock: int | None,
    failed: list[str],
) -> Measured:
    """Fit each template by a process of its own, and measure it; whose fit failed is added to ``failed``."""
    from emollm.prompt_trial import Tuning, tuning_args

    reasons = {one.name: why for one in templates if (why := trial.why_not(one, fits=True)) is not None}
    left = [one for one in templates if one.name not in reasons]
    frames = {}
    for number, one in enumerate(left, start=1):
        file = folder / f"{one.name}.csv"
        checkpoint = None
        if not file.is_file():
            text = folder.parent / _TEMPLATES / f"{one.name}.yaml"
            job = Tuning(one.name, None, folder, False, tuning_args(args, text, steps), [], lock=lock)
            checkpoint = _fit(job)
            if checkpoint is None:
                print(f"{one.name}: its fit failed; the end of {job.log}:\n{job.last_lines()}", file=sys.stderr)
                reasons[one.name] = f"its fit failed ({job.log})"
                failed.append(one.name)
                continue
        frames[one.name] = _once(file, lambda one=one, path=checkpoint: trial.fitted(path, one))
        _tell(trial, folder.name, one.name, frames[one.name], len(left) - number)
    return frames, reasons


def _fit(job: Any) -> Path | None:
    """A fit that ends when this process is asked to end."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return job.fit()
    except BaseException:
        job.stop()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _once(file: Path, measure: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Predictions from a file of an earlier call, or measured and written."""
    from emollm.evaluation.frame import read, write

    if not file.is_file():
        write(measure(), file)
    return read(file)


def _tell(trial: PromptTrial, way: str, name: str, frame: pd.DataFrame, left: int) -> None:
    from emollm.metrics import from_predictions
    from emollm.report.prompts import NAMES

    figure = trial.figure
    value = getattr(from_predictions(frame, trial.labels).overall, figure)
    print(f"{way}, {name}: {NAMES[figure]} {100 * value:.1f} %, {left} to go", flush=True)


# -- report ---------------------------------------------------------------------------------------------------


def _report(
    trial: PromptTrial,
    templates: Sequence[PromptTemplate],
    found: dict[str, Measured],
    output: Path,
    command: str,
    configs: Sequence[str],
) -> None:
    """Rank, print and write; the last way that was measured chooses the winner."""
    from dataclasses import asdict

    from rich.console import Console

    from emollm.metrics import from_predictions
    from emollm.report.prompts import outcome, sentence, table_of, write

    outcomes = []
    for way, (frames, reasons) in found.items():
        title = f"{way.partition('_')[0].capitalize()}{' for ' + way[6:] + ' steps' if '_' in way else ''}"
        outcomes.append(outcome(way, title, templates, frames, reasons, trial.labels, trial.figure))
    best = next((one.measured[0] for one in reversed(outcomes) if one.measured), None)
    if best is None:
        row = outcomes[-1].rows[0]
        raise UserError(f"No template could be measured; {row['template']}: {row['why_not']}.")
    majority = asdict(from_predictions(trial.majority(), trial.labels).overall)
    record = {
        "command": command,
        "part": "validation",
        "protocol": trial.split.name,
        "utterances": len(trial.table),
        "labels": trial.labels,
        "majority": {name: majority[name] for name in ("wa", "ua", "macro_f1", "weighted_f1")},
    }
    winner = next(one for one in templates if one.name == best["template"])
    written = write(output, outcomes, winner, record)
    console = Console()
    for one in outcomes:
        console.print(table_of(one, majority))
        console.print(sentence(one), highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"Chosen on these {len(trial.table)} validation utterances, the best figure flatters: test it on others.",
        highlight=False,
        soft_wrap=True,
    )
    console.print("Written:", *[f"\n  {file}" for file in written], highlight=False, markup=False, soft_wrap=True)
    recipe = " ".join(f"--config {shlex.quote(path)}" for path in configs)
    print(f"Use it: emollm fit {recipe} --model.prompt {shlex.quote(str(output / 'winner.yaml'))}")
