"""``emollm test`` and ``emollm validate``: the numbers, and all that must stand beside them to be trusted."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from lightning.pytorch import Trainer
from rich.console import Console

from emollm import baselines
from emollm.callbacks.collect import Collector
from emollm.data.ablations import Ablation, applicable
from emollm.data.datamodule import EmotionData
from emollm.errors import UserError
from emollm.evaluation import summarise, to_frame, write
from emollm.evaluation.frame import scored
from emollm.evaluation.remarks import Remark, spoken
from emollm.models.ranges import Sums
from emollm.modules.base import EmotionModule
from emollm.modules.speaker_range import by_corpus, emotions_by_speaker, merged, nameless
from emollm.prediction import Prediction
from emollm.record import Part, Row, record, told
from emollm.report.figures import log_rows, save_figures
from emollm.report.html import write_report
from emollm.report.tables import comparison_table, metrics_table, per_class_table


class Evaluator:
    """Measures a module: itself, what it takes from each input (ablations), and what it must beat (baselines).

    Args:
        trainer: with whose device, precision and logger to measure.
        module: a built module with its weights.
        data: the utterances.
        part: the part that is measured; ablations and baselines belong to the test part.
        ablations: names of those to run where they mean something.
        baselines: names of those to run.
        command: as the user typed it, for the record.
        recipe: the whole configuration as YAML, for the record.
    """

    def __init__(
        self,
        trainer: Trainer,
        module: EmotionModule,
        data: EmotionData,
        part: Part = "test",
        ablations: list[str] | None = None,
        baselines: list[str] | None = None,
        command: str = "",
        recipe: str = "",
    ) -> None:
        self.trainer = trainer
        self.module = module
        self.data = data
        self.part = part
        self.ablations = ablations or []
        self.baselines = baselines or []
        self.command = command
        self.recipe = recipe
        self.folder = Path(trainer.log_dir or trainer.default_root_dir)
        self.console = Console()
        self._collector = Collector()
        self._counted: set[str] = set()
        trainer.callbacks.append(self._collector)

    def run(self) -> Row | None:
        """Measure, print, and write the report's folder.

        Returns:
            What ``metrics.json`` holds; None in all processes but the first.
        """
        limit = self.trainer.limit_test_batches
        try:
            return self._run()
        finally:
            self.data.measured, self.trainer.limit_test_batches = None, limit

    def _run(self) -> Row | None:
        ranges = self.module.ranges
        ranges = ranges if ranges is not None and ranges.learned else None
        if ranges is not None:
            ranges.listen()
        predictions = self._pass()
        heard = None if ranges is None else merged(ranges.stop())
        figures = self.module.metrics[self.part]
        results, rate = figures.results(), figures.word_error_rate()
        frame = to_frame(predictions, self.module.labels)
        # Before all that comes beside: whatever happens there, this pass is not lost.
        written = [self._write("predictions.csv", frame)] if self.trainer.is_global_zero else []
        known = self.part, len(predictions), self.command, self.recipe
        content = record(self.trainer, self.module, self.data, *known)
        if rate is not None:
            content["wer"] = rate
        if results is not None:
            content["summary"] = summarise(frame, self.module.labels)
            self._keep_to(predictions)
            content["rows"] = [self._row("model", self.module.name, self._inputs(), "", frame)]
            if heard is not None:
                content["rows"] += self._in_ranges(heard, predictions)
            if self.part == "test":
                content["rows"] += self._ablated() + self._compared(predictions)
        if not self.trainer.is_global_zero:
            return None
        if rate is not None:
            self._say(f"WER {100 * rate:.1f} %, case and punctuation apart.")
        if results is not None:
            self.console.print(metrics_table(results), per_class_table(results))
            if len(content["rows"]) > 1:
                self.console.print(comparison_table(content["rows"]))
                for row in content["rows"]:
                    if row["kind"] == "range" and (remark := spoken("", row.get("remarks", [])).strip()):
                        self._say(f"{row['title'].capitalize()}: {remark}")
        # Numbers before pictures: whatever a figure runs into, the report is there.
        written += write_report(content, self.folder)
        if results is not None:
            log_rows(content, self.trainer.logger)
            written += save_figures(content, self.folder, self.trainer.logger)
        for line in told(content, frame):
            self._say(line)
        shown = [os.path.relpath(file) if file.is_relative_to(Path.cwd()) else str(file) for file in written]
        self._say("\n  ".join(["Written:", *shown]), soft_wrap=True)
        return content

    # -- passes ---------------------------------------------------------------------------------------------

    def _pass(self) -> list[Prediction]:
        verb = self.trainer.validate if self.part == "validation" else self.trainer.test
        verb(self.module, datamodule=self.data, verbose=False)
        return self._collector.predictions

    def _keep_to(self, predictions: list[Prediction]) -> None:
        """Measure these utterances alone from now on, so that every row is of the same ones.

        An ablation changes lengths, and so batches, of which a limited test takes the first ones; and nobody
        should be given the sound of a recording that cannot be read.
        """
        self._counted = {one.utterance.key for one in predictions if one.probabilities}
        if self.part == "test":
            self.data.measured = self._counted
            self.trainer.limit_test_batches = 1.0

    def _in_ranges(self, heard: dict[str, Sums], plain: list[Prediction]) -> list[Row]:
        """The same model with features in the range of this part, and in that of each speaker where it is safe."""
        settings = self.module.speaker_range
        assert settings is not None
        said = self._emotions(plain)
        corpora = settings.usable_corpora(heard, said, self.module.ranges.shift)

        # What is refused counts as it is, so that one such fold does not take the row from all the others.
        def together() -> list[Prediction]:
            predictions = self._in_range({}, corpora) if corpora else plain
            said.update(self._emotions(predictions))
            answers.append(predictions)
            return predictions

        def alone() -> list[Prediction]:
            if not known:
                raise UserError("no speaker of this part is named")
            return self._in_range(usable, corpora) if usable else answers[-1]

        answers = [plain]
        too_few = "for they are heard in too few clips or, by the model's answers, in too few emotions."
        about = "Not one clip at a time: features are normalised by all clips of their corpus here, unlabelled."
        first = self._try("range", "corpus", "in the corpus's own range", about, together)
        number = len(by_corpus(heard))
        text = "{n} of {of} corpora are left as they are, " + too_few
        first = _remarked(first, lambda: [{"text": text, "n": number - len(corpora), "of": number}])
        usable = settings.usable(heard, said)
        known = sum(not nameless(speaker) for speaker in heard)
        about = (
            "Not one clip at a time: features are normalised by all clips of the same speaker in this part, "
            "unlabelled."
        )
        second = self._try("range", "speaker", "in the speaker's own range", about, alone)
        of_speakers = "{n} of {of} speakers are taken as in the row above, " + too_few
        left = known - len(usable)
        return [first, _remarked(second, lambda: [{"text": of_speakers, "n": left, "of": known}])]

    def _emotions(self, answers: list[Prediction]) -> dict[str, list[int]]:
        return emotions_by_speaker(((one.utterance, one.label) for one in answers), self.module.labels)

    def _in_range(self, speakers: dict[str, Sums], corpora: dict[str, Sums]) -> list[Prediction]:
        module = self.module
        loggers, self.trainer.loggers = self.trainer.loggers, []
        metrics, module.metrics = module.metrics, copy.deepcopy(module.metrics)  # those of one clip at a time stay
        module.ranges.use(speakers, corpora)
        module.view = "own"
        try:
            return self._pass()
        finally:
            module.ranges.use({})
            module.view, module.metrics = "plain", metrics
            self.trainer.loggers = loggers

    def _ablated(self) -> list[Row]:
        rows = []
        loggers, self.trainer.loggers = self.trainer.loggers, []  # the log keeps the figures of the model itself
        for ablation in applicable(self.module.inputs, self.module.has_vote):
            if ablation.name in self.ablations:
                row = self._try("ablation", ablation.name, ablation.title, ablation.about, self._under(ablation))
                rows.append(
                    _remarked(
                        row,
                        lambda a=ablation: a.remarks(self.data.tested, self.data.seed, self.module.inputs),
                    )
                )
        self.trainer.loggers = loggers
        return rows

    def _under(self, ablation: Ablation) -> Callable[[], list[Prediction]]:
        def measure() -> list[Prediction]:
            self.data.ablation, self.module.voter_is_heard = ablation, ablation.hears_voter
            try:
                return self._pass()
            finally:
                self.data.ablation, self.module.voter_is_heard = None, True

        return measure

    def _compared(self, tested: list[Prediction]) -> list[Row]:
        return [
            self._try("baseline", name, *baselines.BASELINES[name], lambda name=name: self._baseline(name, tested))
            for name in self.baselines
            if not self._is(name)
        ]

    def _is(self, name: str) -> bool:
        """Whether the module itself is the baseline, or hears nothing that a baseline could be fitted on."""
        inputs = set(self.module.inputs)
        probe = self.module.method == "probe" or "audio" not in inputs
        return {"probe": probe, "transcript_llm": inputs <= {"transcript"}}.get(name, False)

    def _baseline(self, name: str, tested: list[Prediction]) -> list[Prediction]:
        train = self.data.parts.train
        if not len(train):
            raise UserError("there is no training part to fit it on")
        if name == "transcript_llm" and self.module.method == "probe":
            raise UserError("a probe has no LLM that could be fitted to the words")
        if name == "majority":
            read = [prediction for prediction in tested if prediction.probabilities]
            return baselines.majority(train, read, self.module.labels)
        if self.trainer.world_size > 1:
            raise UserError("it is fitted by one process: test with --trainer.devices 1")
        if self.module.recipe is None:
            raise UserError("the module does not know its recipe")
        if name == "transcript_llm" and None in train.values("transcript"):
            raise UserError("not every training utterance has a transcript")
        make = {"probe": baselines.probe, "transcript_llm": baselines.transcript_llm}[name]
        self._say(f"Baseline: fitting the {baselines.BASELINES[name][0]}.")
        folder = self.folder / "baselines" / name
        return baselines.fit_and_test(make(self.module), self.data, self.trainer, folder)

    def _try(self, kind: str, name: str, title: str, about: str, measure: Callable[[], list[Prediction]]) -> Row:
        """A row of the comparison; what cannot be measured says why instead of ending the run."""
        try:
            frame = to_frame(measure(), self.module.labels)
        except UserError as error:
            return self._row(kind, name, title, about, None, str(error))
        if self.trainer.is_global_zero:
            self._write(f"{kind}s/{name}.csv", frame)
        return self._row(kind, name, title, about, frame)

    def _row(
        self, kind: str, name: str, title: str, about: str, frame: pd.DataFrame | None, why_not: str | None = None
    ) -> Row:
        summary = None
        if frame is not None:
            try:
                summary = summarise(frame, self.module.labels)
            except UserError as error:
                why_not = str(error)
        return {
            "kind": kind,
            "name": name,
            "title": title,
            "about": about,
            "why_not": why_not,
            "same": frame is None or set(frame["id"][scored(frame, self.module.labels)]) == self._counted,
            "result": summary and summary["result"],
            "intervals": summary and summary["intervals"],
            "folds": None,
        }

    # -- records --------------------------------------------------------------------------------------------

    def _inputs(self) -> str:
        return " and ".join(sorted(self.module.inputs))

    def _write(self, name: str, frame: pd.DataFrame) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        write(frame, file)
        return file

    def _say(self, sentence: str, soft_wrap: bool = False) -> None:
        """Print what has names of people and files in it as it is: brackets are no markup."""
        self.console.print(sentence, highlight=False, markup=False, soft_wrap=soft_wrap)


def _remarked(row: Row, remarks: Callable[[], list[Remark]]) -> Row:
    """A row with what must be said of it; of one that was not measured there is nothing to say."""
    if row["why_not"] is not None:
        return row
    made = remarks()
    return {**row, "general": row["about"], "remarks": made, "about": spoken(row["about"], made)}
