"""One contract, held by every interface."""

from collections.abc import Callable

import pytest
import torch
from jsonargparse import ArgumentParser

from emollm.errors import UserError
from emollm.models.interfaces import ConvInterface, Interface, MLPInterface, QFormer, QPMapper, StatisticsInterface

D, H, T = 12, 20, 40
LENGTHS = torch.tensor([40, 17, 34, 1, 5, 23, 39, 2])
SMALL = {"dim": 16, "heads": 4, "queries": 6}
MAKERS = {
    "mlp": lambda: MLPInterface(D, H, stack=5, hidden=32),
    "conv": lambda: ConvInterface(D, H, hidden=32),
    "qpmapper": lambda: QPMapper(D, H, **SMALL, feedforward=16),
    "qformer": lambda: QFormer(D, H, **SMALL, feedforward=32),
    "qformer_windows": lambda: QFormer(D, H, dim=16, heads=4, queries=1, feedforward=32, window=17),
}


@pytest.fixture(params=MAKERS)
def make(request):
    torch.manual_seed(0)
    return MAKERS[request.param]


def batch(lengths=LENGTHS):
    torch.manual_seed(1)
    return torch.randn(len(lengths), T, D), torch.arange(T) < lengths[:, None]


def test_the_contract(make):
    interface = make().eval()
    assert isinstance(interface, Interface)
    features, mask = batch()
    embeddings, kept = interface(features, mask)

    # Shapes, and lengths that nobody has to compute by hand.
    assert embeddings.shape == (8, kept.shape[1], H)
    assert kept.dtype == torch.bool
    assert torch.equal(kept.sum(1), interface.out_lengths(LENGTHS))
    assert torch.equal(kept, kept.long().cummin(1).values.bool()), "embeddings are padded on the right"
    assert embeddings[~kept].eq(0).all()

    # What stands in padded frames does not matter at all, not even if it is not a number.
    for garbage in (1e4, float("nan")):
        dirty = features.masked_fill(~mask[:, :, None], garbage)
        assert torch.equal(interface(dirty, mask)[0], embeddings)

    # A row alone gives what it gives in a batch.
    for row, length in enumerate(LENGTHS.tolist()):
        alone, real = interface(features[row : row + 1, :length], mask[row : row + 1, :length])
        assert real.all()
        torch.testing.assert_close(alone[0], embeddings[row, kept[row]], atol=1e-5, rtol=0)

    # Gradients reach every weight, and none comes from padding.
    features.requires_grad_()
    embeddings, kept = interface.train()(features, mask)
    (embeddings[kept] * torch.randn_like(embeddings[kept])).sum().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in interface.parameters())
    assert features.grad[mask].abs().sum(-1).gt(0).all(), "every real frame is heard"
    assert features.grad[~mask].eq(0).all()

    # A state dict holds all there is.
    torch.manual_seed(5)
    other = make().eval()
    other.load_state_dict(interface.state_dict())
    torch.testing.assert_close(other(*batch())[0], interface.eval()(*batch())[0])


def test_rows_without_frames_give_no_embeddings_and_no_nan(make):
    interface = make()
    features, mask = batch(torch.tensor([0, 30, 0]))
    embeddings, kept = interface(features, mask)
    assert kept.sum(1).tolist()[0] == kept.sum(1).tolist()[2] == 0
    assert embeddings.isfinite().all()
    embeddings.sum().backward()
    assert all(weight.grad.isfinite().all() for weight in interface.parameters())


@pytest.mark.parametrize(
    ("interface", "expected"),
    [
        (MLPInterface(D, H, stack=5, hidden=8), [0, 1, 1, 2, 10]),
        (ConvInterface(D, H, hidden=8), [0, 1, 1, 1, 7]),
        (QPMapper(D, H, **SMALL), [0, 6, 6, 6, 6]),
        (QFormer(D, H, **SMALL), [0, 6, 6, 6, 6]),
        (QFormer(D, H, dim=16, heads=4, queries=2, window=17), [0, 2, 2, 2, 6]),
    ],
)
def test_numbers_of_embeddings(interface, expected):
    assert interface.out_lengths(torch.tensor([0, 1, 5, 6, 50])).tolist() == expected


def test_the_papers_mapper_has_the_papers_size():
    """10.3 M parameters from WavLM-Large to Llama-3.2-3B (two layers, width 768, 32 queries)."""
    assert sum(p.numel() for p in QPMapper(1024, 3072).parameters()) == pytest.approx(10.3e6, rel=0.01)


def test_wrong_sizes_are_said_in_a_sentence():
    with pytest.raises(UserError, match="dim 100 is not a multiple of heads 8"):
        QPMapper(D, H, dim=100)
    with pytest.raises(UserError, match="kernel is 4; give an odd number"):
        ConvInterface(D, H, kernel=4)


def test_a_recipe_names_an_interface_by_its_class():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--interface", type=Callable[[int, int], Interface], default=MLPInterface)
    path = "emollm.models.interfaces.QFormer"
    config = parser.parse_args(["--interface", path, "--interface.window", "17", "--interface.dim", "16"])
    interface = parser.instantiate(config).interface(D, H)
    assert isinstance(interface, QFormer)
    assert (interface.input_dim, interface.output_dim, interface.window) == (D, H, 17)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: MLPInterface(8, 4, stack=0), "MLPInterface: stack is 0; give at least 1"),
        (lambda: ConvInterface(8, 4, stride=0), "ConvInterface: stride is 0"),
        (lambda: QPMapper(8, 4, queries=0), "QPMapper: queries is 0"),
        (lambda: QFormer(8, 4, window=-5), "QFormer: window is -5"),
        (lambda: StatisticsInterface(8, 4, tokens=0), "StatisticsInterface: tokens is 0"),
        (lambda: StatisticsInterface(8, 4, dropout=1.0), "dropout is 1.0; give a share, 0 or more, below 1"),
    ],
)
def test_numbers_of_nothing_are_refused(make, says):
    with pytest.raises(UserError, match=says):
        make()
