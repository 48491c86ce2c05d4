"""Looping clips side by side, as HTML that a notebook displays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from ace3d_fast.report.cards import Example


class Gallery:
    """Example clips of one concept; a notebook shows them playing.

    Parameters
    ----------
    examples : sequence of Example
        Each has ``clip`` (``data``: a looping WebP), ``video``, ``seconds`` and ``details``.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        self._examples = list(examples)

    def __getitem__(self, index: int) -> Example:
        return self._examples[index]

    def __len__(self) -> int:
        return len(self._examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self._examples)

    def __repr__(self) -> str:
        return f"Gallery of {len(self)} clips: " + ", ".join(f"{e.video} at {e.time}" for e in self)

    def _repr_html_(self) -> str:
        return f'<div style="display:flex;flex-wrap:wrap;gap:8px">{"".join(map(_figure, self))}</div>'


def _figure(example: Example) -> str:
    clip = example.clip
    about = escape(f"{example.video} at {example.time}: {example.details}", quote=True)
    image = (
        f'<img src="{clip.uri}" width="{clip.width}" height="{clip.height}" alt="{about}" title="{about}">'
    )
    caption = f"{escape(example.file)}, {escape(example.time)}"
    style = f"margin:0;max-width:{clip.width}px;font-size:12px;overflow-wrap:anywhere"
    return f'<figure style="{style}">{image}<figcaption>{caption}</figcaption></figure>'
