"""The speech LLM: its losses, what they train, what it answers."""

import json

import pandas as pd
import pytest
import torch
import yaml
from lightning.pytorch.strategies import SingleDeviceStrategy

from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError
from emollm.modules.emotion_llm import EmotionLLM
from emollm.modules.label_loss import LabelLoss
from tests.small import LABELS, WORDS, build, copy, make_batch, recipe, run, train

TASKS = [("audio_transcript", "label_set"), ("audio_transcript", "tokens"), ("asr", "tokens"), ("joint", "tokens")]


@pytest.mark.parametrize(("prompt", "objective"), TASKS)
def test_loss_falls_on_one_batch(tiny_wavlm, tiny_llama, prompt, objective):
    module = build(tiny_wavlm, tiny_llama, prompt=prompt, objective=objective)
    losses = train(module, make_batch(), 40)
    assert losses[-1] < 0.6 * losses[0]


def test_label_set_loss_is_the_cross_entropy_of_the_label_scores(tiny_wavlm, tiny_llama):
    module, batch = build(tiny_wavlm, tiny_llama).eval(), make_batch()
    log_chances = module.score(batch).probabilities.log()
    want = -log_chances.gather(1, batch.targets[:, None]).mean()
    torch.testing.assert_close(module.loss(batch).detach(), want, atol=1e-5, rtol=1e-5)


def test_tokens_loss_is_the_mean_negative_log_likelihood_of_a_token(tiny_wavlm, tiny_llama):
    """Against a forward of the whole sequence, clip by clip, with logits read by hand."""
    module, batch = build(tiny_wavlm, tiny_llama, objective="tokens").eval(), make_batch()
    encoder = module.asking.encoder(module.template)
    speech, _ = module._speech(batch, module.template)
    total, count = 0.0, 0
    for row, target in enumerate(batch.targets.tolist()):
        prompt = encoder.encode(batch.transcripts[row])
        answer = encoder.label_tokens()[target]
        embed = module.model.llm.embed
        parts = [embed(torch.tensor(prompt.before)), speech[row], embed(torch.tensor([*prompt.after, *answer]))]
        logits = module.model.llm.model(inputs_embeds=torch.cat(parts)[None]).logits[0, -len(answer) - 1 : -1]
        total -= logits.log_softmax(-1)[range(len(answer)), answer].sum()
        count += len(answer)
    torch.testing.assert_close(module.loss(batch).detach(), (total / count).detach(), atol=1e-5, rtol=1e-5)


def test_tokens_loss_of_a_transcript_covers_all_its_tokens_and_its_end(tiny_wavlm, tiny_llama):
    module, batch = build(tiny_wavlm, tiny_llama, prompt="asr").eval(), make_batch()
    encoder = module.asking.encoder(module.template)
    answers = [[*encoder._tokenize(text, plain=True), encoder.end_token] for text in batch.transcripts]
    prompts = [encoder.encode() for _ in answers]
    scores, sizes = module.model.answer_scores(prompts, answers, module._speech(batch, module.template)[0])
    assert sizes.tolist() == [len(answer) for answer in answers]
    torch.testing.assert_close(module.loss(batch), -scores.sum() / sizes.sum())


ADAPTERS = ["lora", "dora", "ia3", "none"]


@pytest.mark.parametrize("kind", ADAPTERS)
def test_frozen_parts_stay_and_trained_parts_move(tiny_wavlm, tiny_llama, kind):
    llm = {"source": str(tiny_llama), "adapter": {"kind": kind, "rank": 4, "dropout": 0.0}}
    module = build(tiny_wavlm, tiny_llama, llm=llm)
    before = copy(module)
    train(module, make_batch(), 3)
    after = module.state_dict()
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    adapter = {name for name in before if "lora_" in name or "ia3_" in name}
    assert bool(adapter) == (kind != "none")
    own = {name for name in before if ".interface." in name or ".layer_mix." in name or ".audio.norm." in name}
    assert moved == adapter | own, "each part that is trained, and nothing else"
    without = [name for name, p in module.named_parameters() if p.grad is not None and name not in moved]
    assert without == [], "frozen weights have no gradients"
    assert module.trained_names() == moved


