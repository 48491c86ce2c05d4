"""`layers` shows what one can explain, and marks what to try first."""

import pytest
from typer.testing import CliRunner

from ace3d_fast.cli.app import app

NET = """
import torch

class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Sequential(torch.nn.Conv3d(4, 4, 3, 1, 1), torch.nn.ReLU())

    def forward(self, x):
        return torch.relu(x + self.inner(x))

class Twice(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = net()

    def forward(self, x):
        return self.inner(x) + self.inner(x.flip(4))

def net():
    return torch.nn.Sequential(
        torch.nn.Conv3d(3, 4, 3, (1, 2, 2), 1),
        Block(),
        torch.nn.AdaptiveAvgPool3d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 2),
    )
"""


@pytest.fixture
def layers(tmp_path):
    """The command for one of the networks of the file; returns exit code, output and errors."""
    (tmp_path / "net.py").write_text(NET)

    def run(name, *options):
        command = ["layers", f"{tmp_path / 'net.py'}:{name}", "--clip-frames", "4", "--size", "16", *options]
        result = CliRunner().invoke(app, command, catch_exceptions=False)
        return result.exit_code, result.stdout, result.stderr

    return run


@pytest.fixture
def rows(layers):
    """Rows of the table by layer, for given options."""

    def table(*options):
        code, printed, _ = layers("net", *options)
        assert code == 0
        cells = [line.split("│") for line in printed.splitlines() if "│" in line]
        return {row[0].strip(" →"): [cell.strip() for cell in row] for row in cells}

    return table


def test_a_row_tells_grid_and_receptive_field(rows):
    grid = "4 x 8 x 8".replace("x", "\N{MULTIPLICATION SIGN}")
    assert rows()["0"][1:5] == ["4", grid, "3", "3"]
    assert rows()["1"][1:5] == ["4", grid, "5", "7"]


def test_the_deepest_layer_with_something_nonlinear_above_is_marked(rows, layers):
    marked = [name for name, row in rows().items() if row[0].startswith("→")]
    assert marked == ["0"]
    assert "→ 0: the layer to try first\n" in layers("net")[1]


def test_layers_that_other_paths_pass_by_are_listed_on_request(rows):
    assert list(rows()) == ["0", "1"]
    assert rows("--all")["1.inner"][5] == "bypassed"
    assert rows("--all")["2"][5] == "few cells, linear above"


def test_the_notes_of_the_table_and_no_others_are_explained_below_it(layers):
    notes = [line.partition(": ")[0] for line in layers("net")[1].splitlines()[-2:]]
    assert notes == ["linear above", "short"]


def test_a_network_without_such_a_layer_is_refused_in_one_line(layers):
    code, printed, errors = layers("Twice")
    assert (code, printed) == (2, "")
    assert "to have a part that runs once" in errors
    assert "name one to `ace3d-fast run`" in errors
    assert errors.count("\n") == 1
