"""Two Ray nodes on this machine write the files that this process writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fast_run import breaking_options, fast_run

from ace3d_fast.config import Execution
from ace3d_fast.errors import InputError
from ace3d_fast.pipeline import run_pipeline

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


def test_ray_needs_a_number_of_workers():
    with pytest.raises(InputError, match="workers to be given for --engine ray"):
        Execution("ray")
