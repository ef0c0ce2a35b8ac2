"""The page about corpora: every reader is on it, and every snippet is a recipe that parses."""

import re
from pathlib import Path

import jsonargparse
import pytest
import yaml

from emollm.data import corpora
from emollm.data.corpora import Corpus, FileNameCorpus
from emollm.data.labels import LabelSet
from emollm.data.protocols import Protocol

PAGE = (Path(__file__).parents[3] / "docs" / "corpora.md").read_text(encoding="utf-8")
SNIPPETS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def check(kind, value):
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--value", type=kind)
    parser.parse_object({"value": value})


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_every_snippet_parses(snippet):
    data = snippet["data"] if isinstance(snippet, dict) else {"corpora": snippet}
    for corpus in data["corpora"]:
        check(Corpus, corpus)
    if "protocol" in data:
        check(Protocol, data["protocol"])
    if "labels" in data:
        LabelSet.parse(data["labels"])


def test_every_reader_is_described():
    readers = {name for name in corpora.__all__ if name not in (Corpus.__name__, FileNameCorpus.__name__)}
    shown = {name.rpartition(".")[2] for name in re.findall(r"class_path: (emollm\.data\.corpora\.\w+)", PAGE)}
    assert readers <= shown
