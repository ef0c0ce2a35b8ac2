"""The command line before it is parsed: what must be known to choose the parser."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import yaml

from emollm.errors import UserError
from emollm.wording import first_line

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a word",
    "list": "a list",
    "dict": "a mapping",
}


def model_is_checkpoint(args: list[str]) -> list[str]:
    """``--model PATH`` means ``--ckpt_path PATH``; ``--model.part`` and YAML files stay what they are."""
    changed = []
    for index, arg in enumerate(args):
        value = args[index + 1] if arg == "--model" and index + 1 < len(args) else arg.partition("=")[2]
        named = arg == "--model" or arg.startswith("--model=")
        changed.append(arg.replace("--model", "--ckpt_path", 1) if named and not _is_yaml(value) else arg)
    return changed


def fault_of(error: Exception) -> str:
    """What jsonargparse says of a value, in one line: of the types it tried, what the first one found wrong."""
    text = " ".join(str(error).replace("Parser key ", "").split()).rstrip(".")
    # It takes any value for a path first, and None for a choice of an optional field.
    text = re.sub(r"- Expected a path but .* either not accessible or invalid - ", "", text)
    tried = r"Does not validate against any of the Union .*?Errors: - (.*) - Expected a <class 'NoneType'>.*"
    text = re.sub(tried, r"\1", text)
    # Of a list, the fault of an item says more than that a list is no word.
    union = "Does not validate against any of the Union"
    item = r"(Expected (?:(?!Expected ).)*?Got value: (?:(?!Expected |Given ).)*?)\.?(?: - Expected .*?)?"
    text = re.sub(rf"{union} .*?{item} Given value type: <class 'list'>.*", r"\1", text)
    text = re.sub(
        r"Expected a <class 'str'>\. Got value: (True|False|[\d.]+)$",
        r"a word is wanted where \1 stands: put quotes around it, or YAML reads yes as True, and 1 as a number",
        text,
    )
    if union not in text:
        text = _choices(text)
        text = re.sub(r"Expected a <class '(\w+)'>", lambda kind: f"write {_KINDS.get(kind[1], kind[1])}", text)
    text = re.sub(r"Type \S.*? expects a function or a callable class: (.*?)\. Got value: .*", r"\1", text)
    text = re.sub(
        r"Expected a dot import path string: (\S+)", r"'\1' is no class; write package.module.Class", text
    )
    return re.sub(r"Unable to load config '(.*?)' - .*", r"'\1' is neither a file nor a mapping of options", text)


def _choices(text: str) -> str:
    """With the alternatives of one field as a list, and without the types that they are of."""
    kinds = r"Expected a typing\.Literal\[[^\]]*\](?: - Expected a typing\.Literal\[[^\]]*\])*"

    def listed(found: re.Match[str]) -> str:
        names = ", ".join(re.findall(r"\[([^\]]*)\]", found[0])).replace("'", "").split(", ")
        return f"choose one of {', '.join(dict.fromkeys(names))}"

    return re.sub(kinds, listed, text)


def chosen(option: str, asked: str | Sequence[str] | None, known: Collection[str]) -> list[str]:
    """Names that an option asks for.

    Args:
        option: as messages call it.
        asked: ``all``, ``none`` (or None), a list of names, or names with commas.
        known: the names that there are.

    Raises:
        UserError: naming the first one that there is not.
    """
    if asked in (None, "none"):
        return []
    if asked == "all":
        return list(known)
    if isinstance(asked, str):
        names = [name.strip() for name in asked.strip("[]").split(",") if name.strip()]
    else:
        names = list(asked)
    names = list(dict.fromkeys(names))
    wrong = [name for name in names if name not in known]
    if wrong or (isinstance(asked, str) and not names):
        raise UserError(
            f"{option} is '{wrong[0] if wrong else asked}': write all, none, or some of {', '.join(known)}, with "
            "commas."
        )
    return names


def _is_yaml(value: str) -> bool:
    return value.endswith((".yaml", ".yml", ".json"))


def values_of(args: list[str], *names: str) -> list[str]:
    """Values of an option in their order, written ``--name value`` or ``--name=value``."""
    found = []
    for arg, after in zip_longest(args, args[1:]):
        name, equals, value = arg.partition("=")
        if name in names and (equals or after is not None):
            found.append(value if equals else after)
    return found


def pairs(args: Sequence[str]) -> list[tuple[str, str]]:
    """All options and their values, written ``--name value`` or ``--name=value``.

    Raises:
        UserError: when a value belongs to none.
    """
    found: list[tuple[str, str]] = []
    for arg in args:
        if arg.startswith("--") or arg == "-c":
            name, _, value = arg.partition("=")
            found.append((name, value))
        elif found and not found[-1][1]:
            found[-1] = (found[-1][0], arg)
        else:
            raise UserError(f"'{arg}' belongs to no option: write --name value, or --name=value.")
    return found


def in_turn(configs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Recipes that are read one after the other, each without what a later one puts another class or list for.

    The parser would keep the old one's arguments wherever the new class knows their names.
    """
    kept = [dict(config) for config in configs]
    for index, config in enumerate(kept):
        for later in configs[index + 1 :]:
            config = _without_replaced(config, later)
        kept[index] = config
    return kept


