"""What makes two calls the same one."""

from emollm.begun import state_of


def test_a_changed_template_is_another_recipe(tmp_path):
    """A recipe names templates by their paths; folds of two wordings do not make one result."""
    template = tmp_path / "mine.yaml"
    (tmp_path / "recipe.yaml").write_text(f"model:\n  stages:\n  - prompt: {template}\n")
    states, tests = [], {"ablations": "none"}
    for text in ("one", "two"):
        template.write_text(text)
        states.append(state_of([], [str(tmp_path / "recipe.yaml")], **tests))
        states.append(state_of([f"--model.prompt={template}"], [], **tests))
    assert states[0] != states[2]
    assert states[1] != states[3]


def test_what_is_asked_of_the_tests_is_part_of_it():
    assert state_of([], [], ablations="none") != state_of([], [], ablations="all")
