"""The constant beginning of prompts is computed once, and no score shows it."""

import pytest
import torch

from emollm.models.encoding import PromptEncoder
from emollm.models.llm import AdapterSpec, LLMSpec, load_llm
from emollm.models.prompts import load_template
from emollm.models.speech_llm import SpeechLLM

LABELS = ["angry", "happy", "sad", "fear", "fearful"]
TEXTS = ["kids are talking", "", "dogs are sitting by the door " * 3]


@pytest.fixture
def llm(tiny_llm):
    torch.manual_seed(0)
    llm = load_llm(LLMSpec(source=str(tiny_llm), adapter=AdapterSpec(rank=4, dropout=0.0))).eval()
    for parameter in llm.parameters():
        if parameter.requires_grad:  # LoRA begins with zeros, which would hide a mistake
            torch.nn.init.normal_(parameter, std=0.1)
    return llm


def inputs(llm, template):
    encoder = PromptEncoder(llm.tokenizer, load_template(template), LABELS)
    torch.manual_seed(1)
    speech = [torch.randn(n, llm.width) for n in (3, 9, 1)] if "audio" in encoder.template.inputs else None
    return [encoder.encode(text) for text in TEXTS], encoder.label_tokens(), speech


def plain(model, *args):
    """With gradients nothing is taken from memory."""
    with torch.enable_grad():
        return model.label_scores(*args).detach()


@pytest.mark.parametrize("template", ["prompt_first", "audio_transcript", "transcript", "transcript_context"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_scores_equal_those_of_the_whole_prompt(llm, template, side):
    model, args = SpeechLLM(llm, None, padding_side=side), inputs(llm, template)
    prompts = args[0]
    assert 0 < prompts[0].constant < len(prompts[0].before) + len(prompts[0].after)
    with torch.no_grad():
        fast = [model.label_scores(*args) for _ in range(2)]
    assert len(llm.prefixes._kept) == 1
    torch.testing.assert_close(fast[0], plain(model, *args), atol=1e-4, rtol=0)
    assert torch.equal(fast[0], fast[1]), "what is kept is not written to"


def test_one_by_one_equals_a_batch(llm):
    model = SpeechLLM(llm, None)
    prompts, labels, speech = inputs(llm, "prompt_first")
    with torch.no_grad():
        batch = model.label_scores(prompts, labels, speech)
        alone = [model.label_scores([p], labels, [s]) for p, s in zip(prompts, speech, strict=True)]
    torch.testing.assert_close(batch, torch.cat(alone), atol=1e-4, rtol=0)


def test_it_saves_the_constant_positions(llm, monkeypatch):
    widths = []
    forward = llm.logits
    monkeypatch.setattr(llm, "logits", lambda *args: widths.append(args[0].shape[1]) or forward(*args))
    model, args = SpeechLLM(llm, None), inputs(llm, "prompt_first")
    plain(model, *args)
    with torch.no_grad():
        model.label_scores(*args)
    assert widths[0] - widths[1] == args[0][0].constant > 20


@pytest.mark.parametrize("change", ["optimizer", "loading"])
def test_changed_weights_are_never_scored_with_what_was_kept(llm, change):
    model, args = SpeechLLM(llm, None), inputs(llm, "prompt_first")
    with torch.no_grad():
        before = model.label_scores(*args)
    trained = {name: p for name, p in llm.named_parameters() if p.requires_grad}
    if change == "optimizer":
        optimizer = torch.optim.SGD(trained.values(), lr=0.5)
        model.label_scores(*args).sum().backward()
        optimizer.step()
    else:
        llm.load_state_dict({name: p.detach() * 2 for name, p in trained.items()}, strict=False)
    with torch.no_grad():
        after = model.label_scores(*args)
    assert not torch.allclose(before, after, atol=1e-3)
    torch.testing.assert_close(after, plain(model, *args), atol=1e-3, rtol=1e-5)


def test_a_merged_adapter_scores_the_same_and_comes_out_again(llm):
    model, args = SpeechLLM(llm, None), inputs(llm, "audio_transcript")
    adapter = {name: p.detach().clone() for name, p in llm.named_parameters() if p.requires_grad}
    base = {name: p.detach().clone() for name, p in llm.named_parameters() if not p.requires_grad}
    with torch.no_grad():
        before = model.label_scores(*args)
        llm.merge()
        assert llm.merged
        torch.testing.assert_close(model.label_scores(*args), before, atol=1e-4, rtol=0)
        llm.unmerge()
        torch.testing.assert_close(model.label_scores(*args), before, atol=1e-4, rtol=0)
    for name, parameter in llm.named_parameters():
        if name in adapter:
            assert torch.equal(parameter, adapter[name]), "the trained weights are those that are saved"
        else:
            torch.testing.assert_close(parameter, base[name], atol=1e-5, rtol=0)


def test_half_precision_is_not_merged(tiny_llama):
    llm = load_llm(LLMSpec(source=str(tiny_llama), dtype="bfloat16", adapter=AdapterSpec(rank=4)))
    llm.merge()
    assert not llm.merged
