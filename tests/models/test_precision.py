"""Precision that is left to the machine, on machines of both kinds."""

import warnings

import pytest
import torch
from lightning.pytorch import Trainer

from emollm.models.backbones import BackboneSpec
from emollm.models.llm import LLMSpec, load_llm
from emollm.models.precision import computes_bfloat16, dtype_of
from emollm.modules.probe import Probe

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture(
    params=[{"avx2": True, "avx512_bf16": False}, {"avx512_bf16": True}, {"amx_bf16": True}, {"bf16": True}]
)
def processor(request, monkeypatch):
    """Its capabilities, as torch tells them."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: request.param)
    return request.param


def test_auto_is_what_the_processor_computes_in(processor, tiny_llama):
    able = processor.get("avx512_bf16", False) or processor.get("amx_bf16", False)
    assert computes_bfloat16(CPU) == able
    model = load_llm(LLMSpec(source=str(tiny_llama), dtype="auto"))
    assert model.embed.weight.dtype == (torch.bfloat16 if able else torch.float32)


@pytest.mark.parametrize("able", [True, False])
def test_auto_is_what_the_gpu_computes_in(monkeypatch, able):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: able or including_emulation)
    assert dtype_of("auto", GPU, "x") == (torch.bfloat16 if able else torch.float32)


def test_what_is_written_out_is_taken_and_told_where_it_is_slow(processor):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert dtype_of("bfloat16", CPU, "model.llm.dtype") == torch.bfloat16
        assert dtype_of("float32", CPU, "model.llm.dtype") == torch.float32
    said = [str(one.message) for one in told]
    assert len(said) == (not computes_bfloat16(CPU))
    assert all(text.startswith("model.llm.dtype is bfloat16") and "auto" in text for text in said)


def test_a_trainer_in_bfloat16_is_told_where_it_is_slow(processor):
    module = Probe(labels=["angry", "sad"], backbone=BackboneSpec("not loaded"))
    module.built = True
    module.trainer = Trainer(accelerator="cpu", precision="bf16-mixed", logger=False, enable_checkpointing=False)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        module.configure_model()
    said = [str(one.message) for one in told if "bf16-mixed" in str(one.message)]
    assert len(said) == (not computes_bfloat16(CPU))
    assert all("write 32-true" in text for text in said)
