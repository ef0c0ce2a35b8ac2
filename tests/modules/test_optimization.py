"""Which part of a module a parameter belongs to."""

import torch
from torch import nn

from emollm.models.interfaces import MLPInterface
from emollm.modules.optimization import Optimization, parameter_groups
from tests.small import build


class Nested(MLPInterface):
    """An interface that calls parts of its own as other modules are called."""

    def __init__(self, input_dim: int, output_dim: int) -> None:
        super().__init__(input_dim, output_dim, hidden=8)
        self.backbone = nn.Sequential(self.layers[0], nn.BatchNorm1d(8))
        self.llm = self.layers[3]
        del self.layers

    def embed(self, features, mask):
        features = nn.functional.pad(features, (0, 0, 0, -features.shape[1] % self.stack))
        hidden = self.backbone[0](features.unflatten(1, (-1, self.stack)).flatten(2))
        return self.llm(self.backbone[1](hidden.transpose(1, 2)).transpose(1, 2))


def test_parts_of_an_interface_are_its_own_whatever_they_are_called(tiny_wavlm, tiny_llama):
    interface = {"class_path": "tests.modules.test_optimization.Nested"}
    backbone = {"source": str(tiny_wavlm), "layers": [3], "trained_layers": 1}
    module = build(tiny_wavlm, tiny_llama, interface=interface, backbone=backbone)
    groups = {group["name"]: group for group in parameter_groups(module, Optimization())}
    own = {id(parameter) for parameter in groups["own"]["params"]}
    assert {id(parameter) for parameter in module.model.audio.interface.parameters()} <= own
    assert {id(p) for p in groups["backbone"]["params"]} == {
        id(p) for p in module.model.audio.backbone.parameters() if p.requires_grad
    }
    assert {id(p) for p in groups["adapter"]["params"]} == {
        id(p) for p in module.model.llm.parameters() if p.requires_grad
    }


def test_buffers_of_an_interface_are_kept_in_checkpoints(tiny_wavlm, tiny_llama):
    module = build(tiny_wavlm, tiny_llama, interface={"class_path": "tests.modules.test_optimization.Nested"})
    checkpoint = {"state_dict": module.state_dict()}
    module.on_save_checkpoint(checkpoint)
    kept = checkpoint["state_dict"]
    torch.testing.assert_close(kept["model.audio.interface.backbone.1.running_mean"], torch.zeros(8))
    assert not any(name.startswith(("model.audio.backbone.", "model.llm.model.model.")) for name in kept)
