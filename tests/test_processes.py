"""Two processes do what one does: the same weights, the same figures, every row once."""

import json

import pandas as pd
import pytest
import soundfile
import torch
import yaml
from lightning.pytorch.strategies import (
    DDPStrategy,
    DeepSpeedStrategy,
    FSDPStrategy,
    ModelParallelStrategy,
    SingleDeviceStrategy,
)

from emollm.__main__ import main
from emollm.errors import UserError
from emollm.modules.processes import refuse_sharding
from emollm.modules.sharding import ShardedStrategy, average_gradients, clip_gradients
from tests.fake_corpus import tone, write_ravdess
from tests.side_by_side import run_commands
from tests.small import recipe


@pytest.fixture(scope="module")
def home(tiny_wavlm, tiny_llama, tmp_path_factory):
    """A recipe with a warm-up that leaves the LLM out and a stage that leaves its adapter as it is."""
    folder = tmp_path_factory.mktemp("processes")
    stages = [{"epochs": 1, "answer": "head"}, {"epochs": 1, "train_adapter": False}, {"epochs": 1}]
    corpus = write_ravdess(folder / "ravdess", emotions=5)
    values = {
        "model": recipe(tiny_wavlm, tiny_llama, stages=stages),
        "data": {
            "corpora": [{"class_path": "emollm.data.corpora.Ravdess", "init_args": {"root": str(corpus)}}],
            "protocol": {"class_path": "emollm.data.protocols.FoldColumn", "init_args": {"column": "emobox_fold"}},
            "other_labels": "drop",
            "num_workers": 0,
        },
        "trainer": {
            "accelerator": "cpu",
            "enable_progress_bar": False,
            "num_sanity_val_steps": 0,
            "callbacks": [{"class_path": "tests.smooth.Smooth"}],
        },
        "last": {"every_n_steps": 1},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(values))
    (folder / "sounds").mkdir()
    for index in range(7):
        soundfile.write(folder / "sounds" / f"{index}.wav", tone(200 + 100 * index, 0.9 - 0.1 * index), 16_000)
    (folder / "sounds" / "torn.wav").write_bytes(b"RIFF")
    return folder


def command(verb, home, output, *more):
    """A command; what it computes from the sound is kept for itself."""
    save = ["--trainer.logger.save_dir", str(output)]
    cache = ["--data.cache.folder", str(output / "cache")]
    return [verb, "--config", str(home / "recipe.yaml"), *save, *cache, *map(str, more)]


def predict(home, model, output):
    quick = ["--data.transcriber", "none", "--data.batch_size", "2", "--data.num_workers", "0"]
    bar = ["--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false"]
    return ["predict", str(home / "sounds"), "--model", str(model), "--output", str(output), *quick, *bar]


def checkpoints(output):
    return output / "fit" / "version_0" / "checkpoints"


NEAR = 2e-4  # chances are written with four decimals
REPORT = ["--ablations", "none", "--baselines", "none", "--data.batch_size", "1"]


WORDS = ["--data.batch_size", "1", "--model.max_answer_tokens", "3", "--model.prompt"]


@pytest.fixture(scope="module")
def one(home):
    """What a single process makes of it."""
    output = home / "one"
    assert main(command("fit", home, output, "--data.batch_size", "2")) == 0
    model = checkpoints(output) / "best.ckpt"
    assert main(command("test", home, output, "--ckpt_path", model, *REPORT)) == 0
    assert main(predict(home, model, output / "predictions")) == 0
    for task in ("asr", "joint"):
        assert main(command("validate", home, output / task, "--ckpt_path", model, *WORDS, task)) == 0
    return output


