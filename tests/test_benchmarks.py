"""The command lines of the benchmarks; what they measure takes too long for a test."""

import runpy
import sys

import pytest
import soundfile
import torch

from tests.conftest import REPOSITORY
from tests.fake_corpus import tone
from tests.modules.test_vote import HEARS
from tests.small import LABELS, build, make_batch

FOLDER = REPOSITORY / "benchmarks"


@pytest.mark.parametrize(
    ("name", "args", "says"),
    [
        ("predict", ["--clips", "0"], "--clips: '0' is not a whole number above 0"),
        ("predict", ["--batch", "-1"], "--batch: '-1' is not a whole number above 0"),
        ("predict", ["--seconds", "nan"], "--seconds: 'nan' is not a number above 0"),
        ("train", ["--clips", "many"], "--clips: 'many' is not a whole number above 0"),
        ("llm", ["--repeats", "0"], "--repeats: '0' is not a whole number above 0"),
        ("startup", ["--repeats", "1.5"], "--repeats: '1.5' is not a whole number above 0"),
        ("growth", ["--files", "x"], "--files: 'x' is not a whole number above 0"),
        ("growth", ["--files", "10,-1"], "--files: '-1' is not a whole number above 0"),
        ("gpu", ["--tflops=-1"], "--tflops: '-1' is not a number above 0"),
        ("gpu", ["--size", "huge"], "--size: invalid choice: 'huge'"),
    ],
)
def test_bad_options_are_one_line(monkeypatch, capsys, name, args, says):
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *args])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    assert ended.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"{name}.py: error: argument {says}")


def test_what_is_asked_of_modules_is_what_they_give(monkeypatch, tiny_whisper, tiny_llama, tmp_path):
    monkeypatch.syspath_prepend(FOLDER)
    predict, llm, gpu, growth = (
        runpy.run_path(str(FOLDER / f"{name}.py")) for name in ("predict", "llm", "gpu", "growth")
    )
    module, batch = build(tiny_whisper, tiny_llama, **HEARS, vote={}).eval(), make_batch(2)
    torch.nn.init.normal_(module.voter.weight)
    for inputs in (predict["_prompt"], llm["_inputs"]):
        assert module.model.label_scores(*inputs(module, batch)).shape == (2, len(LABELS))
    assert gpu["_operations"](module, [batch]) > 0
    soundfile.write(tmp_path / "a.wav", tone(300, 1.5), 16_000)
    assert growth["_one"](module, tmp_path / "a.wav") > 0
    assert growth["_one"](module, tmp_path / "a.wav", 2 * len(LABELS)) > 0


def test_numbers_with_commas_and_defaults(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    from common import options

    monkeypatch.setattr(sys, "argv", ["x.py", "--files", "1,20", "--seconds", "0.5"])
    asked = options("", files=[100], seconds=3.0, size=("full", "tiny"), clips=8)
    assert (asked.files, asked.seconds, asked.size, asked.clips) == ([1, 20], 0.5, "full", 8)
