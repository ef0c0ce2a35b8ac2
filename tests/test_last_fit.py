"""The last fit of a recipe that was chosen before: nothing is kept for validation, and the mean is used."""

import json

import pytest
import torch
from safetensors.torch import load_file

from emollm import weights
from emollm.__main__ import main
from tests.small import fit_small, run

CALIBRATION = {"temperature": 1.5, "threshold": 0.6, "n": 40}


@pytest.fixture(scope="module")
def small(tiny_wavlm, tiny_llama, tmp_path_factory):
    return fit_small(tmp_path_factory.mktemp("last_fit"), tiny_wavlm, tiny_llama)


@pytest.fixture(scope="module")
def last(small):
    """Two epochs, of which the second is averaged."""
    stages = ["--model.stages", "[{epochs: 2, average: 0.5}]", "--trainer.max_epochs", "2"]
    folder = run(small.folder, "fit", "--config", small.config, "--data.protocol.validation", "0", *stages)
    assert not (folder / "checkpoints" / "best.ckpt").exists(), "nothing was validated"
    return folder / "checkpoints" / "last.ckpt"


def test_the_last_checkpoint_is_used_with_its_mean_and_resumed_without(last):
    stored = torch.load(last, weights_only=True)
    mean, read = stored["average"]["mean"], weights.read(last).weights
    assert mean
    assert read.keys() == stored["state_dict"].keys()
    for name, value in read.items():
        torch.testing.assert_close(value, mean.get(name, stored["state_dict"][name]))
    assert any(not torch.equal(read[name], stored["state_dict"][name]) for name in mean)


def test_the_adapter_beside_it_has_the_mean_too(last):
    adapter = load_file(last.parent.parent / "adapter" / "adapter_model.safetensors")
    read = weights.read(last).weights
    for name, value in adapter.items():
        (mine,) = (v for k, v in read.items() if k.replace(".default", "").endswith(name))
        torch.testing.assert_close(value, mine)


def test_a_run_that_is_done_leaves_its_adapter(small, last):
    adapter = last.parent.parent / "adapter" / "adapter_model.safetensors"
    before = adapter.read_bytes()
    stages = ["--model.stages", "[{epochs: 2, average: 0.5}]", "--trainer.max_epochs", "2"]
    more = ["--data.protocol.validation", "0", "--ckpt_path", last]
    assert run(small.folder, "fit", "--config", small.config, *stages, *more) == last.parent.parent
    assert adapter.read_bytes() == before


def test_it_is_not_calibrated_on_what_it_was_trained_on(small, last, capsys):
    asked = ["--config", small.config, "--ckpt_path", last]
    assert main(["validate", *map(str, asked), "--calibrate", "true"]) == 2
    assert "The model was trained on 1 of the speakers" in capsys.readouterr().err
    assert not list(last.parent.glob("*.calibration.json"))
    folder = run(small.folder, "validate", *asked)
    assert "own training (ravdess/" in (folder / "report.html").read_text()


def test_a_mean_of_an_earlier_stage_is_not_used(small):
    stages = ["--model.stages", "[{epochs: 1, average: 1.0}, {epochs: 1}]", "--trainer.max_epochs", "2"]
    folder = run(small.folder, "fit", "--config", small.config, "--data.protocol.validation", "0", *stages)
    assert "average" not in torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def test_an_export_takes_the_calibration_of_another_fit(small, last, tmp_path, capsys):
    file = tmp_path / "other.json"
    file.write_text(json.dumps(CALIBRATION))
    output = tmp_path / "model"
    assert main(["export", str(last), "--output", str(output), "--calibration", str(file)]) == 0
    assert json.loads((output / "calibration.json").read_text())["temperature"] == 1.5
    assert weights.read(output).calibration.threshold == 0.6
    again = ["export", str(small.checkpoint), "--output", str(tmp_path / "no"), "--calibration", str(file)]
    assert main(again) == 2
    assert "has a calibration of its own: leave --calibration out" in capsys.readouterr().err
    file.write_text("{}")
    assert main(["export", str(last), "--output", str(tmp_path / "no"), "--calibration", str(file)]) == 2
    assert "has no field 'temperature'" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_the_adapter_beside_the_best_checkpoint_is_of_that_one(small):
    asked = ["--best.monitor", "val/nll", "--best.mode", "max", "--trainer.max_epochs", "2"]
    folder = run(small.folder, "fit", "--config", small.config, *asked)
    adapter = load_file(folder / "adapter" / "adapter_model.safetensors")
    best, last = (weights.read(folder / "checkpoints" / f"{name}.ckpt").weights for name in ("best", "last"))

    def as_in(read):
        found = [next(v for k, v in read.items() if k.replace(".default", "").endswith(name)) for name in adapter]
        return all(torch.equal(value, mine) for value, mine in zip(adapter.values(), found, strict=True))

    assert as_in(best)
    assert not as_in(last), "the first pass was kept, and the second went on from there"
