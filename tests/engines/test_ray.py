"""Two Ray nodes on this machine write the files that this process writes."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from fast_run import breaking_options, fast_options, fast_run

from ace3d_fast.config import Execution
from ace3d_fast.engines.ray import _answers, _room, map_on_ray
from ace3d_fast.errors import InputError
from ace3d_fast.pipeline import run_pipeline
from ace3d_fast.shelf import Shelf
from ace3d_fast.work import Recipe, _map

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=node)
    made.add_node(num_cpus=1, object_store_memory=80 * 2**20)
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    ray.init(
        address=made.address, runtime_env={"env_vars": {"PYTHONPATH": path}}, log_to_driver=False,
        logging_level="error",
    )  # fmt: skip
    yield made
    ray.shutdown()
    made.shutdown()


def test_two_nodes_write_the_same_files(planted, few_videos, tmp_path, cluster):
    assert len([node for node in ray.nodes() if node["Alive"]]) == 2
    local = fast_run(planted, few_videos, tmp_path / "local")
    assert fast_run(planted, few_videos, tmp_path / "ray", engine="ray", workers=2) == local


def test_what_a_network_raises_comes_back(planted, few_videos, tmp_path, cluster):
    how = "raise RuntimeError('no such clip')"
    options = breaking_options(few_videos, planted.weights_path, tmp_path, after=6, how=how)
    with pytest.raises(InputError, match=r"RuntimeError: no such clip on clips 0 to 0 of"):
        run_pipeline(options, tmp_path / "run", execution=Execution("ray", 2))


def test_actors_on_both_nodes_prepare_once(tmp_path, cluster):
    def prepare(folder):
        (Path(folder) / f"prepared.{os.getpid()}").touch(exist_ok=False)

        def serve(tasks, tell):
            for task in tasks:
                tell((task, import_module("ray").get_runtime_context().get_node_id()))

        return serve

    answers = list(map_on_ray(prepare, str(tmp_path), range(12), 2))
    assert sorted(task for task, _ in answers) == list(range(12))
    assert {node for _, node in answers} == {node["NodeID"] for node in ray.nodes()}
    assert len(list(tmp_path.glob("prepared.*"))) == 2


class Counting:
    """Stands for Ray: answers come in the order of the tasks; counts those that are under way."""

    exceptions = ray.exceptions

    def __init__(self) -> None:
        self.at: list[int] = []
        self.most = 0
        self.answer = self

    def remote(self, task: int) -> int:
        self.at.append(task)
        self.most = max(self.most, len(self.at))
        return task

    def wait(self, asked: list[int], num_returns: int) -> tuple[list[int], list[int]]:
        assert (sorted(asked), num_returns) == (sorted(self.at), 1)
        return [self.at.pop(0)], self.at

    def get(self, task: int) -> int:
        return task


def test_two_tasks_for_each_actor_are_under_way():
    counting = Counting()
    assert list(_answers(counting, [counting] * 3, deque(range(50)))) == list(range(50))
    assert counting.most == 6


def test_actors_take_a_gpu_each_where_the_network_is_on_one(planted, few_videos, monkeypatch):
    asked = {}

    def told(prepare, recipe, tasks, num_workers, *, num_gpus):
        asked[recipe.options.device] = num_gpus
        return iter(())

    monkeypatch.setattr("ace3d_fast.engines.ray.map_on_ray", told)
    options = fast_options(few_videos, planted.weights_path)
    for device in ("cpu", "cuda:1"):
        recipe = Recipe(replace(options, device=device), {}, [], "", Shelf(Path()), None, None, None, None)
        list(_map(recipe, [(None, "")], Execution("ray", 1)))
    assert asked == {"cpu": 0.0, "cuda": 1.0}


def test_room_is_that_of_the_scarcer_resource():
    assert _room({"CPU": 8.0, "GPU": 2.0}, 1.0) == 2
    assert _room({"CPU": 8.0, "GPU": 2.0}, 0.0) == 8
    assert _room({"CPU": 8.0}, 1.0) == 0


def test_ray_needs_a_number_of_workers():
    with pytest.raises(InputError, match="workers to be given for --engine ray"):
        Execution("ray")
