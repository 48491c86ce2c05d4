from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ace3d_fast.errors import InputError
from ace3d_fast.models.load import digest, load_module
from ace3d_fast.models.planted import PlantedNet

SOURCE = """
import torch
from neighbour import WIDTH

def net():
    return torch.nn.Sequential(torch.nn.Conv3d(3, WIDTH, 1), torch.nn.Flatten())

ready = net()
class Kind(torch.nn.Conv3d):
    def __init__(self):
        super().__init__(3, 5, 1)

def number():
    return 7

def needs(width):
    return net()

def fails():
    raise RuntimeError("no weights\\nat all")

width = 7
"""


@pytest.fixture
def source(tmp_path):
    (tmp_path / "neighbour.py").write_text("WIDTH = 4\n")
    path = tmp_path / "model.py"
    path.write_text(SOURCE)
    yield path
    sys.modules.pop("neighbour", None)


def test_a_factory_of_a_file_makes_the_network_in_evaluation_mode(source):
    loaded = load_module(f"{source}:net")
    assert isinstance(loaded.module[0], nn.Conv3d)
    assert not loaded.module.training
    assert loaded.entry.name == f"{source}:net"
    assert str(source.parent) not in sys.path


def test_a_class_or_a_network_will_do_as_well(source):
    assert load_module(f"{source}:Kind").module.out_channels == 5
    assert isinstance(load_module(f"{source}:ready").module, nn.Sequential)


def test_a_digest_is_that_of_the_weights():
    one, twin = PlantedNet(), PlantedNet()
    twin.load_state_dict(one.state_dict())
    assert digest(one) == digest(twin)
    with torch.no_grad():
        twin.head.bias[2] += 1e-6
    assert digest(one) != digest(twin)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("number", "to return a torch.nn.Module, got an object of type int"),
        ("width", "to be a function, got an object of type int"),
        ("needs", "to return a network, got TypeError: .*missing 1 required"),
        ("fails", "to return a network, got RuntimeError: no weights;"),
        ("nett", "to define 'nett', got none; nearest: net"),
    ],
)
def test_a_factory_that_makes_no_network_is_refused(source, name, message):
    with pytest.raises(InputError, match=message) as caught:
        load_module(f"{source}:{name}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "import absent_thing\n",
            "to be importable, got ModuleNotFoundError: No module named 'absent_thing'",
        ),
        ("def net(:\n", "to be importable, got SyntaxError"),
    ],
)
def test_a_file_that_does_not_run_is_refused(tmp_path, content, message):
    (tmp_path / "model.py").write_text(content)
    with pytest.raises(InputError, match=message):
        load_module(f"{tmp_path / 'model.py'}:net")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("absent.py:net", "model to be file.py:function, got no file absent.py"),
        ("pytorchvideo:x3d_sx", "got 'pytorchvideo:x3d_sx'; nearest: pytorchvideo:x3d_"),
        ("pytorchvideo:slow_r50_detection", "nearest: pytorchvideo:slow_r50"),
        ("resnet", "to be path/to/file.py:factory, module:factory or a known network, got 'resnet'"),
        ("model.py", "to be path/to/file.py:factory"),
    ],
)
def test_an_unknown_network_gets_its_nearest_names(spec, message):
    with pytest.raises(InputError, match=message):
        load_module(spec)


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(1)
    return PlantedNet().state_dict()


@pytest.mark.parametrize("kind", ["safetensors", "pt", "wrapped.pt", "parallel.pth"])
def test_weights_are_loaded(tmp_path, state, kind):
    path = tmp_path / f"weights.{kind}"
    if kind == "safetensors":
        save_file(state, path)
    elif kind == "pt":
        torch.save(state, path)
    elif kind == "wrapped.pt":
        torch.save({"epoch": 3, "state_dict": state}, path)
    else:
        torch.save({f"module.{name}": value for name, value in state.items()}, path)
    loaded = load_module("planted:net", path).module.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


def test_without_weights_the_network_is_the_same_each_time_and_the_seed_untouched():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one = load_module("planted:net").module.state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    two = load_module("planted:net").module.state_dict()
    assert all(torch.equal(one[name], value) for name, value in two.items())


def changed(state, **changes):
    state = {name: value for name, value in state.items() if changes.get(name, 0) is not None}
    return {**state, **{name: value for name, value in changes.items() if value is not None}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"head.weight": torch.zeros(400, 64)},
            r"planted:net, got head.weight \(400, 64\) for \(6, 64\);",
        ),
        ({"head.bias": None}, "to fit planted:net, got no head.bias;"),
        ({"tail.bias": torch.zeros(2)}, "to fit planted:net, got unknown tail.bias;"),
        ({f"x{i}": torch.zeros(1) for i in range(5)}, "got unknown x0, unknown x1, unknown x2 and 2 more;"),
    ],
)
def test_weights_that_do_not_fit_are_told_by_their_names(tmp_path, state, changes, message):
    save_file(changed(state, **changes), tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match=message):
        load_module("planted:net", tmp_path / "weights.safetensors")


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("was-run"),))


def test_code_in_a_weights_file_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"head.weight": Evil()}, "weights.pt")
    with pytest.raises(InputError, match=r"\.pt file of nothing but tensors") as caught:
        load_module("planted:net", "weights.pt")
    assert not Path("was-run").exists()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
def test_a_file_of_something_else_is_refused(tmp_path, name):
    with pytest.raises(InputError, match=f"weights to be a file, got .*{name}: nothing there"):
        load_module("planted:net", tmp_path / name)
    (tmp_path / name).write_text("hello")
    with pytest.raises(InputError, match=r"\.pt file of nothing but tensors, got .+; save its state_dict"):
        load_module("planted:net", tmp_path / name)


def test_a_file_of_numbers_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "weights.pt")
    with pytest.raises(InputError, match="to hold tensors by name, got a dict of other things"):
        load_module("planted:net", tmp_path / "weights.pt")
