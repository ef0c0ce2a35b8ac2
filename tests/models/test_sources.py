"""One string for three places, and readable errors: against a hub that is closed, silent, or says no."""

import shutil
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoTokenizer, WavLMConfig, WavLMModel

from emollm.errors import UserError
from emollm.models import load_errors, packaged
from emollm.models.sources import readable_errors, resolve


def test_hub_ids_stay_as_they_are():
    assert resolve("microsoft/wavlm-large") == "microsoft/wavlm-large"
    assert resolve("gpt2") == "gpt2"


def test_local_folders_become_absolute(tmp_path, monkeypatch):
    folder = tmp_path / "models" / "mine"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for source in (str(folder), "models/mine", "./models/mine/", "~/models/mine"):
        assert resolve(source) == str(folder)


def test_folder_without_config(tmp_path):
    with pytest.raises(UserError, match=r"no config\.json"):
        resolve(str(tmp_path))
    (tmp_path / "model.gguf").write_text("")
    with pytest.raises(UserError, match=r"model\.gguf"):
        resolve(str(tmp_path / "model.gguf"))


@pytest.mark.parametrize("source", ["", "./x", "../x", "/no/such", "~/no-such", "a/b/c", "a/b/", ".hidden"])
def test_paths_that_lead_nowhere(source, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")  # whatever lies beside the checkout
    with pytest.raises(UserError, match="There is no folder"):
        resolve(source)


def test_packaged_models_are_prepared(monkeypatch):
    monkeypatch.setattr(packaged, "prepare", lambda name: Path("/cache") / name)
    assert resolve("packaged:whisper-base") == str(Path("/cache/packaged:whisper-base"))


@pytest.fixture
def hub(monkeypatch, tmp_path) -> Iterator[None]:
    """A hub of our own: acme/gated is behind terms, nothing else exists; the cache is empty."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            code = "GatedRepo" if "gated" in self.path else "RepoNotFound"
            self.send_response(200 if self.path == "/" else 403 if code == "GatedRepo" else 401)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    use_hub(monkeypatch, tmp_path, server.server_address[1])
    yield
    server.shutdown()
    server.server_close()


@pytest.fixture
def closed_hub(monkeypatch, tmp_path) -> Path:
    """An address where nobody listens; returns the local hub cache, still empty."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    return use_hub(monkeypatch, tmp_path, port)


def use_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, port: int) -> Path:
    endpoint = f"http://127.0.0.1:{port}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    load_errors._hub_answers.cache_clear()
    return tmp_path / "hub"


def failure(source: str, load=AutoModel.from_pretrained) -> str:
    with pytest.raises(UserError) as caught, readable_errors(source, "the backbone"):
        load(source)
    message = str(caught.value)
    assert message.startswith(f"Cannot load the backbone {source!r}: ")
    assert message.endswith("instead, or use the packaged recipe configs/whisper_smollm2.yaml.")
    assert "\n" not in message
    return message


LOADERS = [AutoConfig, AutoModel, AutoTokenizer, AutoFeatureExtractor]


@pytest.mark.parametrize("loader", LOADERS, ids=[loader.__name__ for loader in LOADERS])
def test_no_network(closed_hub, monkeypatch, loader):
    def sleep(seconds: float) -> None:
        raise AssertionError("waits before it asks again")

    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", sleep)
    message = failure("microsoft/wavlm-large", loader.from_pretrained)
    assert "http://127.0.0.1" in message
    assert "cannot be reached" in message
    assert "give a local folder" in message
    assert constants.HF_HUB_OFFLINE is False


def test_silent_hub_is_not_waited_for(monkeypatch, tmp_path):
    monkeypatch.setattr(load_errors, "_PATIENCE_S", 0.2)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        use_hub(monkeypatch, tmp_path, listener.getsockname()[1])
        assert "cannot be reached" in failure("microsoft/wavlm-large")


def test_offline_mode_of_the_user_is_named_and_kept(closed_hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in failure("microsoft/wavlm-large")
    assert constants.HF_HUB_OFFLINE is True


def test_complete_hub_cache_is_used(closed_hub, tiny_wavlm):
    snapshot = closed_hub / "models--acme--tiny" / "snapshots" / ("a" * 40)
    shutil.copytree(tiny_wavlm, snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("a" * 40)
    with readable_errors("acme/tiny", "the backbone"):
        assert AutoModel.from_pretrained("acme/tiny").config.hidden_size == 16
    (snapshot / "model.safetensors").unlink()
    assert "no complete copy" in failure("acme/tiny")


def test_hub_says_no(hub):
    assert "knows no such model" in failure("acme/unknown")
    assert "gated" in failure("acme/gated")
    assert "possible hub id" in failure("no such name!")


@pytest.fixture
def tiny_wavlm(tmp_path) -> Path:
    config = WavLMConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
    )
    WavLMModel(config).save_pretrained(tmp_path / "wavlm")
    return tmp_path / "wavlm"


def test_missing_weights(tiny_wavlm):
    (tiny_wavlm / "model.safetensors").unlink()
    assert "model.safetensors" in failure(str(tiny_wavlm))


def test_damaged_files(tiny_wavlm):
    weights = tiny_wavlm / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "weights file is damaged" in failure(str(tiny_wavlm))
    weights.unlink()
    (tiny_wavlm / "pytorch_model.bin").write_bytes(b"no pickle")
    assert "weights file is damaged" in failure(str(tiny_wavlm))
    (tiny_wavlm / "config.json").write_text('{"model_type":')
    assert "JSON files is damaged" in failure(str(tiny_wavlm))


def test_weights_of_another_shape(tiny_wavlm):
    config = tiny_wavlm / "config.json"
    config.write_text(config.read_text().replace('"intermediate_size": 16', '"intermediate_size": 32'))
    assert "do not fit its config.json" in failure(str(tiny_wavlm))


def test_folders_of_something_else(tiny_wavlm):
    assert "tokenizer files are missing" in failure(str(tiny_wavlm), AutoTokenizer.from_pretrained)
    (tiny_wavlm / "config.json").write_text("{}")
    assert "names no model type" in failure(str(tiny_wavlm))


@pytest.mark.parametrize("bug", [KeyError("x"), TypeError("x"), RuntimeError("x"), UserError("x")], ids=repr)
def test_other_errors_pass_unchanged(tmp_path, bug):
    with pytest.raises(type(bug)) as caught, readable_errors(str(tmp_path), "the backbone"):
        raise bug
    assert caught.value is bug
