"""Fixtures every test may use: where real corpora lie, and tiny random-weight models in true formats."""

import os
from pathlib import Path

import pytest

from tests.small import SmallRun, fit_small
from tests.tiny import save_llm
from tests.tiny_backbones import save_backbone

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def corpora_root() -> Path:
    """The folder of real recordings (`EMOLLM_DATA`); tests that need it skip where it is absent."""
    root = Path(os.environ.get("EMOLLM_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (root / "ravdess" / "metadata.csv").is_file():
        pytest.skip(f"no real corpora at {root}: set EMOLLM_DATA to run this test")
    return root


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer Llama with a chat template."""
    return save_llm(tmp_path_factory.mktemp("tiny_llama"), "llama")


@pytest.fixture(scope="session", params=["llama", "qwen2", "gpt2"])
def tiny_llm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random two-layer causal LMs of several families, one (GPT-2) without a chat template."""
    folder = tmp_path_factory.mktemp(f"tiny_{request.param}")
    return save_llm(folder, request.param, chat=request.param != "gpt2")


@pytest.fixture(scope="session")
def tiny_wavlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random WavLM built like the large one: layer norms over channels, norm before each half of a block."""
    return save_backbone(tmp_path_factory.mktemp("tiny_wavlm"), "wavlm")


@pytest.fixture(scope="session")
def tiny_wavlm_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random WavLM built like the base one: a group norm over time, norm after each half of a block."""
    return save_backbone(tmp_path_factory.mktemp("tiny_wavlm_base"), "wavlm_base")


@pytest.fixture(scope="session")
def tiny_hubert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random HuBERT built like the large one."""
    return save_backbone(tmp_path_factory.mktemp("tiny_hubert"), "hubert")


@pytest.fixture(scope="session")
def tiny_wav2vec2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random wav2vec 2.0 built like the base one."""
    return save_backbone(tmp_path_factory.mktemp("tiny_wav2vec2"), "wav2vec2")


@pytest.fixture(scope="session")
def tiny_data2vec_audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random data2vec-audio with its stack of positional convolutions."""
    return save_backbone(tmp_path_factory.mktemp("tiny_data2vec_audio"), "data2vec_audio")


@pytest.fixture(scope="session")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Whisper, encoder and decoder, that hears 30 s."""
    return save_backbone(tmp_path_factory.mktemp("tiny_whisper"), "whisper")


@pytest.fixture(scope="session")
def small_run(tiny_wavlm: Path, tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    """A small speech LLM that the command line has fitted for one epoch, with its recipe and its corpus."""
    return fit_small(tmp_path_factory.mktemp("small_run"), tiny_wavlm, tiny_llama)
