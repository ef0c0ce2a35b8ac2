"""The parts of ``emollm crossval``: the folds of a recipe, and one of them fitted and tested by two processes."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ActionConfigFile, ArgumentError, ArgumentParser
from lightning.pytorch.loggers import TensorBoardLogger

from emollm.arguments import fault_of, in_turn, read_yaml
from emollm.data.datamodule import EmotionData
from emollm.data.digest import digest
from emollm.data.validate import check
from emollm.errors import UserError
from emollm.evaluation.pool import FoldReport
from emollm.files import file_name

_LOGGER = f"{TensorBoardLogger.__module__}.{TensorBoardLogger.__qualname__}"


@dataclass
class Folds:
    """The folds of a recipe's protocol.

    Attributes:
        names: every value of ``fold`` as it is written on a command line.
        flag: whether the protocol takes one.
        data: a digest of the table.
    """

    names: list[str]
    flag: bool
    data: str


def folds_of(args: Sequence[str]) -> Folds:
    """Ask the protocol of a recipe for its folds, and try the first; the corpora are read, no model is made.

    Args:
        args: the arguments of a fit, of which the data and the labels count.

    Raises:
        UserError: when the data part cannot be made or read, or the protocol cannot split the table.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--config", action=ActionConfigFile)
    parser.add_class_arguments(EmotionData, "data", sub_configs=True)
    parsed: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        configs = iter(in_turn([read_yaml(value) for name, value in pairs(args) if name in ("--config", "-c")]))
        for index, (name, value) in enumerate(pairs(args)):
            if name in ("--config", "-c"):
                file = Path(scratch) / f"{index}.yaml"
                file.write_text(yaml.safe_dump(_data_of(next(configs))), encoding="utf-8")
                parsed += ["--config", str(file)]
            elif name == "--model.labels":
                parsed.append(f"--data.labels={value}")
            elif name == "--data" or name.startswith("--data."):
                parsed.append(f"{name}={value}")
        try:
            data: EmotionData = parser.instantiate_classes(parser.parse_args(parsed)).data
        except ArgumentError as error:
            raise UserError(f"{fault_of(error)}. 'emollm fit --help' shows every option.") from error
    table = data.utterances()
    folds = data.protocol.folds(table)
    flag = hasattr(data.protocol, "fold") and len(folds) > 1
    tried = copy.copy(data.protocol)
    if flag:  # whatever fold the recipe names: it is replaced in every run
        tried.fold = folds[0]
    tried.split(table)
    # A label outside of the set would end each fold by itself, one of them after its fit.
    check(table.where(lambda row: row.label is not None), data.labels, False, False)
    return Folds([str(fold) for fold in folds], flag, digest(table))


def pairs(args: Sequence[str]) -> list[tuple[str, str]]:
    """Options and their values, written ``--name value`` or ``--name=value``."""
    found: list[tuple[str, str]] = []
    for arg in args:
        if arg.startswith("--") or arg == "-c":
            name, _, value = arg.partition("=")
            found.append((name, value))
        elif found and not found[-1][1]:
            found[-1] = (found[-1][0], arg)
        else:
            raise UserError(f"'{arg}' belongs to no option: 'emollm crossval --help' shows how they are written.")
    return found


def _data_of(recipe: dict[str, Any]) -> dict[str, Any]:
    """The data part of a recipe alone, with the labels that it has from the model."""
    values = dict(recipe.get("data") or {})
    labels = (recipe.get("model") or {}).get("labels")
    return {"data": values if labels is None else {**values, "labels": labels}}


@dataclass
class Job:
    """One fold with one seed: fitted, then tested, each by a process of its own.

    Attributes:
        fold: the fold's name.
        seed: of what is random in training; None leaves the recipe's.
        output: the folder of the whole cross-validation.
        flag: whether the fold is named to the protocol.
        args: of the fit.
        test_args: of the test beside those of the fit.
        environment: of both processes.
        lock: what ``hold`` gave, for both processes to inherit.
    """

    fold: str
    seed: int | None
    output: Path
    flag: bool
    args: list[str]
    test_args: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    lock: int | None = None
    _process: subprocess.Popen[bytes] | None = None
    _stopped: bool = False
    _starting: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """As it is called on the terminal."""
        return f"fold {self.fold}" if self.seed is None else f"fold {self.fold}, seed {self.seed}"

    @property
    def folder(self) -> Path:
        """Where everything of it lies; the name of a corpus may hold what a file name must not."""
        name = f"fold_{file_name(self.fold)}"
        return self.output / (name if self.seed is None else f"{name}_seed_{self.seed}")

    @property
    def log(self) -> Path:
        """What both processes say."""
        return self.folder / "log.txt"

    @property
    def tested(self) -> FoldReport:
        """The report of its test."""
        return FoldReport(self.fold, self.seed, self.folder / "test" / "version_0")

    @property
    def done(self) -> bool:
        """Whether it is tested; metrics.json comes when all is measured, and is written at one stroke."""
        return (self.tested.folder / "metrics.json").is_file()

    def run(self) -> bool:
        """Go on where it stopped; returns whether it is done."""
        best = self.fit()
        if best is None:
            return False
        shutil.rmtree(self.folder / "test", ignore_errors=True)  # what an interrupted test left behind
        return self._call("test", ["--ckpt_path", str(best), *self.test_args]) and self.done

    def fit(self) -> Path | None:
        """Fit, or go on where that stopped; returns the checkpoint to test, or None where it failed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        checkpoints, fitted = self.folder / "fit" / "version_0" / "checkpoints", self.folder / "fitted"
        if not fitted.exists():
            last = checkpoints / "last.ckpt"
            if not self._call("fit", ["--ckpt_path", str(last)] if last.is_file() else []):
                return None
            fitted.touch()
        best = next((file for name in ("best", "last") if (file := checkpoints / f"{name}.ckpt").is_file()), None)
        if best is None:
            self._say(f"There is neither best.ckpt nor last.ckpt in {checkpoints}.")
        return best

    def stop(self) -> None:
        """End the process that is running, and begin no other."""
        with self._starting:
            self._stopped = True
            if self._process is not None:
                self._process.terminate()

    def last_lines(self, number: int = 12) -> str:
        """The end of the log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-number:])

    def _call(self, verb: str, more: list[str]) -> bool:
        own = [f"--data.protocol.init_args.fold={self.fold}"] if self.flag else []
        if self.seed is not None:
            own += [f"--seed_everything={self.seed}", f"--model.seed={self.seed}"]
        logger = {"": _LOGGER, ".save_dir": str(self.folder), ".name": verb, ".version": "0"}
        own += [f"--trainer.logger{key}={value}" for key, value in logger.items()]
        # A bar of every step would fill the log; who wants it says so in the recipe.
        args = [verb, "--trainer.enable_progress_bar=false", *self.args, *own, *more]
        with self.log.open("ab") as log, self._starting:
            if self._stopped:
                return False
            self._process = subprocess.Popen(
                [sys.executable, "-m", "emollm", *args],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                pass_fds=() if self.lock is None else (self.lock,),
            )
        return self._process.wait() == 0

    def _say(self, line: str) -> None:
        with self.log.open("a", encoding="utf-8") as log:
            log.write(line + "\n")
