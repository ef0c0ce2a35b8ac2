"""The command line: recipes, what beats what, and bad input in one sentence."""

import errno
import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pandas as pd
import pytest
import soundfile
import torch
import yaml

from emollm import cli, factory
from emollm.__main__ import main
from emollm.arguments import in_turn
from emollm.callbacks.writer import PredictionWriter
from emollm.models.interfaces import MLPInterface
from tests.conftest import REPOSITORY
from tests.fake_corpus import tone
from tests.small import run

RECIPES = sorted((REPOSITORY / "configs").glob("*.yaml"))


@pytest.fixture
def parsed(monkeypatch):
    """Parses a command line and makes the module, the data and the trainer, but starts nothing."""
    made = []
    monkeypatch.setattr(cli.EmotionCLI, "_run_subcommand", lambda self, verb: made.append(self))

    def parse(*args):
        assert main([str(arg) for arg in args]) == 0
        return made[-1]

    return parse


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_says_what_the_run_is(parsed, recipe):
    made = parsed("fit", "--config", recipe)
    written = yaml.safe_load(recipe.read_text())
    assert made.model.method == written["method"]
    assert made.datamodule.batch_size == written["data"]["batch_size"]
    assert made.datamodule.labels.names == made.model.label_set.names
    assert len(made.datamodule.corpora) == len(written["data"]["corpora"])
    epochs = sum(stage["epochs"] for stage in written["model"].get("stages", []))
    assert made.trainer.max_epochs == (epochs or written["trainer"]["max_epochs"])
    remembered = deepcopy(made.model.recipe)
    again = factory.build(made.model.method, made.model.recipe)
    assert again.recipe == remembered, "what a checkpoint remembers builds the same model"
    assert made.model.recipe == remembered, "and stays as it is"


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
@pytest.mark.parametrize("verb", ["validate", "test", "predict"])
def test_every_recipe_serves_the_other_verbs(parsed, recipe, verb, tmp_path):
    parsed(verb, "--config", recipe, *([tmp_path] if verb == "predict" else []))


def test_a_flag_beats_the_yaml_and_the_yaml_beats_the_checkpoint(parsed, small_run, tmp_path):
    """The checkpoint remembers 12 answer tokens, and a recipe without data."""
    mine = tmp_path / "mine.yaml"
    mine.write_text("model: {max_answer_tokens: 34}\ndata: {batch_size: 5}\n")
    named = ["test", "--ckpt_path", small_run.checkpoint]
    assert parsed(*named).model.max_answer_tokens == 12
    assert parsed(*named, "--config", mine).model.max_answer_tokens == 34
    flags = ["--model.max_answer_tokens", "56", "--data.batch_size=7"]
    for args in (["--config", mine, *flags], [*flags, "--config", mine]):
        made = parsed(*named, *args)
        last = args[-1] == mine
        assert made.model.max_answer_tokens == (34 if last else 56), "of two, the later one wins"
        assert made.datamodule.batch_size == (5 if last else 7)
    assert parsed(*named, "--config", mine).datamodule.batch_size == 5
    assert parsed(*named).datamodule.batch_size is None


def test_an_interface_has_its_own_defaults_and_not_those_of_another(parsed):
    interface = parsed("fit", "--model.interface", "emollm.models.interfaces.StatisticsInterface").model.interface(
        8, 8
    )
    assert interface.layers[2].out_features == 256
    assert interface.layers[1].p == 0.3


def test_a_later_yaml_beats_an_earlier_one(parsed, tmp_path):
    for index in (1, 2):
        (tmp_path / f"{index}.yaml").write_text(f"data: {{batch_size: {index}}}\n")
    assert parsed("fit", "--config", tmp_path / "1.yaml", "-c", tmp_path / "2.yaml").datamodule.batch_size == 2


def test_the_method_comes_from_flag_yaml_or_checkpoint(parsed, small_run, tmp_path):
    (tmp_path / "probe.yaml").write_text("method: probe\n")
    assert parsed("fit", "--config", tmp_path / "probe.yaml").model.method == "probe"
    args = ["fit", "--config", tmp_path / "probe.yaml", "--method", "emotion_llm"]
    assert parsed(*args).model.method == "emotion_llm"


def test_model_names_a_checkpoint(parsed, small_run):
    for args in (["--model", small_run.checkpoint], [f"--model={small_run.checkpoint}"]):
        made = parsed("predict", small_run.folder, *args)
        assert made.stored.name.startswith("best@")
        assert made.model.max_answer_tokens == 12


