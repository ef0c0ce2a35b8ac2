import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from emollm.errors import UserError
from emollm.models import packaged
from emollm.models.backbones.loading import FAMILIES
from emollm.models.packaged import PACKAGED
from emollm.verbs.models import main
from tests.fake_weights import whisper_package

NAME = "fake_weights_of_the_verb"


@pytest.fixture
def fake(tmp_path, monkeypatch) -> Path:
    """One packaged model only, and empty caches."""
    model = whisper_package(tmp_path / "site", NAME)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in list(PACKAGED):
        monkeypatch.delitem(PACKAGED, name)
    monkeypatch.setitem(PACKAGED, NAME, model)
    return tmp_path


def listed(capsys) -> list[dict]:
    assert main(["--json"]) == 0
    return json.loads(capsys.readouterr().out)["models"]


def test_installed_then_converted(fake, capsys):
    (row,) = listed(capsys)
    assert (row["name"], row["installed"], row["folder"], row["usable"]) == (f"packaged:{NAME}", True, None, True)
    assert main(["--prepare"]) == 0
    assert f"Converting packaged:{NAME} once" in capsys.readouterr().err
    (row,) = listed(capsys)
    assert row["folder"] == str(fake / "cache" / "models" / NAME)
    shutil.rmtree(fake / "site")
    (row,) = listed(capsys)
    assert (row["installed"], row["usable"], row["fix"]) == (False, True, "")


def test_missing_package_is_listed_with_the_fix(fake, capsys):
    shutil.rmtree(fake / "site")
    (row,) = listed(capsys)
    assert not row["usable"]
    assert row["fix"] == f"run `pip install {NAME}==1.0`"
    assert main(["--prepare"]) == 0  # nothing to convert is no error
    output = capsys.readouterr().out
    assert f"To use packaged:{NAME}: run `pip install {NAME}==1.0`." in output
    with pytest.raises(UserError, match="pip install"):
        main(["--prepare", NAME])


def test_prepare_checks_all_names_first(fake):
    with pytest.raises(UserError, match="no packaged model 'typo'"):
        main(["--prepare", NAME, "typo"])
    assert packaged.converted_folder(PACKAGED[NAME]) is None


def test_hub_cache(fake, capsys):
    for name, architecture, model_type, weights in (
        ("whole", "LlamaForCausalLM", "llama", True),
        ("part", "WavLMModel", "wavlm", False),
        ("picture", "ViTModel", "vit", True),
    ):
        snapshot = fake / "hub" / f"models--acme--{name}" / "snapshots" / ("a" * 40)
        snapshot.mkdir(parents=True)
        (snapshot / "config.json").write_text(
            json.dumps({"architectures": [architecture], "model_type": model_type})
        )
        if weights:
            (snapshot / "model.safetensors").write_bytes(b"0" * 2_000_000)
    rows = {row["name"]: row for row in listed(capsys) if row["place"] == "hub cache"}
    assert {name: (row["kind"], row["usable"]) for name, row in rows.items()} == {
        "acme/whole": ("llm", True),
        "acme/part": ("backbone", False),
        "acme/picture": ("other", False),
    }
    assert rows["acme/whole"]["size_mb"] == 2
    assert "hf download acme/part" in rows["acme/part"]["fix"]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_that_loads_is_listed_as_a_backbone(fake, capsys, family):
    snapshot = fake / "hub" / "models--acme--one" / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(json.dumps({"model_type": family}))
    assert [row["kind"] for row in listed(capsys) if row["place"] == "hub cache"] == ["backbone"]


def test_table_fits_a_narrow_terminal(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path))
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    for model in PACKAGED.values():
        assert any(line.split()[:2] == [model.source, model.kind] for line in lines)


def test_listing_loads_nothing_heavy():
    heavy = "{'torch', 'transformers'} & {*sys.modules}"
    code = f"import sys; from emollm.verbs.models import main; main([]); print({heavy})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "set()"
