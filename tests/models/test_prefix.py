"""The constant beginning of prompts is computed once, and no score and no gradient shows it."""

import pytest
import torch

from emollm.models.encoding import PromptEncoder
from emollm.models.llm import AdapterSpec, LLMSpec, load_llm
from emollm.models.prompts import load_template
from emollm.models.speech_llm import SpeechLLM

LABELS = ["angry", "happy", "sad", "fear", "fearful"]
TEXTS = ["kids are talking", "", "dogs are sitting by the door " * 3]
TEMPLATES = [
    "prompt_first",
    "audio_transcript",
    "transcript",
    "transcript_context",
    "context_form",
    "transcript_form",
]


def adapted(folder, dropout=0.0, **options):
    torch.manual_seed(0)
    llm = load_llm(LLMSpec(source=str(folder), adapter=AdapterSpec(rank=4, dropout=dropout), **options)).eval()
    for parameter in llm.parameters():
        if parameter.requires_grad:  # LoRA begins with zeros, which would hide a mistake
            torch.nn.init.normal_(parameter, std=0.1)
    return llm


@pytest.fixture
def llm(tiny_llm):
    return adapted(tiny_llm)


def inputs(llm, template, orders=(None, None, None)):
    encoder = PromptEncoder(llm.tokenizer, load_template(template), LABELS)
    torch.manual_seed(1)
    speech = [torch.randn(n, llm.width) for n in (3, 9, 1)] if "audio" in encoder.template.inputs else None
    prompts = [encoder.encode(text, labels=order) for text, order in zip(TEXTS, orders, strict=True)]
    return prompts, encoder.label_tokens(), speech


def plain(model, *args):
    """Every prompt from its first token."""
    model.reuse = False
    scores = model.label_scores(*args)
    model.reuse = True
    return scores


@pytest.fixture
def widths(llm, monkeypatch):
    """How many positions of each forward were computed for every row."""
    seen, forward = [], llm.logits
    monkeypatch.setattr(llm, "logits", lambda *args: seen.append(args[0].shape[1]) or forward(*args))
    return seen


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_scores_equal_those_of_the_whole_prompt(llm, template, side):
    model, args = SpeechLLM(llm, None, padding_side=side), inputs(llm, template)
    prompts = args[0]
    assert 0 < prompts[0].constant < len(prompts[0].before) + len(prompts[0].after)
    with torch.no_grad():
        fast = [model.label_scores(*args) for _ in range(2)]
        torch.testing.assert_close(fast[0], plain(model, *args), atol=1e-4, rtol=0)
    assert len(llm.prefixes._kept) == 1
    assert torch.equal(fast[0], fast[1]), "what is kept is not written to"


def test_one_by_one_equals_a_batch(llm):
    model = SpeechLLM(llm, None)
    prompts, labels, speech = inputs(llm, "prompt_first")
    with torch.no_grad():
        batch = model.label_scores(prompts, labels, speech)
        alone = [model.label_scores([p], labels, [s]) for p, s in zip(prompts, speech, strict=True)]
    torch.testing.assert_close(batch, torch.cat(alone), atol=1e-4, rtol=0)


def test_it_saves_the_constant_positions(llm, widths):
    model, args = SpeechLLM(llm, None), inputs(llm, "prompt_first")
    with torch.no_grad():
        plain(model, *args)
        model.label_scores(*args)
    assert widths[0] - widths[1] == args[0][0].constant > 20


def test_prompts_with_labels_in_other_orders_share_what_comes_before_the_labels(llm, widths):
    model, args = SpeechLLM(llm, None), inputs(llm, "prompt_first", (LABELS, LABELS[::-1], None))
    with torch.no_grad():
        want = plain(model, *args)
        torch.testing.assert_close(model.label_scores(*args), want, atol=1e-4, rtol=0)
    assert 0 < widths[0] - widths[1] < args[0][0].constant


@pytest.mark.parametrize("template", TEMPLATES)
def test_gradients_are_those_of_the_whole_prompt(llm, widths, template):
    """In training the beginning is computed once for the rows of a batch; its gradient is theirs together."""
    model, (prompts, labels, speech) = SpeechLLM(llm.train(), None), inputs(llm, template)
    leaves = [p for p in llm.parameters() if p.requires_grad]
    if speech is not None:
        leaves += [row.requires_grad_() for row in speech]

    def gradients(scores):
        loss = torch.nn.functional.cross_entropy(scores(), torch.tensor([0, 2, 4]))
        return torch.autograd.grad(loss, leaves)

    fast = gradients(lambda: model.label_scores(prompts, labels, speech))
    slow = gradients(lambda: plain(model, prompts, labels, speech))
    assert widths[1] - widths[0] == prompts[0].constant
    assert not llm.prefixes._kept
    for got, want in zip(fast, slow, strict=True):
        torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-4)


def test_rows_that_draw_their_own_dropout_share_nothing(tiny_llm):
    llm = adapted(tiny_llm, dropout=0.1).train()
    assert not llm.can_share(8)
    assert llm.eval().can_share(8)


def test_nothing_is_shared_where_activations_are_not_kept(tiny_llama):
    llm = adapted(tiny_llama, gradient_checkpointing=True).train()
    assert not llm.can_share(8)
    with torch.no_grad():
        assert llm.eval().can_share(8)


def test_an_architecture_with_other_memories_than_keys_and_values_computes_all(llm, widths, monkeypatch):
    model, args = SpeechLLM(llm, None), inputs(llm, "prompt_first")
    monkeypatch.setattr(type(llm.model.get_base_model()), "_is_stateful", True)
    with torch.no_grad():
        assert torch.equal(model.label_scores(*args), plain(model, *args))
    assert widths[0] == widths[1]


@pytest.mark.parametrize("change", ["optimizer", "loading", "assigning"])
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
        doubled = {name: p.detach() * 2 for name, p in trained.items()}
        llm.load_state_dict(doubled, strict=False, assign=change == "assigning")
    with torch.no_grad():
        after = model.label_scores(*args)
        assert not torch.allclose(before, after, atol=1e-3)
        torch.testing.assert_close(after, plain(model, *args), atol=1e-3, rtol=1e-5)


def test_what_was_kept_in_inference_mode_serves_without_it(tiny_llama):
    llm = adapted(tiny_llama)
    model, args = SpeechLLM(llm, None), inputs(llm, "prompt_first")
    with torch.inference_mode():
        first = model.label_scores(*args)
    with torch.no_grad():
        assert torch.equal(model.label_scores(*args), first)
    model.label_scores(*args).sum().backward()
    assert all(p.grad is not None for p in llm.parameters() if p.requires_grad)