def test_of_several_checkpoints_the_last_one_and_a_flag_before_a_recipe_count(parsed, small_run, tmp_path):
    (tmp_path / "resumed.yaml").write_text(f"ckpt_path: {small_run.checkpoint}\n")
    made = parsed("test", "--config", tmp_path / "resumed.yaml")
    assert made.stored.name.startswith("best@"), "as a run that was resumed writes it into its config.yaml"
    last = small_run.checkpoint.with_name("last.ckpt")
    for args in (["--config", tmp_path / "resumed.yaml"], ["--model", small_run.checkpoint]):
        assert parsed("predict", small_run.folder, *args, "--model", last).stored.name.startswith("last@")


def test_two_stretches_of_one_file_are_labelled_and_not_done_again(small_run, tmp_path, capsys):
    """The transcriber is not asked where every transcript is given."""
    (tmp_path / "sound").mkdir()
    soundfile.write(tmp_path / "sound" / "a.wav", tone(300, 0.5), 16_000)
    (tmp_path / "table.csv").write_text("path,transcript,start,end\nsound/a.wav,hi,,0.25\nsound/a.wav,you,0.25,\n")
    args = ["predict", tmp_path / "table.csv", "--model", small_run.checkpoint, "--output", tmp_path / "out"]
    args += ["--trainer.accelerator", "cpu", "--data.num_workers", "0"]
    assert main([str(arg) for arg in args]) == 0
    rows = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert [Path(path).name for path in rows["path"]] == ["a.wav#t=0,0.25", "a.wav#t=0.25"]
    assert rows["transcript"].tolist() == ["hi", "you"]
    assert rows["duration"].tolist() == [0.25, 0.25]
    assert main([str(arg) for arg in args]) == 0
    assert "2 of 2 recordings were done before" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (["--model.prompt", "transcript_audio"], "another prompt ('audio_transcript@"),
        (["--data.transcriber", "packaged:whisper-base"], "another transcriber ('none', not 'packaged:"),
    ],
)
def test_a_resumed_predict_mixes_no_rows_of_two_kinds(small_run, tmp_path, capsys, change, says):
    soundfile.write(tmp_path / "a.wav", tone(300, 0.5), 16_000)
    args = ["predict", tmp_path / "a.wav", "--model", small_run.checkpoint, "--output", tmp_path / "out"]
    args += ["--trainer.accelerator", "cpu", "--data.num_workers", "0", "--data.transcriber", "none"]
    assert main([str(arg) for arg in args]) == 0
    assert main([str(arg) for arg in [*args, *change]]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert "--restart true" in said
    assert main([str(arg) for arg in args]) == 0, "what was refused left the rows as they were"


HEAVY = ("torch", "lightning", "transformers", "torchaudio", "peft", "pandas", "numpy")


@pytest.mark.parametrize("args", [["--help"], ["-h"], [], ["--version"]])
def test_the_front_page_imports_nothing_heavy(args):
    code = (
        "import sys, json; from emollm.__main__ import main; status = main(json.loads(sys.argv[1]));"
        f"print('heavy:', [n for n in {HEAVY} if n in sys.modules]); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code, json.dumps(args)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy: []"


FIT = ["fit", "--config", str(REPOSITORY / "configs" / "whisper_smollm2.yaml")]
BAD = {
    "verb": (["nonsense"], "There is no verb 'nonsense'"),
    "flag": ([*FIT, "--nonsense", "1"], "--nonsense"),
    "flag of the model": ([*FIT, "--model.nonsense", "1"], "--model.nonsense"),
    "method": (["fit", "--method", "nonsense"], "method is 'nonsense'"),
    "missing yaml": (["fit", "--config", "gone.yaml"], "There is no configuration file gone.yaml"),
    "yaml without keys": (["fit", "--config", "list.yaml"], "list.yaml is not a recipe"),
    "yaml with a wrong key": (["fit", "--config", "wrong.yaml"], "model.nonsense"),
    "yaml that is none": (["fit", "--config", "torn.yaml"], "torn.yaml is not a readable YAML file"),
    "a key twice": (
        ["fit", "--config", "twice.yaml"],
        "twice.yaml is not a readable YAML file: 'model' is written",
    ),
    "yaml that is a folder": (["fit", "--config", "."], "given to --config, cannot be read"),
    "yaml left out": (["fit", "--config"], "--config"),
    "number": ([*FIT, "--data.batch_size", "many"], "data.batch_size"),
    "impossible number": ([*FIT, "--data.batch_size", "0"], "data.batch_size must be at least 1"),
    "no tokens": ([*FIT, "--data.batch_tokens", "0"], "data.batch_tokens must be at least 1"),
    "tokens unsorted": ([*FIT, "--data.batch_tokens", "9", "--data.bucket", "false"], "needs data.bucket"),
    "no length is allowed": ([*FIT, "--data.max_seconds", "-1"], "data.max_seconds -1"),
    "choice": ([*FIT, "--model.objective", "nonsense"], 'model.objective": choose one of label_set, tokens.'),
    "share": ([*FIT, "--model.label_smoothing", "2"], "model.label_smoothing is 2.0: it is a share"),
    "class": ([*FIT, "--model.interface", "Nonsense"], "model.interface"),
    "ablation": (
        ["test", "--ablations", "WRONG"],
        "--ablations is 'WRONG': write all, none, or some of audio, transcript, shuffled_audio",
    ),
    "baseline among others": (
        ["test", "--baselines", "majority,WRONG"],
        "--baselines is 'WRONG': write all, none, or some of majority, probe, transcript_llm, with commas.\n",
    ),
    "baseline in a list": (["test", "--baselines=[WRONG]"], "--baselines is 'WRONG': write all, none, or some of"),
    "prompt": ([*FIT, "--model.prompt", "nonsense"], "There is no prompt template 'nonsense'"),
    "labels": ([*FIT, "--model.labels", "nonsense"], "There is no label set 'nonsense'"),
    "labels that YAML takes for something else": (
        [*FIT, "--config", "yes.yaml"],
        'model.labels": a word is wanted where True stands: put quotes around it',
    ),
    "a list of numbers with a word": ([*FIT, "--model.backbone.layers", "[2, x]"], "Got value: x"),
    "a stage's prompt in a list": ([*FIT, "--config", "stage.yaml"], "['a']"),
    "what a constructor refuses": (
        [*FIT, "--data.protocol", "CrossCorpus", "--data.protocol.train", "[a]"],
        "emollm: protocol.train and protocol.test go together",
    ),
    "the same of crossval": (
        ["crossval", *FIT[1:], "--data.protocol.validation", "2"],
        "emollm: protocol.validation is 2.0: it is a share",
    ),
    "protocol": (
        [*FIT, "--data.protocol", "Nonsense"],
        "'Nonsense' is no class; write package.module.Class",
    ),
    "no corpora": (["fit"], "data.corpora is empty"),
    "missing corpus": (FIT, "ravdess: correct the path, or set EMOLLM_DATA"),
    "missing source": (["predict"], "source"),
    "missing folder": (["predict", "gone"], "There is no file or folder gone"),
    "missing checkpoint": (["test", "--ckpt_path", "gone.ckpt"], "There is no model at gone.ckpt"),
    "missing checkpoint to resume": ([*FIT, "--ckpt_path", "gone.ckpt"], "There is no model at gone.ckpt"),
    "checkpoint that is text": (
        ["predict", ".", "--model", "text.ckpt"],
        "text.ckpt cannot be read as a checkpoint",
    ),
    "an abbreviated option": (["predict", ".", "--ckpt", "text.ckpt"], "--ckpt"),
    "an abbreviated recipe": (["fit", "--conf", "wrong.yaml"], "--conf"),
    "an empty model": (["predict", ".", "--model", ""], "--ckpt_path (or --model) is empty"),
    "the checkpoint of a recipe": (["test", "--config", "resumed.yaml"], "There is no model at gone.ckpt"),
    "folder that is no model": (["predict", ".", "--model", "."], "is not a model exported by emollm"),
    "missing export": (["export", "gone.ckpt", "--output", "out"], "There is no model at gone.ckpt"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EMOLLM_DATA", raising=False)
    Path("list.yaml").write_text("- model\n")
    Path("wrong.yaml").write_text("model: {nonsense: 1}\n")
    Path("yes.yaml").write_text("model: {labels: [yes, no]}\n")
    Path("stage.yaml").write_text("model: {stages: [{prompt: [a]}]}\n")
    Path("torn.yaml").write_text("model: {labels: [a\n")
    Path("twice.yaml").write_text("model: {labels: [a, b]}\nmodel: {seed: 1}\n")
    Path("text.ckpt").write_text("hello")
    Path("resumed.yaml").write_text("ckpt_path: gone.ckpt\n")
    args, says = BAD[name]
    assert main(args) == 2
    out, err = capsys.readouterr()
    assert says in err
    assert err.startswith("emollm: ")
    assert err.count("\n") == 1, "one line"
    assert len(err) < 500
    assert "Traceback" not in out + err
    assert "usage:" not in out + err


def test_an_export_is_no_run_to_resume(small_run, tmp_path, capsys):
    assert main(["export", str(small_run.checkpoint), "--output", str(tmp_path / "model")]) == 0
    assert main(["fit", "--config", str(small_run.config), "--ckpt_path", str(tmp_path / "model")]) == 2
    assert "checkpoints/last.ckpt" in capsys.readouterr().err


def test_validate_reports_the_validation_part(small_run, tmp_path):
    folder = run(tmp_path, "validate", "--config", small_run.config, "--ckpt_path", small_run.checkpoint)
    values = json.loads((folder / "metrics.json").read_text())
    assert values["part"] == "validation"
    assert values["summary"]["result"]["n"] == len(pd.read_csv(folder / "predictions.csv")) > 0


@pytest.mark.parametrize("flag", ["--model.labels=[angry,sad]", "--model.llm.adapter.rank=2"])
@pytest.mark.parametrize("exported", [False, True])
def test_weights_of_another_shape_are_refused(small_run, tmp_path, capsys, flag, exported):
    model = small_run.checkpoint
    if exported:
        model = tmp_path / "model"
        assert main(["export", str(small_run.checkpoint), "--output", str(model)]) == 0
    stage = ["--model.stages", "[{epochs: 1, answer: head}]"]  # its head has one row a label
    args = ["predict", str(small_run.folder), "--model", str(model), "--output", str(tmp_path / "out"), flag]
    assert main(args if "rank" in flag else [*args, *stage]) == 2
    assert "does not fit the model" in capsys.readouterr().err


def test_of_two_recipes_the_second_ones_classes_and_lists_stand_alone(parsed, tmp_path):
    """The parser itself would give the new class those arguments of the old one whose names it knows."""
    (tmp_path / "mine.yaml").write_text(
        "data:\n  corpora:\n  - class_path: emollm.data.corpora.Table\n    init_args: {file: mine.csv}\n"
        "  protocol:\n    class_path: emollm.data.protocols.GroupedKFold\n"
        "model:\n  interface:\n    class_path: MLPInterface\n"
    )
    recipe = REPOSITORY / "configs" / "whisper_smollm2.yaml"
    fold = ["--data.protocol.k", "3"]
    made = parsed("fit", "--config", recipe, f"--config={tmp_path / 'mine.yaml'}", *fold)
    (table,) = made.datamodule.corpora
    assert (table.root, table.name) == ("", "mine")
    assert (made.datamodule.protocol.k, made.datamodule.protocol.validation) == (3, 0.15)
    interface = made.config["fit"]["model"]["interface"]
    assert interface.class_path.endswith("MLPInterface")
    assert "tokens" not in interface.init_args
    assert interface.init_args.dropout != 0.5, "its own default"


def test_of_two_recipes_what_is_of_one_class_is_joined():
    first = {
        "data": {"protocol": {"class_path": "a.b.Folds", "init_args": {"fold": 2, "seed": 1}}, "batch_size": 4}
    }
    second = {"data": {"protocol": {"class_path": "Folds", "init_args": {"fold": 3}}}}
    assert in_turn([first, second]) == [first, second]
    other = {"data": {"protocol": "Other"}}
    assert in_turn([first, second, other]) == [{"data": {"batch_size": 4}}, {"data": {}}, other]


def test_a_run_that_is_asked_to_end_ends_and_goes_on(small_run, tmp_path, capsys):
    args = ["predict", str(small_run.folder / "ravdess"), "--model", str(small_run.checkpoint)]
    args += ["--output", str(tmp_path), "--trainer.accelerator", "cpu", "--data.num_workers", "0"]
    args += ["--data.transcriber", "none", "--data.batch_size", "2"]
    ask = "--trainer.callbacks+=tests.killing.Ask"
    with pytest.raises(SystemExit) as ended:
        main([*args, ask])
    assert ended.value.code == 143
    assert "stopped by SIGTERM; the same command goes on" in capsys.readouterr().err
    written = (tmp_path / "predictions.jsonl").read_text().splitlines()
    assert 2 <= len(written) <= 4
    assert main(args) == 0
    assert f"{len(written)} of 20 recordings were done before" in capsys.readouterr().err
    tested = ["test", "--config", str(small_run.config), "--ckpt_path", str(small_run.checkpoint), ask]
    with pytest.raises(SystemExit) as ended:
        main([*tested, "--trainer.logger.save_dir", str(tmp_path)])
    assert ended.value.code == 143


def test_everything_goes_below_the_folder_that_the_trainer_names(small_run, tmp_path):
    args = ["--config", str(small_run.config), "--trainer.default_root_dir", str(tmp_path / "mine")]
    assert main(["fit", *args]) == 0
    best = tmp_path / "mine" / "fit" / "version_0" / "checkpoints" / "best.ckpt"
    assert best.is_file()
    assert main(["fit", *args, "--trainer.max_epochs", "2", "--ckpt_path", str(best.with_name("last.ckpt"))]) == 0
    assert (
        main(["test", *args, "--ckpt_path", str(best), "--trainer.logger.save_dir", str(tmp_path / "other")]) == 0
    )
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["fit"]
    assert [path.name for path in (tmp_path / "mine" / "fit").iterdir()] == [
        "version_0"
    ]  # resumed in its own folder
    assert (tmp_path / "other" / "test" / "version_0" / "report.html").is_file()


def test_the_home_folder_is_found_behind_an_equals_sign(small_run, tmp_path, monkeypatch, capsys):
    """A shell leaves ~ as it is there."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "mine.ckpt").write_bytes(small_run.checkpoint.read_bytes())
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    args = ["--config", str(small_run.config), "--trainer.default_root_dir", str(tmp_path / "runs")]
    assert main(["validate", *args, "--ckpt_path=~/mine.ckpt", "--calibrate", "true"]) == 0
    assert (home / "mine.calibration.json").is_file()
    assert not (tmp_path / "~").exists()


def test_a_method_of_the_wrong_kind_is_named(tmp_path, capsys):
    (tmp_path / "m.yaml").write_text("method: [probe]\nmodel: {labels: basic4}\n")
    assert main(["fit", "--config", str(tmp_path / "m.yaml")]) == 2
    assert capsys.readouterr().err == "emollm: method is '['probe']'; choose one of emotion_llm, probe.\n"


def test_several_sources_are_refused_with_what_to_do(capsys, tmp_path):
    assert main(["predict", str(tmp_path / "a.wav"), str(tmp_path / "b.wav")]) == 2
    assert "one SOURCE is labelled, a folder, or a text file with a path a line" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["test", "predict"])
def test_a_recipe_of_another_method_is_named(small_run, tmp_path, capsys, verb):
    source = [str(small_run.folder / "ravdess")] if verb == "predict" else []
    recipe = ["--config", str(REPOSITORY / "configs" / "probe_emodb.yaml")]
    assert main([verb, *source, *recipe, "--ckpt_path", str(small_run.checkpoint)]) == 2
    said = capsys.readouterr().err
    assert said == (
        f"emollm: {small_run.checkpoint} holds a model of method 'emotion_llm', and 'probe' is asked for: "
        "give the recipe with which it was trained, or no recipe.\n"
    )


@pytest.mark.parametrize(
    "flags",
    [
        ["--data.protocol", "{class_path: emollm.data.protocols.SpeakerSplit}"],
        ["--data.protocol=emollm.data.protocols.SpeakerSplit"],
        ["--data.protocol", "SpeakerSplit", "--data.protocol.seed", "3"],
        ["--data.protocol.class_path", "emollm.data.protocols.SpeakerSplit"],
    ],
)
def test_a_flag_that_names_another_class_leaves_nothing_of_the_old_one(parsed, flags):
    recipe = str(REPOSITORY / "configs" / "probe_whisper.yaml")
    assert parsed("fit", "--config", recipe).datamodule.protocol.validation == 0
    protocol = parsed("fit", "--config", recipe, *flags).datamodule.protocol
    assert type(protocol).__name__ == "SpeakerSplit"
    assert protocol.validation > 0, "its own default, not the recipe's 0 of another protocol"
    assert protocol.seed == (3 if "3" in flags else 0)
    kept = parsed("fit", "--config", recipe, "--data.protocol.column", "split").datamodule.protocol
    assert (type(kept).__name__, kept.column, kept.validation) == ("FoldColumn", "split", 0)


class Stepped(MLPInterface):
    """One that computes its places anew wherever it is made."""

    def __init__(self, input_dim, output_dim):
        super().__init__(input_dim, output_dim, hidden=8)
        self.register_buffer("steps", torch.arange(5.0), persistent=False)

    def embed(self, features, mask):
        return super().embed(features + self.steps.sum(), mask)


def test_an_interface_of_ones_own_may_hold_what_is_not_kept(small_run, tmp_path):
    mine = ["--config", str(small_run.config), "--model.interface", "tests.test_cli.Stepped"]
    root = ["--trainer.default_root_dir", str(tmp_path)]
    assert main(["fit", *mine, *root]) == 0
    best = tmp_path / "fit" / "version_0" / "checkpoints" / "best.ckpt"
    assert not [name for name in torch.load(best, weights_only=True)["state_dict"] if name.endswith("steps")]
    assert main(["validate", *mine, *root, "--ckpt_path", str(best)]) == 0


def test_a_full_disk_is_one_sentence(small_run, tmp_path, capsys, monkeypatch):
    def full(self, rows):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(PredictionWriter, "append", full)
    args = ["predict", str(small_run.folder / "ravdess"), "--model", str(small_run.checkpoint)]
    args += ["--trainer.accelerator", "cpu", "--data.num_workers", "0", "--data.transcriber", "none"]
    assert main([*args, "--output", str(tmp_path)]) == 2
    err = capsys.readouterr().err.strip().splitlines()[-1]
    assert err.startswith(
        "emollm: the disk of the output or the cache is full, or your share of it: make room; the same command"
    )


@pytest.mark.parametrize("verb", ["export", "predict"])
def test_a_place_that_cannot_be_written_to_is_named(small_run, tmp_path, capsys, verb):
    (tmp_path / "file").write_text("")
    output = ["--output", str(tmp_path / "file" / "below")]
    source = [str(small_run.checkpoint)]
    if verb == "predict":
        source = [str(small_run.folder / "ravdess"), "--model", *source, "--trainer.accelerator", "cpu"]
    assert main([verb, *source, *output]) == 2
    assert f"{tmp_path / 'file'}" in (said := capsys.readouterr().err)
    assert "cannot be used" in said


def test_a_place_that_there_cannot_be_is_named(tmp_path, capsys, monkeypatch):
    def missing(*_):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "/proc/a")

    monkeypatch.setattr("emollm.verbs.results.main", missing)
    assert main(["results", str(tmp_path), "--output", "/proc/a/b"]) == 2
    assert capsys.readouterr().err == "emollm: /proc/a cannot be used: No such file or directory.\n"


@pytest.mark.parametrize(("verb", "way"), [("fit", "last.ckpt"), ("predict", "the same command goes on")])
def test_an_interrupted_run_says_how_to_go_on(monkeypatch, capsys, verb, way):
    def interrupted(argv):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            sys.exit(1)  # as Lightning does

    monkeypatch.setattr(cli, "run", interrupted)
    assert main([verb]) == 130
    assert way in capsys.readouterr().err


def test_fit_tells_that_a_pass_is_longer_than_the_training_part(small_run, tmp_path, capsys):
    run(tmp_path, "fit", "--config", small_run.config, "--data.augmentation.speed", "[0.9, 1]")
    assert "training (each at speed 0.9, 1) and" in " ".join(capsys.readouterr().out.split())


def test_the_report_of_a_fits_own_recipe_is_no_fit(small_run):
    """As ``fit`` tells to go on: its saved recipe names the folder of fits."""
    before = set((small_run.folder / "fit").iterdir())
    recipe_of_the_run = small_run.checkpoint.parent.parent / "config.yaml"
    args = ["--config", str(recipe_of_the_run), "--ckpt_path", str(small_run.checkpoint), "--ablations", "none"]
    assert main(["test", *args, "--baselines", "none"]) == 0
    assert set((small_run.folder / "fit").iterdir()) == before
    assert any((small_run.folder / "test").glob("version_*/metrics.json"))


def test_labels_are_not_balanced_twice(small_run, tmp_path, capsys):
    args = ["--config", str(small_run.config), "--data.mixing.balance", "true", "--model.balance_loss", "true"]
    assert main(["fit", *args, "--data.cache.folder", str(tmp_path / "cache")]) == 2
    assert not list(tmp_path.rglob("*.npy")), "it is said before anything is encoded"
    assert "both together more: leave one of them out" in capsys.readouterr().err
