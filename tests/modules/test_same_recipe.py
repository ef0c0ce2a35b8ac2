"""Weights are not put to another use than they were trained for."""

import pytest

from emollm.errors import UserError
from emollm.modules.same_recipe import check_adapter, check_layers, check_recipe

CONV = {"class_path": "emollm.models.interfaces.ConvInterface", "init_args": {"stride": 2, "dropout": 0.1}}
THEIRS = {"backbone": {"layers": [1, 3], "trim_db": None}, "layers": "mix", "interface": CONV}


def changed(**interface):
    return {**THEIRS, "interface": {**CONV, "init_args": {**CONV["init_args"], **interface}}}


@pytest.mark.parametrize(
    ("mine", "says"),
    [
        (
            {**THEIRS, "backbone": {"layers": [2, 3]}},
            r"backbone.layers is \[2, 3\], .* with \[1, 3\]",
        ),
        ({**THEIRS, "layers": "concat"}, "model.layers is concat"),
        ({"interface": {"class_path": "emollm.models.interfaces.MLPInterface"}}, "model.interface.class_path is"),
        (changed(stride=3), "model.interface.init_args.stride is 3, and the checkpoint was trained with 2"),
    ],
)
def test_another_use_is_refused(mine, says):
    with pytest.raises(UserError, match=says):
        check_recipe(mine, THEIRS)


@pytest.mark.parametrize(
    "mine",
    [
        {},
        THEIRS,
        changed(dropout=0.5),
        {"interface": None, "backbone": {}},
        {"backbone": {"layers": [3, 1]}},
        {"backbone": {"layers": "all"}},
        {"backbone": {"layers": -1}},
    ],
)
def test_the_same_use_is_not(mine, recwarn):
    check_recipe(mine, THEIRS)
    assert not recwarn


def test_layers_are_those_that_are_heard_however_they_are_counted():
    check_layers([2, 3], [2, 3])
    check_layers(None, [2, 3])
    check_layers([2, 3], None)
    with pytest.raises(UserError, match=r"layers are \[2, 3\], .* was trained with \[1, 3\]"):
        check_layers([2, 3], [1, 3])


def test_the_scale_of_an_adapter_has_no_shape_and_counts():
    theirs = {"llm": {"source": "x", "adapter": {"alpha": 32}}}
    check_adapter({}, theirs)
    check_adapter({"llm": {"adapter": {"alpha": 32, "rank": 4}}}, theirs)
    with pytest.raises(UserError, match=r"adapter\.alpha is 8, and the checkpoint was trained with 32"):
        check_adapter({"llm": {"adapter": {"alpha": 8}}}, theirs)


def test_sound_that_is_given_otherwise_is_told():
    with pytest.warns(UserWarning, match=r"backbone.trim_db is 40, .* with None: scores will differ"):
        check_recipe({"backbone": {"layers": [1, 3], "trim_db": 40}}, THEIRS)
