"""The tables of the reference, written from the code: a number stands in one place and is copied from there.

    python -m docs.generate

rewrites what stands between `<!-- generated: NAME -->` and `<!-- end -->` in the files of docs/reference, and
nothing else. tests/house/test_docs.py fails where a file is not what this gives.
"""

import ast
import inspect
import re
import types
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import typer
from pydantic import BaseModel, SecretStr

from cli.errors import EXIT_CODES
from cli.main import app
from core.domain import errors
from core.domain.errors import HeirloomError
from core.imaging.archive import ArchiveLimits
from core.imaging.intake import Limits
from core.priors.training.recipe import TrainingRecipe
from core.priors.training.recipe import allowed_range as training_range
from core.recipes.cost import cost_of
from core.recipes.presets import PRESETS
from core.recipes.schema import AlbumRecipe, FinetuneRecipe, RestoreRecipe, allowed_range
from core.settings import Settings

REFERENCE = Path(__file__).parent / "reference"
PARTS: dict[str, type[BaseModel]] = {"album": AlbumRecipe, "finetune": FinetuneRecipe, "restore": RestoreRecipe}
_SECTION = re.compile(r"<!-- generated: (\S+) -->\n.*?<!-- end -->", re.DOTALL)


def rendered(text: str) -> str:
    """A page with every generated section as the code has it now.

    Args:
        text: the page; its other words stay as they are.

    Raises:
        KeyError: a section that nothing makes.
    """
    return _SECTION.sub(
        lambda section: f"<!-- generated: {section[1]} -->\n\n{SECTIONS[section[1]]()}\n\n<!-- end -->", text
    )


def main() -> None:
    """Rewrite the generated sections of docs/reference."""
    for page in sorted(REFERENCE.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if (new := rendered(text)) != text:
            page.write_text(new, encoding="utf-8")
            typer.echo(f"rewrote {page.name}")


def preset_numbers() -> str:
    """One row for each number, one column for each preset; a dash where a mode has no such part."""
    recipes = [preset.recipe for preset in PRESETS.values()]
    rows: list[list[str]] = []
    for part, model in PARTS.items():
        for field in model.model_fields:
            values = [getattr(getattr(recipe, part), field, None) for recipe in recipes]
            here = [getattr(recipe, part) is not None for recipe in recipes]
            texts = [_value(value) if there else "–" for value, there in zip(values, here, strict=True)]
            rows.append([f"`{part}.{field}`", *texts])
    costs = [cost_of(recipe) for recipe in recipes]
    rows += [
        [f"network forwards, {stage}", *(f"{getattr(cost, stage):,}" for cost in costs)]
        for stage in ("album", "finetune", "restore", "total")
    ]
    return _table(["", *(f"`{name}`" for name in PRESETS)], rows)


def preset_sources() -> str:
    """What each preset buys, and where its numbers come from."""
    rows = [
        [f"`{name}`", preset.recipe.mode.value, preset.buys, f"{preset.source}."] for name, preset in PRESETS.items()
    ]
    return _table(["preset", "mode", "what it buys", "where the numbers come from"], rows)


def recipe_fields() -> str:
    """Every field of a recipe with its meaning, default and allowed range."""
    rows = []
    for part, model in PARTS.items():
        meanings = _attributes(model)
        for name, info in model.model_fields.items():
            allowed = allowed_range(f"{part}.{name}") or _choices(info.annotation)
            rows.append([f"`{part}.{name}`", meanings[name], _value(info.default), allowed])
    return _table(["field", "meaning", "default", "allowed"], rows)


def training_fields() -> str:
    """Every field of a training recipe with its meaning, default and allowed range."""
    meanings = _attributes(TrainingRecipe)
    rows = [
        [f"`{name}`", meanings[name], _value(info.default), training_range(name)]
        for name, info in TrainingRecipe.model_fields.items()
    ]
    return _table(["field", "meaning", "default", "allowed"], rows)


def commands() -> str:
    """Every command with its arguments and options, in the order of `--help`."""
    return "\n\n".join(_command(name, command) for name, command in command_tree().items())


def exit_codes() -> str:
    """Exit codes, from the command line's one table and the error tree."""
    rows = [["0", "", "it worked"]]
    for kind, code in sorted(EXIT_CODES, key=lambda row: row[1]):
        rows.append([str(code), f"`{kind.__name__}`", _first_line(kind)])
    return _table(["code", "error", "meaning"], rows)


def error_codes() -> str:
    """Every error with its stable code and the exit code it ends in."""
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, HeirloomError)]
    rows = []
    for kind in sorted(kinds, key=lambda one: (_exit_code(one), one.code)):
        later = "yes" if kind.retryable else ""
        rows.append([f"`{kind.code}`", f"`{kind.__name__}`", str(_exit_code(kind)), later, _first_line(kind)])
    return _table(["code", "error", "exit", "retryable", "meaning"], rows)


def limits() -> str:
    """What is refused before it is decoded."""
    rows = []
    for label, model in (("a photo", Limits), ("an album's zip", ArchiveLimits)):
        meanings = _attributes(model)
        rows += [[label, f"`{field.name}`", meanings[field.name], f"{field.default:,}"] for field in fields(model)]
    return _table(["of", "limit", "meaning", "at most"], rows)


