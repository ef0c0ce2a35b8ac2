"""`emollm prompts` on tiny models: zero-shot, of a checkpoint, and tuned; skipped templates, and going on."""

import json

import pandas as pd
import pytest
import yaml

from emollm import prompt_trial
from emollm.__main__ import main
from emollm.errors import UserError
from emollm.evaluation import read
from emollm.metrics import from_predictions
from emollm.models.prompts import load_template
from emollm.report.prompts import template_text
from tests.conftest import REPOSITORY
from tests.small import LABELS, WORDS, recipe, run


@pytest.fixture(scope="module")
def config(tiny_llama, tmp_path_factory):
    """A recipe of words alone, without dialogues or recordings."""
    folder = tmp_path_factory.mktemp("prompts")
    rows = [
        f"{part},{LABELS[n % 3]},{WORDS[n % 4]} {n},{part} {n % 4}"
        for part, count in (("train", 6), ("validation", 12), ("test", 6))
        for n in range(count)
    ]
    (folder / "table.csv").write_text("\n".join(["split,label,transcript,speaker", *rows]))
    values = {
        "model": recipe("/nowhere", tiny_llama, prompt="transcript", stages=[{"epochs": 1, "prompt": "audio"}]),
        "data": {
            "corpora": [
                {"class_path": "emollm.data.corpora.Table", "init_args": {"file": str(folder / "table.csv")}}
            ],
            "protocol": {"class_path": "emollm.data.protocols.ColumnSplit"},
            "num_workers": 0,
        },
        "best": {"monitor": "val/weighted_f1"},
        "trainer": {"accelerator": "cpu", "enable_progress_bar": False},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(values))
    return folder / "recipe.yaml"


@pytest.fixture(scope="module")
def measured(config, tmp_path_factory):
    """Every shipped template, zero-shot."""
    output = tmp_path_factory.mktemp("measured") / "out"
    assert prompts(config, output) == 0
    return output


def prompts(config, output, *more):
    return main(["prompts", "--config", str(config), "--output", str(output), *map(str, more)])


def contents(output, way="zero-shot"):
    values = json.loads((output / "prompts.json").read_text())
    return values, {row["template"]: row for row in values["ways"][way]["rows"]}


def test_templates_are_ranked_by_the_figure_of_the_recipe(measured):
    values, rows = contents(measured)
    ranked = [row for row in rows.values() if row["why_not"] is None]
    assert {"transcript", "expert", "form", "label_lines"} <= {row["template"] for row in ranked}
    assert [row["rank"] for row in ranked] == list(range(1, len(ranked) + 1))
    assert values["ways"]["zero-shot"]["ranked_by"] == "weighted_f1"
    figures = [row["weighted_f1"] for row in ranked]
    assert figures == sorted(figures, reverse=True)
    spread = values["ways"]["zero-shot"]["spread"]["weighted_f1"]
    assert spread["mean"] == pytest.approx(sum(figures) / len(figures))
    assert (spread["min"], spread["max"]) == (figures[-1], figures[0])
    table = pd.read_csv(measured / "prompts.csv")
    assert table["template"].tolist() == list(rows)
    assert table["about"].notna().all()


def test_every_figure_follows_from_stored_predictions_of_the_validation_part(measured):
    values, rows = contents(measured)
    for name in ("expert", values["winner"]):
        frame = read(measured / "zero-shot" / f"{name}.csv")
        assert len(frame) == values["utterances"] == 12
        assert frame["speaker"].str.startswith("validation").all()
        result = from_predictions(frame, LABELS).overall
        assert rows[name]["ua"] == pytest.approx(result.ua)
        assert rows[name]["ua_low"] <= result.ua <= rows[name]["ua_high"]


def test_what_the_corpus_or_the_model_cannot_serve_is_skipped_with_the_reason(measured):
    _, rows = contents(measured)
    assert "earlier turns" in rows["dialogue"]["why_not"]
    assert "recording" in rows["cues"]["why_not"]
    assert "recording" in rows["audio"]["why_not"]
    assert rows["audio"]["rank"] is None
    assert not {"asr", "joint"} & set(rows)


def test_the_winner_is_a_template_that_fit_takes(measured, config, tmp_path):
    values, _ = contents(measured)
    assert load_template(str(measured / "winner.yaml")) == load_template(values["winner"])
    args = ["--config", config, "--model.prompt", measured / "winner.yaml", "--model.stages=null"]
    folder = run(tmp_path, "fit", *args, "--trainer.max_steps=1")
    assert (folder / "checkpoints" / "last.ckpt").is_file()


@pytest.mark.parametrize(
    "name",
    [
        "transcript",
        "label_lines",
        "answer_sentence",
        "joint",
        "transcript_context",
        "context_form",
        "transcript_form",
    ],
)
def test_a_template_is_written_as_it_was(name, tmp_path):
    (tmp_path / "t.yaml").write_text(template_text(load_template(name)))
    assert load_template(str(tmp_path / "t.yaml")) == load_template(name)