@pytest.fixture(scope="module")
def two(home, one):
    """The same by two processes with half the batch each; also resumed, and after a kill."""
    output, model = home / "two", checkpoints(one) / "best.ckpt"
    killed = output / "killed"
    killed.mkdir(parents=True)
    rows = (one / "predictions" / "predictions.jsonl").read_text().splitlines(keepends=True)
    (killed / "predictions.jsonl").write_text("".join(rows[1:3]) + rows[4][:30])
    (killed / "predictions.rank1.jsonl").write_text("".join(rows[5:7]))
    keep = ["--trainer.callbacks+=tests.killing.Keep", "--trainer.callbacks.step=6"]
    resumed = ["--ckpt_path", checkpoints(output) / "kept.ckpt"]
    said = run_commands(
        home,
        command("fit", home, output, "--data.batch_size", "1", *keep),
        command("fit", home, output / "resumed", "--data.batch_size", "1", *resumed),
        command("test", home, output, "--ckpt_path", model, *REPORT),
        predict(home, model, output / "predictions"),
        predict(home, model, killed),
        *(
            command("validate", home, output / task, "--ckpt_path", model, *WORDS, task)
            for task in ("asr", "joint")
        ),
    )
    (output / "said.json").write_text(json.dumps(said))
    return output


@pytest.fixture(scope="module")
def sharded(home, one):
    """The same by two processes that hold a half of the LLM's blocks each."""
    output, model = home / "sharded", checkpoints(one) / "best.ckpt"
    keep = ["--trainer.callbacks+=tests.killing.Keep", "--trainer.callbacks.step=6"]
    resumed = ["--ckpt_path", checkpoints(output) / "kept.ckpt"]
    run_commands(
        home,
        command("fit", home, output, "--data.batch_size", "1", *keep),
        command("fit", home, output / "resumed", "--data.batch_size", "1", *resumed),
        command("test", home, output, "--ckpt_path", model, *REPORT),
        predict(home, model, output / "predictions"),
        strategy="sharded",
    )
    return output


def weights(file):
    saved = torch.load(file, weights_only=True)
    return saved["global_step"], saved["state_dict"]


def assert_same_weights(file, other):
    (steps, mine), (others_steps, theirs) = weights(file), weights(other)
    assert steps == others_steps
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        torch.testing.assert_close(value, theirs[name], atol=1e-5, rtol=0, msg=name)


def test_two_processes_train_the_same_weights_as_one(one, two):
    """Through a stage without the LLM and one without its adapter, which plain DDP would wait for."""
    steps, last = weights(checkpoints(one) / "last.ckpt")
    assert steps == 9
    assert any("lora_B" in name and value.abs().max() > 1e-4 for name, value in last.items()), "it was trained"
    for name in ("last.ckpt", "best.ckpt"):
        assert_same_weights(checkpoints(two) / name, checkpoints(one) / name)


def test_processes_that_share_the_llm_out_train_the_same_weights_as_one(one, sharded):
    """Its blocks are gathered for each forward, validation with an empty batch for one process included."""
    for name in ("last.ckpt", "best.ckpt"):
        assert_same_weights(checkpoints(sharded) / name, checkpoints(one) / name)
    assert checkpoints(sharded).joinpath("best.ckpt").stat().st_size < 100_000, "what is trained and nothing else"
    assert_same_weights(checkpoints(sharded / "resumed") / "last.ckpt", checkpoints(sharded) / "last.ckpt")


def test_processes_that_share_the_llm_out_say_what_one_says(one, sharded):
    same_table(one / "test" / "version_0" / "predictions.csv", sharded / "test" / "version_0" / "predictions.csv")
    same_table(one / "predictions" / "predictions.csv", sharded / "predictions" / "predictions.csv")


def test_features_are_made_once_by_both(two):
    assert len(list((two / "cache").rglob("*.npy"))) == 12, "nine to fit, three to test"


def test_a_resumed_run_of_two_trains_the_same_weights(two):
    assert weights(checkpoints(two) / "kept.ckpt")[0] == 5, "in the middle of the second epoch"
    assert_same_weights(checkpoints(two / "resumed") / "last.ckpt", checkpoints(two) / "last.ckpt")


def near(text):
    """A float of a JSON text, equal to all that differ by what another order of summing explains."""
    return pytest.approx(float(text), abs=NEAR)


def same_table(file, other):
    rows = pd.read_csv(file)
    pd.testing.assert_frame_equal(rows, pd.read_csv(other), atol=NEAR, rtol=0)
    return rows


