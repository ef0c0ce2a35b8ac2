"""The command line of fit, validate, test and predict: LightningCLI, with three rules of its own.

One verb's parser is built, not four. What a checkpoint remembers is read as the first configuration file, so
that the YAML beats it and a flag beats both. Trained weights are put into the model here, so that a checkpoint,
an exported folder and the default model behave alike.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError, set_parsing_settings
from lightning.pytorch import Trainer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import TensorBoardLogger

from emollm import weights
from emollm.arguments import chosen, fault_of, model_is_checkpoint, read_yaml, values_of, with_configs_in_turn
from emollm.baselines import BASELINES
from emollm.calibrate import calibrate, file_beside, tell_fault
from emollm.callbacks.settings import settings_of
from emollm.callbacks.speakers import SpeakerListener
from emollm.callbacks.stop import StopOnSignal
from emollm.callbacks.writer import PredictionWriter
from emollm.data.ablations import ABLATIONS
from emollm.data.context import with_context
from emollm.data.datamodule import EmotionData
from emollm.data.listing import recordings
from emollm.data.trained_on import refuse_another_split, refuse_heard
from emollm.data.utterance import UtteranceTable
from emollm.errors import UserError
from emollm.factory import method_class
from emollm.modules.base import EmotionModule
from emollm.modules.listener import IN_RANGES, Listener, by_folder
from emollm.modules.processes import refuse_sharding
from emollm.options import RUNS, add_options, trainer_defaults
from emollm.quiet import hush

_NEWEST = ("best", "last", "hpc")
"""What Lightning takes for ``--ckpt_path`` beside a file."""
_PARSER = {"exit_on_error": False, "allow_abbrev": False}


class EmotionCLI(LightningCLI):
    """LightningCLI for one verb and one method.

    Args:
        verb: ``fit``, ``validate``, ``test`` or ``predict``.
        module: the class of the method.
        stored: what was read from a checkpoint or an exported folder, if one was named.
        args: the arguments to parse, the verb first.
        command: what the user typed, for the record.
    """

    datamodule: EmotionData
    model: EmotionModule

    def __init__(
        self,
        verb: str,
        module: type[EmotionModule],
        stored: weights.Stored | None,
        args: list[str],
        command: str = "",
    ) -> None:
        self.verb = verb
        self.stored = stored
        self.command = command
        super().__init__(
            module,
            EmotionData,
            save_config_callback=SaveConfigCallback if verb == "fit" else None,
            save_config_kwargs={"overwrite": True},
            trainer_defaults=trainer_defaults(verb),
            seed_everything_default=0,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            # Raised instead of printed below two hundred lines of usage.
            # And no --ckpt for --ckpt_path: what is looked for before parsing is looked for by its name.
            parser_kwargs={**_PARSER, verb: _PARSER},
            args=args,
        )

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """The one verb that was asked for: three parsers less to build."""
        return {self.verb: LightningCLI.subcommands()[self.verb]}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Options beside trainer, model and data."""
        add_options(parser, self.verb, self._model_class.method)

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse the arguments that were given, whatever ``sys.argv`` holds."""
        try:
            self.config = parser.parse_args(args)
        except ArgumentError as error:
            fault = fault_of(error)
            if self.verb == "predict" and "nrecognized arguments" in fault:
                fault += ": one SOURCE is labelled, a folder, or a text file with a path a line"
            raise UserError(f"{fault}. 'emollm {self.verb} --help' shows every option.") from error

    def _parse_ckpt_path(self) -> None:
        """Switched off: it would let a checkpoint's hyper-parameters beat flags."""

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Tell the module its recipe and its place, and run as long as its stages last."""
        self._dump_config()
        self.model.recipe = self.config_dump["model"]
        config = self._get(self.config_init, "trainer")
        if self.datamodule.context is None and self.stored is not None:
            self.datamodule.context = self.stored.specification.get("context")
        config["logger"] = self._same_folder(_below(config["default_root_dir"], config["logger"]))
        # In a test, baselines are fitted for as long as the recipe was.
        if config["max_epochs"] is None and config["max_steps"] == -1:
            kwargs["max_epochs"] = sum(stage.epochs for stage in getattr(self.model, "stages", [])) or 10
        trainer = super().instantiate_trainer(**kwargs)
        refuse_sharding(trainer.strategy)
        self.model.place = trainer.strategy.root_device
        trainer.callbacks.append(StopOnSignal())
        return trainer

    def _same_folder(self, logger: Any) -> Any:
        """A resumed run goes on in the folder it was stopped in; a test of a fit's recipe is no fit."""
        if self.verb != "fit":
            others = {"fit", "validate", "test"} - {self.verb}
            is_other = isinstance(logger, TensorBoardLogger) and logger.name in others
            return TensorBoardLogger(logger.save_dir, self.verb, logger._version) if is_other else logger
        path = self._get(self.config_init, "ckpt_path")
        if not path or not isinstance(logger, TensorBoardLogger):
            return logger
        folder = Path(path).resolve().parent.parent
        if folder.parent != Path(logger.root_dir).resolve():
            return logger
        return TensorBoardLogger(logger.save_dir, logger.name, version=folder.name)

    # -- verbs ----------------------------------------------------------------------------------------------

    def fit(self, **kwargs: Any) -> None:
        """Train; what is refused before the first step leaves nothing behind."""
        self.model.refuse_data(self.datamodule)
        split = self.datamodule.read()
        if self.stored is not None:
            refuse_another_split(self.stored.specification.get("trained_on"), split)
        try:
            self.trainer.fit(**kwargs)
        except UserError:
            self._forget()
            raise

    def _forget(self) -> None:
        """Remove the folder of a run that holds nothing but its recipe, so that the next one has its number."""
        if not isinstance(self.trainer.logger, TensorBoardLogger) or not self.trainer.is_global_zero:
            return
        folder = Path(self.trainer.logger.log_dir)
        files = [file.name for file in folder.rglob("*") if file.is_file()]
        if all(name in ("config.yaml", "hparams.yaml") or name.startswith("events.") for name in files):
            shutil.rmtree(folder, ignore_errors=True)

    def validate(self, **kwargs: Any) -> None:
        """Measure on the validation part."""
        self._evaluate("validate", kwargs)

    def test(self, **kwargs: Any) -> None:
        """Measure on the test part."""
        self._evaluate("test", kwargs)

    def _evaluate(self, verb: str, kwargs: dict[str, Any]) -> None:
        asked = self.config_init[verb]
        ablations = chosen("--ablations", asked.get("ablations"), ABLATIONS)
        baselines = chosen("--baselines", asked.get("baselines"), BASELINES)
        split = self.datamodule.read()
        self._load_weights()
        from emollm.evaluator import Evaluator  # plots and statistics, which fit and predict do without

        if asked.get("calibrate"):
            if self.stored is None:
                raise UserError("There is nothing to calibrate: name a model with --ckpt_path.")
            refuse_heard(self.model.trained_on, split.validation, "calibrated")
        Evaluator(
            self.trainer,
            self.model,
            self.datamodule,
            "validation" if verb == "validate" else "test",
            ablations,
            baselines,
            self.command,
            yaml.safe_dump(_without_none(self.config_dump), sort_keys=False, allow_unicode=True),
        ).run()
        if asked.get("calibrate"):
            self._calibrate()

    def _calibrate(self) -> None:
        path = self._get(self.config_init, "ckpt_path")
        calibration = calibrate(self.model, self.datamodule.parts.name)
        if calibration is None:
            raise UserError("There is nothing to calibrate: no labelled utterance of this part could be read.")
        if self.trainer.is_global_zero:
            file = file_beside(Path(path))
            calibration.write(file)
            print(f"Temperature {calibration.temperature:.2f} in {file}")
            tell_fault(calibration, file)

    def predict(self, **kwargs: Any) -> None:
        """Label recordings, writing rows as they come."""
        source = self.config_init[self.verb]
        table = with_context(recordings(source["source"]), self.datamodule.turns)
        self._load_weights()
        if source["speaker_range"]:
            # Rows of one clip at a time are never gone on with, nor taken for these.
            self.model.name += IN_RANGES
            table = by_folder(table)
        output, restart = Path(source["output"]), source["restart"]
        settings = settings_of(self.model, self.datamodule)
        if source["speaker_range"] and self.model.speaker_range is not None:
            settings["guard of ranges"] = self.model.speaker_range.guard
        together = table if source["speaker_range"] else None
        writer = PredictionWriter(output, self.model.labels, self.model.name, restart, settings, together)
        writer.check()
        if source["speaker_range"]:
            self._hear(table)
        self.datamodule.table = table
        self.trainer.callbacks.append(writer)
        self.trainer.predict(self.model, datamodule=self.datamodule, return_predictions=False)
        if self.trainer.is_global_zero:
            writer.finish(table)

    def _hear(self, table: UtteranceTable) -> None:
        """Listen to all recordings, those that were labelled before too, for the ranges of their speakers."""
        listener = Listener(self.model)
        callback = SpeakerListener(listener)
        self.datamodule.table, self.datamodule.keeps_features = table, True
        self.trainer.callbacks.append(callback)
        for _ in range(2):
            if not listener.done:
                self.trainer.predict(self.model, datamodule=self.datamodule, return_predictions=False)
        self.trainer.callbacks.remove(callback)
        if not listener.done:
            raise UserError("No recording was heard: --trainer.limit_predict_batches leaves none.")

    def _load_weights(self) -> None:
        if self.stored is not None:
            weights.apply(self.stored, self.model)
        else:
            # The name stands on the report and in every row, where no warning is left.
            self.model.name = "untrained model"
            print("No checkpoint was named: what is not pretrained is random.", file=sys.stderr)