def test_trained_backbone_layers_move_and_the_lower_ones_stay(tiny_wavlm, tiny_llama):
    backbone = {"source": str(tiny_wavlm), "layers": [3], "trained_layers": 1}
    module = build(tiny_wavlm, tiny_llama, backbone=backbone)
    before = copy(module)
    train(module, make_batch(), 2)
    moved = {
        n for n, value in module.state_dict().items() if "backbone" in n and not torch.equal(value, before[n])
    }
    assert moved
    assert all(".layers.2." in name for name in moved)


def test_training_shuffles_labels_and_evaluation_does_not(tiny_wavlm, tiny_llama):
    module, batch = build(tiny_wavlm, tiny_llama, shuffle_labels=True), make_batch()
    fixed = [prompt.after for prompt in module.asking.prompts(module.template, batch)]
    assert fixed == [prompt.after for prompt in module.asking.prompts(module.template, batch)]
    shuffled = [
        [prompt.after for prompt in module.asking.prompts(module.template, batch, training=True)] for _ in range(8)
    ]
    assert any(one != fixed for one in shuffled)
    text = module.model.llm.tokenizer.decode(shuffled[0][0])
    assert all(label in text for label in LABELS)


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_training_prompt_shows_the_labels_that_its_corpus_knows(tiny_wavlm, tiny_llama, shuffle):
    module, batch = build(tiny_wavlm, tiny_llama, corpus_labels=True, shuffle_labels=shuffle), make_batch()
    module.label_loss.learn(UtteranceTable(Utterance(id=label, corpus="c", label=label) for label in LABELS[:2]))
    read = module.model.llm.tokenizer.decode
    for prompt in module.asking.prompts(module.template, batch, training=True):
        assert [label in read(prompt.after) for label in LABELS] == [True, True, False]
    for prompt in module.asking.prompts(module.template, batch):
        assert all(label in read(prompt.after) for label in LABELS)


def test_transcript_dropout_hides_words_in_training_only(tiny_wavlm, tiny_llama):
    module, batch = build(tiny_wavlm, tiny_llama, transcript_dropout=1.0), make_batch()
    read = module.model.llm.tokenizer.decode
    for prompt in module.asking.prompts(module.template, batch, training=True):
        assert "(not transcribed)" in read(prompt.after)
    for prompt, words in zip(module.asking.prompts(module.template, batch), batch.transcripts, strict=True):
        assert words in read(prompt.after)


def test_a_joint_answer_is_read_and_what_cannot_be_read_is_counted(tiny_wavlm, tiny_llama, monkeypatch):
    module, batch = build(tiny_wavlm, tiny_llama, prompt="joint").eval(), make_batch()
    answers = ["kids are talking\nEmotion: angry", "nothing of the kind", "the door\nEmotion: bliss"]
    monkeypatch.setattr(module.model, "generate", lambda *_: answers)
    scores = module.score(batch)
    assert scores.transcripts == ["kids are talking", "nothing of the kind", "the door"]
    assert (scores.predictions == -1).tolist() == [False, True, True]
    module.test_step(batch, 0)
    assert module.metrics["test"].results().overall.unparsed == pytest.approx(2 / 3)
    rows = module.predict_step(batch)
    assert [row.label is None for row in rows] == [False, True, True]
    assert rows[1].error == "the answer could not be read"


def test_a_joint_label_is_scored_behind_the_models_own_words(tiny_wavlm, tiny_llama, monkeypatch):
    module, batch = build(tiny_wavlm, tiny_llama, prompt="joint").eval(), make_batch(1)
    scores = []
    for words in ("the door", "kids are talking"):
        monkeypatch.setattr(module.model, "generate", lambda *_, words=words: [f"{words}\nEmotion: sad"])
        scores.append(module.score(batch).log_scores)
    assert not torch.allclose(*scores)


