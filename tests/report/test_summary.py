"""What is told before training."""

import re

import pytest
import torch
from rich.console import Console
from torch import nn

from emollm.report.summary import GIB, memory_estimate, parameter_table


def rows(table):
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(table)
    lines = [re.split(r"\s{2,}", row.strip()) for row in capture.get().splitlines()]
    return {line[0]: line[1:] for line in lines if len(line) == 5}


def test_parameters_of_each_part_at_their_own_dtype():
    backbone, head = nn.Linear(1000, 999).bfloat16().requires_grad_(False), nn.Linear(10, 10)
    head.bias.requires_grad_(False)
    table = rows(parameter_table({"backbone": backbone, "head": head}))
    assert table["backbone"] == ["999,999", "0", "0.00 %", "2.0"]
    assert table["head"] == ["110", "100", "90.91 %", "0.0"]
    assert table["all"] == ["1,000,109", "100", "0.01 %", "2.0"]


def test_shared_parameters_count_once_and_empty_parts_are_shown():
    embedding = nn.Embedding(10, 10)
    head = nn.Linear(10, 10, bias=False)
    head.weight = embedding.weight
    table = rows(parameter_table({"embedding": embedding, "head": head, "none": nn.Identity()}))
    assert table["all"][0] == "100"
    assert table["none"] == ["0", "0", "–", "0.0"]


class Params4bit(nn.Parameter):
    """As bitsandbytes has it: two weights in a byte."""


@pytest.mark.parametrize("storage", [torch.uint8, torch.bfloat16])
def test_four_bit_weights_count_as_what_they_stand_for(storage):
    part, packed = nn.Module(), torch.zeros(500_000, dtype=torch.uint8).view(storage)
    part.weight = Params4bit(packed, requires_grad=False)
    assert rows(parameter_table({"llm": part}))["llm"] == ["1,000,000", "0", "0.00 %", "0.5"]


def test_memory_is_weights_gradients_and_two_states():
    estimate = memory_estimate(trainable_params=GIB // 4, total_bytes=3 * GIB)
    assert estimate == {"weights": 3, "gradients": 1, "optimizer": 2, "total": 6}
