"""A run in a notebook: concepts with looping clips, tables, and figures that display by themselves."""

from ace3d_fast.notebook.figures import plot_timeline
from ace3d_fast.notebook.gallery import Gallery
from ace3d_fast.notebook.view import ConceptView, RunView, view_run

__all__ = ["ConceptView", "Gallery", "RunView", "plot_timeline", "view_run"]