def test_words_are_counted_without_case_and_punctuation(tiny_wavlm, tiny_llama, monkeypatch):
    module, batch = build(tiny_wavlm, tiny_llama, prompt="asr").eval(), make_batch()
    monkeypatch.setattr(module.model, "generate", lambda *_: ["Kids are talking!", "dogs sitting", "the door"])
    predictions = module.test_step(batch, 0)
    assert module.metrics["test"].word_error_rate() == pytest.approx(4 / 11)
    assert [p.transcript for p in predictions] == ["Kids are talking!", "dogs sitting", "the door"]
    assert module.metrics["test"].results() is None


def test_a_text_prompt_loads_no_backbone(tiny_llama):
    module = build("/nowhere", tiny_llama, prompt="transcript")
    assert module.audio_backbone is None
    assert not module.needs_audio
    batch = make_batch()
    batch.waveforms = None
    assert module.score(batch).probabilities.shape == (3, 3)
    assert module.loss(batch) > 0


def test_prompts_without_a_name_are_told_apart(tiny_wavlm, tiny_llama):
    def prompt(text):
        return {"task": "emotion", "inputs": ["audio"], "user": text, "answer": "{label}"}

    module = build(
        tiny_wavlm,
        tiny_llama,
        prompt=prompt("{audio} the end"),
        stages=[{"epochs": 1, "prompt": prompt("one {audio}")}],
    )
    texts = [module.asking.encoder(template).encode().after for template in module.templates]
    assert texts[0] != texts[1]


def test_a_head_without_audio_is_refused():
    from emollm.modules.stages import Stage

    with pytest.raises(UserError, match="no prompt takes audio"):
        EmotionLLM(prompt="transcript", stages=[Stage(epochs=1, answer="head")])


def test_a_batch_in_which_nothing_could_be_read(tiny_wavlm, tiny_llama):
    module, batch = build(tiny_wavlm, tiny_llama), make_batch(0)
    batch.broken = [(make_batch(1).utterances[0], "torn")]
    assert module.training_step(batch, 0) is None
    for step in (module.validation_step, module.test_step, module.predict_step):
        (row,) = step(batch, 0)
        assert row.error == "torn"
        assert row.label is None
    assert module.metrics["test"].results() is None, "nothing was measured"


def test_recipes_of_tests_are_recipes(tiny_wavlm, tiny_llama):
    module = build(tiny_wavlm, tiny_llama)
    assert module.recipe["llm"]["source"] == recipe(tiny_wavlm, tiny_llama)["llm"]["source"]


def test_test_reports_what_joint_answers_and_words_come_to(small_run, tmp_path, capsys):
    """A tiny random model answers nonsense: all of it is counted, none of it guessed."""
    args = ["--config", small_run.config, "--ckpt_path", small_run.checkpoint, "--model.prompt", "joint"]
    folder = run(tmp_path, "test", *args)
    values = json.loads((folder / "metrics.json").read_text())
    rows = pd.read_csv(folder / "predictions.csv")
    result = values["summary"]["result"]
    assert result["unparsed"] == 1.0
    assert result["wa"] == 0.0
    assert rows["label"].isna().all()
    assert (rows["error"] == "the answer could not be read").all()
    assert values["wer"] > 0
    assert f"WER {100 * values['wer']:.1f} %" in capsys.readouterr().out


def test_test_of_transcription_alone_reports_words_alone(small_run, tmp_path, capsys):
    args = ["--config", small_run.config, "--ckpt_path", small_run.checkpoint, "--model.prompt", "asr"]
    values = json.loads((run(tmp_path, "test", *args) / "metrics.json").read_text())
    assert values["wer"] > 0
    assert values["summary"] is None
    assert "WER" in capsys.readouterr().out


