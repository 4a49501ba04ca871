"""The page "Command reference", made from the parser of the command whenever the documentation is built.

A hook of MkDocs (mkdocs.yml); alone it prints the page: python scripts/docs/command_reference.py
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from streamseg.pipelines.cli import _parser

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

PAGE = "commands.md"
_INTRODUCTION = """# Command reference

Every option of every subcommand, as `streamseg COMMAND --help` has them. Times are seconds or `h:m:s`. The pages under
"Use it" tell what to do with them.

"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, PAGE, content=command_reference()))
    return files


def command_reference() -> str:
    """The page in Markdown."""
    parser = _parser()
    parts = [_INTRODUCTION, *(_section(each, help_text, 2) for each, help_text in subcommands(parser))]
    return "".join(parts).rstrip() + "\n"


def subcommands(parser: argparse.ArgumentParser) -> Iterator[tuple[argparse.ArgumentParser, str]]:
    """The parsers of the subcommands, each with what the list of commands says of it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            texts = {choice.dest: choice.help or "" for choice in action._choices_actions}
            yield from ((each, texts.get(name, "")) for name, each in action.choices.items())


def _section(parser: argparse.ArgumentParser, help_text: str, level: int) -> str:
    parts = [f"{'#' * level} {parser.prog}\n\n", f"{help_text[:1].upper()}{help_text[1:]}.\n\n"]
    parts.append(f"```text\n{_usage(parser)}\n```\n\n")
    for group in parser._action_groups:
        parts.append(_group(parser, group))
    parts += [_section(each, text, level + 1) for each, text in subcommands(parser)]
    return "".join(parts)


def _usage(parser: argparse.ArgumentParser) -> str:
    required = [action for action in parser._actions if action.option_strings and action.required]
    positional = [action for action in parser._actions if not action.option_strings]
    words = [parser.prog, *(f"{name_of(each)} …" if each.nargs == "+" else name_of(each) for each in required)]
    for action in positional:
        name = "COMMAND" if isinstance(action, argparse._SubParsersAction) else str(action.metavar or action.dest)
        words.append(f"{name} …" if action.nargs == "+" else name)
    return " ".join([*words, "[options]"])


def _group(parser: argparse.ArgumentParser, group: argparse._ArgumentGroup) -> str:
    shown = [action for action in group._group_actions if not _is_left_out(action)]
    if not shown:
        return ""
    title = group.title if group.title not in ("positional arguments", "options", None) else ""
    heading = f"*{title.capitalize()}*{': ' + group.description if group.description else ''}\n\n" if title else ""
    rows = "".join(f"| `{name_of(each)}` | {_cell(_help(parser, each))} |\n" for each in shown)
    kind = "option" if shown[0].option_strings else "argument"
    return f"{heading}| {kind} | what it is |\n|---|---|\n{rows}\n"


def _is_left_out(action: argparse.Action) -> bool:
    return isinstance(action, (argparse._HelpAction, argparse._SubParsersAction)) or action.help == argparse.SUPPRESS


def name_of(action: argparse.Action) -> str:
    """Names of an option and of its value, or the name of an argument."""
    if not action.option_strings:
        return str(action.metavar or action.dest)
    names = ", ".join(action.option_strings)
    if action.nargs == 0:
        return names
    value = "|".join(map(str, action.choices)) if action.choices else str(action.metavar or action.dest.upper())
    if action.nargs == "?":
        return f"{names} [{value}]"
    return f"{names} {value}{' …' if action.nargs == '+' else ''}"


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    return parser._get_formatter()._expand_help(action) if action.help else ""


def _cell(text: str) -> str:
    """Text in a cell of a table; code needs no escapes there."""
    return text.replace("|", r"\|").replace("<", "&lt;").replace("\n", " ")


if __name__ == "__main__":
    print(command_reference(), end="")