def test_two_processes_count_every_utterance_once(one, two):
    """Three batches of one: one process has an empty one left."""
    alone, together = (output / "test" / "version_0" for output in (one, two))
    figures = json.loads((alone / "metrics.json").read_text(), parse_float=near)
    assert json.loads((together / "metrics.json").read_text())["summary"] == figures["summary"]
    assert len(same_table(alone / "predictions.csv", together / "predictions.csv")) == 3


@pytest.mark.parametrize("task", ["asr", "joint"])
def test_two_processes_count_every_word_once(one, two, task):
    """Three batches of one again: what the empty one says must be of the kind that the others say."""
    alone, together = (
        json.loads((output / task / "validate" / "version_0" / "metrics.json").read_text(), parse_float=near)
        for output in (one, two)
    )
    assert together["wer"] == alone["wer"]


def test_two_processes_predict_every_recording_once_in_order(one, two):
    alone, together = one / "predictions", two / "predictions"
    assert len(same_table(alone / "predictions.csv", together / "predictions.csv")) == 8
    rows = [json.loads(line, parse_float=near) for line in (alone / "predictions.jsonl").read_text().splitlines()]
    assert [json.loads(line) for line in (together / "predictions.jsonl").read_text().splitlines()] == rows
    assert sorted(f.name for f in (two / "predictions").glob("[!.]*")) == ["predictions.csv", "predictions.jsonl"]


def test_a_killed_prediction_goes_on(one, two):
    """What both processes had written counts; what one of them was writing is done again."""
    left = [json.loads(line) for line in (two / "killed" / "predictions.jsonl").read_text().splitlines()]
    want = [json.loads(line) for line in (one / "predictions" / "predictions.jsonl").read_text().splitlines()]
    assert [row["path"] for row in left] == [row["path"] for row in want]
    for row, other in zip(left, want, strict=True):
        chances = [name for name in row if name.startswith("p_")]
        assert [row[name] for name in chances] == pytest.approx([other[name] for name in chances], abs=NEAR)
    said = "".join(json.loads((two / "said.json").read_text()))
    assert said.count("4 of 8 recordings were done before; going on.") == 1
    assert not list((two / "killed").glob("*rank*"))


@pytest.mark.parametrize("strategy", [DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy])
def test_strategies_that_shard_weights_are_refused(strategy):
    with pytest.raises(UserError, match=f"trainer.strategy is {strategy.__name__}, .* or ddp"):
        refuse_sharding(object.__new__(strategy))  # to make one needs GPUs or deepspeed
    refuse_sharding(DDPStrategy())
    refuse_sharding(ShardedStrategy())


def test_they_are_refused_before_anything_is_read(home, monkeypatch, capsys):
    """On a CPU Lightning itself would refuse its names for them."""
    monkeypatch.setattr("emollm.modules.processes._SHARDED", (SingleDeviceStrategy,))
    monkeypatch.setattr("emollm.data.datamodule.EmotionData.read", lambda self: pytest.fail("read"))
    assert main(command("fit", home, home / "sharded")) == 2
    assert "trainer.strategy is SingleDeviceStrategy, which cannot shard" in capsys.readouterr().err


def test_where_all_is_shared_out_there_is_nothing_to_average():
    average_gradients(torch.nn.Linear(2, 2).requires_grad_(False))  # and no group of processes to ask


@pytest.mark.parametrize("limit", [0.1, 100.0])
def test_gradients_are_clipped_as_torch_does(limit):
    mine, theirs = (torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)) for _ in range(2))
    theirs.load_state_dict(mine.state_dict())
    for model in (mine, theirs):
        model(torch.arange(6.0).view(2, 3)).square().sum().backward()
    mine[0].bias.grad = theirs[0].bias.grad = None  # a part that learns nothing
    clip_gradients(mine, limit)
    torch.nn.utils.clip_grad_norm_(theirs.parameters(), limit)
    for one, other in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert one.grad is other.grad is None or torch.allclose(one.grad, other.grad)