def _without_replaced(values: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in values.items():
        new = later.get(name)
        if isinstance(new, str) and isinstance(value, dict) and "class_path" in value:
            new = {"class_path": new}  # the short way to write it
        if isinstance(value, dict) and isinstance(new, dict):
            if "class_path" in new and _class_of(new) != _class_of(value):
                continue
            kept[name] = _without_replaced(value, new)
        elif not (isinstance(value, list) and isinstance(new, list)):
            kept[name] = value
    return kept


def _class_of(values: dict[str, Any]) -> str:
    return str(values.get("class_path", "")).rpartition(".")[2]


def with_configs_in_turn(args: list[str], folder: Path) -> list[str]:
    """Arguments whose ``--config`` files are read as ``in_turn`` says; flags that name a class count as the last.

    Args:
        args: as they were typed.
        folder: where a file that has to be changed is written, under its own name.
    """
    args = list(args)
    places = []
    for index, arg in enumerate(args):
        name, equals, value = arg.partition("=")
        if name in ("--config", "-c") and equals:
            places.append((index, f"{name}=", value))
        elif arg in ("--config", "-c") and index + 1 < len(args):
            places.append((index + 1, "", args[index + 1]))
    configs = [read_yaml(path) for *_, path in places]
    last = classes_in_flags(args)
    for (index, prefix, path), before, config in zip(places, configs, in_turn([*configs, last]), strict=False):
        if config != before:
            file = folder / str(index) / Path(path).name
            file.parent.mkdir(parents=True)
            file.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
            args[index] = f"{prefix}{file}"
    return args


def classes_in_flags(args: Sequence[str]) -> dict[str, Any]:
    """What flags say in words or as a class, as a recipe would: ``--data.protocol SpeakerSplit``."""
    found: dict[str, Any] = {}
    for arg, after in zip_longest(args, args[1:]):
        name, equals, value = arg.partition("=")
        *path, last = name.removeprefix("--").split(".")
        if not (name.startswith("--") and path):
            continue
        try:
            given = yaml.safe_load(value if equals else after or "")
        except yaml.YAMLError:  # the parser says so
            continue
        inner: Any = found
        for key in path:
            inner = inner.setdefault(key, {}) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and (
            isinstance(given, str) or (isinstance(given, dict) and "class_path" in given)
        ):
            inner[last] = given
    return found


class _OnceEach(yaml.SafeLoader):
    """Reads YAML in which no mapping has a key twice, of which the first one would be forgotten in silence."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if (key.tag, key.value) in seen:
                raise yaml.MarkedYAMLError(problem_mark=key.start_mark, problem=f"'{key.value}' is written twice")
            seen.add((key.tag, key.value))
        return node


def read_yaml(path: str) -> dict[str, Any]:
    """The values of a recipe.

    Raises:
        UserError: when it is not there, or is no recipe.
    """
    try:
        values = yaml.load(Path(path).expanduser().read_text(encoding="utf-8"), _OnceEach)
    except FileNotFoundError as error:
        raise UserError(f"There is no configuration file {path}: check the path given to --config.") from error
    except OSError as error:
        raise UserError(
            f"{path}, given to --config, cannot be read ({error.strerror}): name a YAML file."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise UserError(f"{path} is not a readable YAML file: {first_line(error)}{where}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} is not a recipe: it must hold the keys model, data and trainer.")
    return values
