"""What every page shares: one self-contained file that asks no server for anything."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import plotly.offline
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ace3d_fast.text_files import write_text

FOLDER = Path(__file__).parent


def write_page(
    path: Path,
    template: Path,
    *,
    styles: Sequence[Path] = (),
    scripts: Sequence[Path] = (),
    data: Mapping[str, Any] | None = None,
    with_plotly: bool = False,
    **values: Any,
) -> Path:
    """Write the page of `render_page` to ``path``, which gets its name when the file is whole."""
    page = render_page(template, styles=styles, scripts=scripts, data=data, with_plotly=with_plotly, **values)
    return write_text(path, page)


def render_page(
    template: Path,
    *,
    styles: Sequence[Path] = (),
    scripts: Sequence[Path] = (),
    data: Mapping[str, Any] | None = None,
    with_plotly: bool = False,
    connects: bool = False,
    **values: Any,
) -> str:
    """A page as HTML.

    Parameters
    ----------
    template : Path
        A Jinja template that extends ``shell.html`` and fills its blocks ``title`` and ``body``.
    styles, scripts : sequence of Path
        Put into the page behind the report's own style, and at its end.
    data : mapping
        Each value becomes JSON in an element of that id, for the scripts.
    with_plotly : bool
        Draw each figure of ``data["figures"]`` in the element whose ``data-figure`` names it.
    connects : bool
        The scripts may talk to the server the page came from.
    **values
        For the template; text is escaped.
    """
    sheets = [FOLDER / "report.css", *styles]
    own = [FOLDER / "charts.js", *scripts] if with_plotly else list(scripts)
    code = [_plotly()] if with_plotly else []
    code += ["\n".join(script.read_text(encoding="utf-8") for script in own)] if own else []
    environment = Environment(
        loader=FileSystemLoader([template.parent, FOLDER]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template.name).render(
        **values,
        connects=connects,
        data={name: _script_json(value) for name, value in (data or {}).items()},
        style=Markup("".join(sheet.read_text(encoding="utf-8") for sheet in sheets)),
        scripts=[Markup(script) for script in code],
        script_hashes=[_hash(script) for script in code],
    )
    return page + "\n"


@lru_cache(maxsize=1)
def _plotly() -> str:
    return str(plotly.offline.get_plotlyjs())


def _script_json(value: Any) -> Markup:
    """JSON that no ``</script>`` inside a string can end."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def _hash(script: str) -> str:
    """The script as a source of a content security policy, so that no other script runs."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")
