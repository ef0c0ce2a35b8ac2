import torch

from emollm.models.layer_mix import LayerMix


def test_layers_weigh_the_same_at_first_and_by_softmax_later():
    hidden = torch.randn(2, 3, 5, 7)
    mix = LayerMix(3, normalize=False)
    torch.testing.assert_close(mix.weights(), torch.full((3,), 1 / 3))
    torch.testing.assert_close(mix(hidden), hidden.mean(1))
    with torch.no_grad():
        mix.logits.copy_(torch.tensor([0.0, 1.0, -50.0]))
    share = 1 / (1 + torch.e)
    torch.testing.assert_close(mix(hidden), share * hidden[:, 0] + (1 - share) * hidden[:, 1])


def test_normalised_layers_count_by_weight_and_not_by_size():
    hidden = torch.randn(2, 2, 5, 64)
    scaled = hidden * torch.tensor([1.0, 100.0])[None, :, None, None] + 3.0
    torch.testing.assert_close(LayerMix(2)(scaled), LayerMix(2)(hidden), atol=1e-4, rtol=1e-4)
    frames = LayerMix(1)(scaled[:, 1:])
    torch.testing.assert_close(frames.mean(-1), torch.zeros(2, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(frames.var(-1, unbiased=False), torch.ones(2, 5), atol=1e-4, rtol=0)


def test_one_layer_is_passed_on_with_nothing_to_learn():
    hidden = torch.randn(2, 1, 5, 7)
    mix = LayerMix(1, normalize=False)
    assert torch.equal(mix(hidden), hidden[:, 0])
    assert not any(weight.requires_grad for weight in mix.parameters())


def test_the_weights_learn():
    mix = LayerMix(2)
    hidden = torch.randn(1, 2, 4, 8)
    (mix(hidden) * torch.randn(1, 4, 8)).sum().backward()
    assert mix.logits.grad.abs().sum() > 0