def text_recipe(folder, llm, corpora=("one",), model=None, data=None):
    """A recipe for tables of texts, with a backbone that does not exist; each corpus knows a label less."""
    tables = []
    for number, name in enumerate(corpora):
        labels = LABELS[number:]
        parts = enumerate(["train"] * 6 + ["test"] * 3)
        rows = [f"{part},{labels[n % len(labels)]},{WORDS[n % 4]} {name} {n}" for n, part in parts]
        file = folder / f"{name}.csv"
        file.write_text("\n".join(["split,label,transcript", *rows]))
        arguments = {"file": str(file), "name": name}
        tables.append({"class_path": "emollm.data.corpora.Table", "init_args": arguments})
    values = {
        "model": recipe("/nowhere", llm, prompt="transcript", **(model or {})),
        "data": {
            "corpora": tables,
            "protocol": {"class_path": "emollm.data.protocols.ColumnSplit"},
            "num_workers": 0,
            **(data or {}),
        },
        "trainer": {"accelerator": "cpu", "enable_progress_bar": False, "max_epochs": 1},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(values))
    return folder / "recipe.yaml"


def test_a_text_prompt_decodes_no_sound(tiny_llama, tmp_path, monkeypatch):
    """Fit and test on a table of texts."""
    monkeypatch.setattr("emollm.data.audio.load", lambda *_: pytest.fail("sound was decoded"))
    config = text_recipe(tmp_path, tiny_llama)
    last = run(tmp_path, "fit", "--config", config) / "checkpoints" / "last.ckpt"
    tested = run(tmp_path, "test", "--config", config, "--ckpt_path", last)
    rows = pd.read_csv(tested / "predictions.csv")
    assert rows["label"].notna().all()
    assert len(rows) == 3


@pytest.mark.parametrize(("able", "dtype"), [(True, "bfloat16"), (False, "float32")])
def test_a_precision_left_to_the_machine_is_that_of_the_runs_device_and_told(
    tiny_llama, tmp_path, monkeypatch, able, dtype
):
    """Also where weights are put into the model before a trainer runs it, as test does."""
    asked, place = [], torch.device("cpu", 0)
    monkeypatch.setattr(SingleDeviceStrategy, "root_device", property(lambda _: place))
    monkeypatch.setattr("emollm.models.precision.computes_bfloat16", lambda one: asked.append(one) or able)
    llm = {"source": str(tiny_llama), "dtype": "auto", "adapter": {"rank": 4}}
    config = text_recipe(tmp_path, tiny_llama, model={"llm": llm})
    last = run(tmp_path, "fit", "--config", config) / "checkpoints" / "last.ckpt"
    tested = run(tmp_path, "test", "--config", config, "--ckpt_path", last, "--baselines", "none")
    assert asked == [place, place], "once in the fit, once in the test"
    notes = json.loads((tested / "metrics.json").read_text())["notes"]
    assert any(f"frozen weights are in {dtype}" in note for note in notes)


def test_corpora_are_mixed_and_labels_balanced(tiny_llama, tmp_path, monkeypatch):
    """Through the command line: what a batch holds, and among what its utterances choose."""
    learn = LabelLoss.learn
    seen = []
    monkeypatch.setattr(EmotionLLM, "on_train_batch_start", lambda *of_step: seen.append(of_step[:2]))
    learned = []
    monkeypatch.setattr(LabelLoss, "learn", lambda loss, table: (learned.append(table), learn(loss, table)))
    model = {"balance_loss": True, "corpus_labels": True, "label_smoothing": 0.1}
    mixing = {"mixing": {"corpora": {"one": 1, "two": 1e-9}}, "batch_size": 4}
    run(tmp_path, "fit", "--config", text_recipe(tmp_path, tiny_llama, ("one", "two"), model, mixing))
    assert {utterance.corpus for _, batch in seen for utterance in batch.utterances} == {"one"}
    loss, heard = seen[0][0].label_loss, learned[0].values("label")
    assert loss.choices(Utterance(id="", corpus="two")) == LABELS[1:]
    want = [len(heard) / len(LABELS) / heard.count(label) for label in LABELS]
    torch.testing.assert_close(loss.weights(torch.arange(3)), torch.tensor(want))
