"""Other targets than a class's logit."""

from __future__ import annotations

import pytest
import torch
from nets import Calls, Square, network
from torch import nn

from ace3d_fast.errors import InputError
from ace3d_fast.models.targets import load_target, target_name

ONES = torch.full((2, 3, 2, 4, 4), 2.0)


def boxes_of(model, x):
    """A detector: per clip a dict of boxes and their scores, both from the activation."""
    a = model.grid(x)
    return [{"boxes": clip.mean((1, 2, 3))[None], "scores": clip.sum()[None]} for clip in a]


def width_times_score(found):
    return torch.stack([(one["boxes"][0, 1] * one["scores"][0]) for one in found])


def test_a_target_of_a_detector_is_differentiated():
    net = network(Calls(boxes_of, grid=nn.Identity()), target=width_times_score)
    x = torch.rand(2, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    outputs = net.gradients(x, 0)
    leaf = x.clone().requires_grad_()
    scores = leaf[:, 1].mean((1, 2, 3)) * leaf.sum((1, 2, 3, 4))
    torch.testing.assert_close(outputs.logits, torch.stack([scores, 0 * scores], 1).detach())
    torch.testing.assert_close(outputs.gradient, torch.autograd.grad(scores.sum(), leaf)[0])
    margin = net.gradients(x, 0, target="margin").gradient
    torch.testing.assert_close(margin, outputs.gradient)


def token_log_probability(logits):
    return logits.log_softmax(2)[:, 1, 3]


def test_the_log_probability_of_a_captions_token():
    def caption(model, x):
        return model.grid(x).flatten(1)[:, :10].reshape(len(x), 2, 5)  # two tokens of a vocabulary of five

    x = torch.rand(2, 3, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    net = network(Calls(caption, grid=nn.Identity()), target=token_log_probability)
    expected = x.flatten(1)[:, 5:10].log_softmax(1)[:, 3]
    torch.testing.assert_close(net.forward(x).logits[:, 0], expected)


def test_similarity_of_embeddings_and_edits():
    wanted = torch.tensor([1.0, 0.0, 0.0])
    body = Calls(lambda model, x: model.grid(x).mean((2, 3, 4)), grid=nn.Identity())
    net = network(body, target=lambda y: torch.cosine_similarity(y, wanted, dim=1))
    torch.testing.assert_close(net.forward(ONES).logits[:, 0], torch.full((2,), 3**-0.5))
    only_first = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1, 1)
    torch.testing.assert_close(net.edited(ONES, lambda a: a * only_first)[:, 0], torch.ones(2))


@pytest.mark.parametrize(
    ("target", "fact"),
    [
        (lambda y: y, r"\(2, 2\)"),
        (lambda y: y.sum(), r"\(\)"),
        (lambda y: y[:, 0].long(), "int64"),
        (lambda y: y[:, 0].tolist(), "a list"),
        (lambda y: y.boxes, "AttributeError"),
    ],
)
def test_a_target_that_gives_no_number_per_clip_is_refused(target, fact):
    with pytest.raises(InputError, match=rf"expected target .* to give .*\(2,\).*{fact}"):
        network(Square(), target=target).forward(ONES)


def test_targets_by_name(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def first(logits):\n    return logits[:, 0]\n")
    assert load_target(f"{file}:first").function(torch.tensor([[5.0, 1]])) == 5
    assert load_target("torch:numel").function is torch.numel
    assert target_name(boxes_of) == f"{__name__}:boxes_of"
    assert target_name("a.py:b") == "a.py:b"
    for spec, fact in [
        ("first", "target to be file.py:function"),
        (f"{file}:frist", "nearest: first"),
        ("no_such:f", "target to be file.py:function or module:function, got ModuleNotFoundError"),
        (f"{file}:__name__", "a str"),
    ]:
        with pytest.raises(InputError, match=fact):
            load_target(spec)
    with pytest.raises(InputError, match=r"target to be file\.py:function, got no file"):
        load_target("gone.py:f")
