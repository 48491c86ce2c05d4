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
def rows(tmp_path):
    """Rows of the table by layer, for given options."""
    (tmp_path / "net.py").write_text(NET)

    def table(*options):
        command = ["layers", f"{tmp_path / 'net.py'}:net", "--clip-frames", "4", "--size", "16", *options]
        result = CliRunner().invoke(app, command, catch_exceptions=False)
        assert result.exit_code == 0
        cells = [line.split("│") for line in result.stdout.splitlines() if "│" in line]
        return {row[0].strip(" →"): [cell.strip() for cell in row] for row in cells}

    return table


def test_a_row_tells_grid_and_receptive_field(rows):
    grid = "4 x 8 x 8".replace("x", "\N{MULTIPLICATION SIGN}")
    assert rows()["0"][1:5] == ["4", grid, "3", "3"]
    assert rows()["1"][1:5] == ["4", grid, "5", "7"]


def test_the_deepest_layer_with_something_nonlinear_above_is_marked(rows):
    marked = [name for name, row in rows().items() if row[0].startswith("→")]
    assert marked == ["0"]
    assert rows()["1"][5] == "linear above: the same gradient for every clip"


def test_layers_that_other_paths_pass_by_are_listed_on_request(rows):
    assert list(rows()) == ["0", "1"]
    assert rows("--all")["1.inner"][5].startswith("other paths pass it by")
    assert "too few cells" in rows("--all")["2"][5]
