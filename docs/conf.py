"""The documentation site: `make docs`. Warnings are errors; pages fetch nothing and open from a file."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import typer
from rich.text import Text
from typer.core import TyperArgument

import ace3d_fast
from ace3d_fast.cli.app import app as commands

project = "ace3d_fast"
version = release = ace3d_fast.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

myst_heading_anchors = 2

default_role = "py:obj"
nitpicky = True
nitpick_ignore_regex = [("py:class", ".*")]  # types in docstrings are words: (N, T, H, W) int32
autodoc_typehints = "none"  # docstrings give shapes and types
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

BAR = "\\|"  # in a cell of a table

html_theme = "furo"
html_title = f"ace3d_fast {version}"
html_copy_source = False
html_show_copyright = False


def cli_page() -> str:
    """Every command and its options, as the commands tell them."""
    lines = ["# Commands", "", "`ace3d-fast COMMAND --help` tells the same."]
    for name, command in typer.main.get_command(commands).commands.items():  # type: ignore[attr-defined]
        context = typer.Context(command)
        about, *more = str(command.help).replace("[b]", "`").replace("[/b]", "`").split("\n\n")
        *text, example = [about, *more]
        lines += ["", f"## {name}", "", *("\n\n".join(text).splitlines()), ""]
        lines += ["```sh", example.removeprefix("Example: "), "```"]
        for panel, parameters in groupby(command.params, lambda parameter: parameter.rich_help_panel):
            lines += ["", f"**{panel}**" if panel else "", "", "| option | meaning |", "|---|---|"]
            lines += [_row(parameter, context) for parameter in parameters]
    return "\n".join([*lines, ""])


def _row(parameter: Any, context: typer.Context) -> str:
    names, given = [str(parameter.metavar)], None
    if not isinstance(parameter, TyperArgument):
        names = [*parameter.opts, *parameter.secondary_opts]
        if not parameter.is_flag:
            names[0] += f" {parameter.metavar or parameter.display_type(context)}"
            given = parameter.default
    told = Text.from_markup(parameter.help or "").plain
    if parameter.required:
        told += " Required."
    elif given is not None and given != []:
        told += f" Default: {getattr(given, 'value', given)}."
    cells = [", ".join(f"`{name}`" for name in names), told]
    return f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |"


def link_by_last_name(app: Any, env: Any, node: Any, text: Any) -> Any:
    """Link a name, given in short or by the module that defines it, to where the site has it."""
    if node.get("refdomain") != "py":
        return None
    domain, name = env.get_domain("py"), node["reftarget"].rpartition(".")[2]
    full = [known for known in domain.objects if known.rpartition(".")[2] == name]
    if node["reftype"] == "class":  # of a parameter: its words may be names of something else
        full = [known for known in full if domain.objects[known].objtype == "class"]
    if len(full) != 1:
        return None
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", full[0], node, text)


def setup(app: Any) -> None:
    """Write what is generated before pages are read, and link what Sphinx does not."""
    app.connect("missing-reference", link_by_last_name)
    app.connect(
        "builder-inited",
        lambda _: Path(__file__).with_name("cli.md").write_text(cli_page(), encoding="utf-8"),
    )
