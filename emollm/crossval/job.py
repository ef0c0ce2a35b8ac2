"""One fold with one seed, fitted and tested by two processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from lightning.pytorch.loggers import TensorBoardLogger

from emollm.evaluation.pool import FoldReport
from emollm.files import file_name

_LOGGER = f"{TensorBoardLogger.__module__}.{TensorBoardLogger.__qualname__}"


@dataclass
class Job:
    """One fold with one seed: fitted, then tested, each by a process of its own.

    Attributes:
        fold: the fold's name.
        seed: of what is random in training: where weights begin, dropout, order and augmentation; None leaves the
            recipe's. Folds have seeds of their own.
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
        own = [f"--data.protocol.init_args.fold={_as_text(self.fold)}"] if self.flag else []
        if self.seed is not None:
            own += [f"--{name}={self.seed}" for name in ("seed_everything", "model.seed", "data.seed")]
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


def _as_text(fold: str) -> str:
    """A fold's name on a command line, which reads YAML: there 010 is the number 8, and 1_0 the number 10."""
    try:
        unchanged = str(yaml.safe_load(fold)) == fold
    except yaml.YAMLError:
        unchanged = False
    return fold if unchanged else json.dumps(fold, ensure_ascii=False)