def test_the_same_command_measures_nothing_again_but_a_changed_template(config, tmp_path, monkeypatch, capsys):
    template = tmp_path / "mine.yaml"
    template.write_text(template_text(load_template("expert")))
    args = (config, tmp_path / "out", "--templates", f"transcript,{template}", "--limit", 7)
    assert prompts(*args) == 0
    assert len(read(tmp_path / "out" / "zero-shot" / "mine.csv")) == 7
    asked = []
    real = prompt_trial.PromptTrial.as_it_is
    monkeypatch.setattr(
        prompt_trial.PromptTrial, "as_it_is", lambda self, one: asked.append(one.name) or real(self, one)
    )
    assert prompts(*args) == 0
    assert asked == []
    template.write_text(template.read_text().replace("expert", "layman"))
    assert prompts(*args) == 0
    assert asked == ["mine"]
    capsys.readouterr()
    assert prompts(*args[:-1], 8) == 2
    assert "was begun with other arguments" in capsys.readouterr().err
    assert prompts(*args[:-1], 8, "--restart") == 0
    assert len(read(tmp_path / "out" / "zero-shot" / "mine.csv")) == 8


def test_every_template_is_asked_about_the_same_utterances_of_a_draw(config, tmp_path):
    assert prompts(config, tmp_path, "--templates", "transcript,expert", "--limit", 5) == 0
    one, other = (read(tmp_path / "zero-shot" / f"{name}.csv")["id"] for name in ("transcript", "expert"))
    assert one.tolist() == other.tolist()
    assert len(one) == 5


def test_a_tuned_template_is_fitted_once_and_a_failing_fit_is_told(config, tmp_path, monkeypatch, capsys):
    output = tmp_path / "out"
    args = (config, output, "--templates", "expert", "--tuned", "true", "--steps", 2)
    assert prompts(*args) == 0
    values, rows = contents(output, "tuned_2")
    assert rows["expert"]["rank"] == 1
    assert "zero-shot" in values["ways"]
    before, after = (read(output / way / "expert.csv")["p_angry"] for way in ("zero-shot", "tuned_2"))
    assert (before - after).abs().max() > 0
    monkeypatch.setattr(prompt_trial.Tuning, "fit", lambda self: None)
    assert prompts(*args) == 0, "and nothing is fitted again"
    (output / "tuned_2" / "expert.csv").unlink()
    capsys.readouterr()
    assert prompts(*args) == 1
    assert "expert: its fit failed; the end of" in capsys.readouterr().err
    assert "its fit failed" in contents(output, "tuned_2")[1]["expert"]["why_not"]
    assert contents(output)[0]["winner"] == "expert", "as it is, it was measured"


def test_a_checkpoint_that_hears_is_asked_with_audio_and_cues(small_run, tmp_path, monkeypatch):
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))
    names = "audio,audio_cues,transcript"
    assert prompts(small_run.config, tmp_path / "a", "--templates", names) == 0
    _, rows = contents(tmp_path / "a")
    assert "without --ckpt_path nothing was trained to hear" in rows["audio"]["why_not"]
    assert rows["transcript"]["rank"] == 1
    assert (
        prompts(small_run.config, tmp_path / "b", "--templates", names, "--ckpt_path", small_run.checkpoint) == 0
    )
    values, rows = contents(tmp_path / "b", "checkpoint")
    assert rows["audio"]["why_not"] is rows["audio_cues"]["why_not"] is rows["transcript"]["why_not"] is None
    assert values["ways"]["checkpoint"]["ranked_by"] == "ua"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (["--templates", "nonsense"], "no prompt template 'nonsense'"),
        (["--templates", ","], "--templates is ','"),
        (["--templates", "expert,sub/expert.yaml"], "two templates 'expert'"),
        (["--limit", "0"], "--limit is 0"),
        (["--limit", "few"], "--limit"),
        (["--steps", "0"], "--steps is 0"),
        (["--tuned", "perhaps"], "--tuned"),
        (["--tuned", "true", "--ckpt_path", "x.ckpt"], "leave --ckpt_path out"),
        (["--tuned", "true", "--model", "x.ckpt"], "leave --ckpt_path out"),
        (["--ckpt_path", "gone.ckpt"], "There is no model at gone.ckpt"),
        (["--model.prompt", "expert"], "--templates"),
        (["--data.batch_size", "many"], "data.batch_size"),
        (["--templates", "cues,dialogue"], "No template could be measured; cues: not every utterance has"),
    ],
)
def test_bad_input_is_told_in_one_sentence(config, tmp_path, capsys, monkeypatch, wrong, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "expert.yaml").write_text(template_text(load_template("expert")))
    assert prompts(config, tmp_path / "out", *wrong) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_a_recipe_is_needed(capsys):
    assert main(["prompts"]) == 2
    assert "needs a recipe" in capsys.readouterr().err


def test_a_probe_reads_no_prompt(capsys):
    assert main(["prompts", "--config", str(REPOSITORY / "configs" / "probe_emodb.yaml")]) == 2
    assert "a probe reads no prompt" in capsys.readouterr().err


def test_help_tells_what_is_looked_at(capsys):
    with pytest.raises(SystemExit) as end:
        main(["prompts", "--help"])
    assert end.value.code == 0
    assert "test part is not looked at" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"inputs": None}, "inputs is None: write a list of words"),
        ({"inputs": "audio"}, "inputs is 'audio': write a list of words, as"),
        ({"user": None}, "user is None: write a text, in quotes"),
        ({"answer": ["{label}"]}, "answer is .*: write a text"),
        ({"name": 5}, "name is 5: write a text"),
    ],
)
def test_fields_of_a_template_of_the_wrong_kind_are_named(tmp_path, changes, says):
    values = load_template("audio").to_dict() | changes
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(UserError, match=rf"t.yaml: {says}"):
        load_template(str(tmp_path / "t.yaml"))