def run(argv: list[str], kind: type[EmotionCLI] = EmotionCLI) -> EmotionCLI:
    """Run ``fit``, ``validate``, ``test`` or ``predict``.

    Args:
        argv: the command line without the program's name, the verb first.
        kind: what does the verb's work; another verb may have its own.
    """
    verb, args = argv[0], model_is_checkpoint(argv[1:])
    asks_help = any(arg in ("-h", "--help") for arg in args)
    # The texts under the fields of dataclasses are their help.
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    configs = [read_yaml(path) for path in values_of(args, "--config", "-c")]
    path = _checkpoint(args, configs)
    if path is not None:
        path = os.path.expanduser(path)  # a shell does not, behind "="
        args = [*args, "--ckpt_path", path]  # so that whoever reads the parsed options finds the same
    if verb == "predict" and path is None and not configs and not asks_help:
        path = str(weights.DEFAULT_MODEL)
    stored = weights.read(path) if path and not (verb == "fit" and path in _NEWEST) else None
    if stored and verb == "fit" and Path(path).is_dir():
        raise UserError(f"{path} is an exported model: a run resumes from its own checkpoints/last.ckpt.")
    method = stored.specification["method"] if stored else "emotion_llm"
    method = next((c["method"] for c in reversed(configs) if "method" in c), method)
    method = next(iter(values_of(args, "--method")), method)
    if stored and method != stored.specification["method"]:
        raise UserError(
            f"{path} holds a model of method '{stored.specification['method']}', and '{method}' is asked for: "
            "give the recipe with which it was trained, or no recipe."
        )
    hush()
    with tempfile.TemporaryDirectory() as scratch:
        if stored and verb != "fit":
            remembered = Path(scratch) / "checkpoint.yaml"
            remembered.write_text(yaml.safe_dump({"model": stored.specification["model"]}), encoding="utf-8")
            args = ["--config", str(remembered), *args]
        args = with_configs_in_turn(args, Path(scratch))
        return kind(verb, method_class(method), stored, [verb, *args], shlex.join(["emollm", *argv]))


def _checkpoint(args: list[str], configs: list[dict[str, Any]]) -> str | None:
    """The checkpoint or export that is named, the last one if there are several; a flag beats a recipe.

    Raises:
        UserError: when it is an empty word, as of a variable that nobody set.
    """
    flags = values_of(args, "--ckpt_path")
    named = [*(config["ckpt_path"] for config in configs if "ckpt_path" in config), *flags]
    if not named or named[-1] is None:
        return None
    if not str(named[-1]).strip():
        raise UserError(
            "--ckpt_path (or --model) is empty: name a checkpoint or an exported folder, or leave it out."
        )
    return str(named[-1])


def _without_none(values: Any) -> Any:
    """A configuration without what nobody set."""
    if not isinstance(values, dict):
        return values
    return {key: _without_none(value) for key, value in values.items() if value is not None}


def _below(root: str | None, logger: Any) -> Any:
    """The logger that every verb has, in the folder that the trainer names, where none of its own is asked for."""
    plain = isinstance(logger, TensorBoardLogger) and logger.save_dir == RUNS
    return TensorBoardLogger(root, logger.name, logger._version) if root and plain else logger
