"""Run the notebooks of examples/ from top to bottom and keep what they show; `make notebooks`."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
LIMIT_SECONDS = 600


def run_notebook(path: Path) -> nbformat.NotebookNode:
    """The notebook at ``path``, run anew; an error in a cell is raised.

    Pictures that are known as PNG and JPEG stay as the smaller one, and machines leave no trace.
    """
    book = nbformat.read(path, as_version=4)
    client = NotebookClient(
        book,
        timeout=LIMIT_SECONDS,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": EXAMPLES}},
    )
    client.execute()
    book.metadata = {"kernelspec": book.metadata["kernelspec"], "language_info": {"name": "python"}}
    for cell in book.cells:
        for output in cell.get("outputs", []):
            pictures = [kind for kind in ("image/png", "image/jpeg") if kind in output.get("data", {})]
            for kind in sorted(pictures, key=lambda kind: len(output["data"][kind]))[1:]:
                del output["data"][kind]
    return book


if __name__ == "__main__":
    for notebook in sorted(EXAMPLES.glob("*.ipynb")):
        nbformat.write(run_notebook(notebook), notebook)
        print(notebook.name)