def settings() -> str:
    """Every setting with its meaning, default and what it may be."""
    meanings = _attribute_docstrings(Settings)
    rows = []
    for name, info in Settings.model_fields.items():
        default = "the user's data folder" if name == "home" else _setting(info.get_default(call_default_factory=True))
        rows.append([f"`HEIRLOOM_{name.upper()}`", default, _allowed(info), meanings[name]])
    return _table(["setting", "default", "may be", "meaning"], rows)


SECTIONS: dict[str, Callable[[], str]] = {
    "presets": preset_numbers,
    "preset-sources": preset_sources,
    "recipe-fields": recipe_fields,
    "training-fields": training_fields,
    "commands": commands,
    "exit-codes": exit_codes,
    "error-codes": error_codes,
    "limits": limits,
    "settings": settings,
}


def command_tree() -> dict[str, Any]:
    """Every command by its whole name, e.g. "models pull", as typer builds it."""
    tree: dict[str, Any] = {}
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]  # a group
        inner = getattr(command, "commands", None)
        tree |= {name: command} if inner is None else {f"{name} {part}": below for part, below in inner.items()}
    return tree


def _command(name: str, command: Any) -> str:  # noqa: ANN401  # typer's class for it changes from version to version
    hints = get_type_hints(inspect.unwrap(command.callback), include_extras=True)
    rows = []
    for parameter in command.params:
        argument = not any(option.startswith("-") for option in parameter.opts)
        names = [parameter.name.upper()] if argument else [*sorted(parameter.opts, key=len), *parameter.secondary_opts]
        kind, about = _annotation(hints[parameter.name])
        default = "required" if parameter.required else _default(parameter.default)
        rows.append([", ".join(f"`{one}`" for one in names), kind, default, _oneline(about.help or "")])
    about_command = _oneline(inspect.getdoc(command.callback) or "")
    return f"### `heirloom {name}`\n\n{about_command}" + (
        f"\n\n{_table(['option', 'value', 'default', 'meaning'], rows)}" if rows else ""
    )


def _annotation(hint: Any) -> tuple[str, Any]:  # noqa: ANN401  # a type hint has no type of its own
    """What kind of value a parameter takes, in words, and what typer was told about it."""
    inner, about = get_args(hint)[:2] if get_origin(hint) is Annotated else (hint, None)
    several = ""
    options = [one for one in get_args(inner) if one is not types.NoneType]
    if get_origin(inner) in (Union, types.UnionType):
        inner, options = options[0], list(get_args(options[0]))
    if get_origin(inner) is list:
        inner, several = options[0], ", repeatable"
    if isinstance(inner, type) and issubclass(inner, Enum):
        return ", ".join(f"`{one.value}`" for one in inner) + several, about
    words = {Path: "path", str: "text", int: "whole number", float: "number", bool: "flag"}[inner]
    bounds = [f"{word} {value}" for word, value in (("from", about.min), ("to", about.max)) if value is not None]
    return " ".join([words, *bounds]) + several, about


def _default(value: object) -> str:
    if value is None or value is False or value == "":
        return ""
    return f"`{value.value if isinstance(value, Enum) else value}`" if value is not True else "on"


def _exit_code(kind: type[HeirloomError]) -> int:
    return next(code for parent, code in EXIT_CODES if issubclass(kind, parent))


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _attributes(model: type) -> dict[str, str]:
    """The meanings that a class's docstring gives under "Attributes"."""
    section = (inspect.getdoc(model) or "").partition("Attributes:\n")[2]
    return {found[1]: _oneline(found[2]) for found in re.finditer(r"^    (\w+): (.+(?:\n     .+)*)", section, re.M)}


def _attribute_docstrings(model: type) -> dict[str, str]:
    """The meanings that stand as texts below a class's attributes."""
    body = ast.parse(inspect.getsource(model)).body[0]
    statements = body.body if isinstance(body, ast.ClassDef) else []
    found = {}
    for statement, below in pairwise(statements):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            text = below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else ""
            found[statement.target.id] = _oneline(str(text))
    return found


def _setting(value: object) -> str:
    text = str(value.get_secret_value() if isinstance(value, SecretStr) else value)
    if isinstance(value, bool | float):
        text = text.lower() if isinstance(value, bool) else f"{value:g}"
    return "" if value is None or text in ("", "[]") else f"`{text}`"


def _allowed(info: Any) -> str:  # noqa: ANN401  # pydantic's description of a field
    bounds = {"Ge": "from {}", "Gt": "above {}", "Le": "to {}"}
    numbers = [
        bounds[type(rule).__name__].format(getattr(rule, type(rule).__name__.lower()))
        for rule in info.metadata
        if type(rule).__name__ in bounds
    ]
    options = [f"`{option}`" for option in get_args(info.annotation) if isinstance(option, str) and option]
    if numbers or options:
        return " ".join(numbers) or ", ".join(options)
    words = {list: "names, with commas between", bool: "true, false", Path: "path", SecretStr: "URL", str: "text"}
    kinds = [info.annotation, *get_args(info.annotation)]
    return next(word for kind, word in words.items() if any((get_origin(one) or one) is kind for one in kinds))


def _choices(annotation: Any) -> str:  # noqa: ANN401  # a type hint has no type of its own
    if annotation is bool:
        return "true or false"
    return " or ".join(f"`{option}`" for option in get_args(annotation))


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value)


def _oneline(text: str) -> str:
    return " ".join(text.split())


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    main()
