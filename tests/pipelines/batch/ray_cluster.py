"""Run by test_ray.py in a process of its own: a cluster of three nodes, one of which is lost on the way.

python ray_cluster.py INPUTS OUT_DIR
"""

from __future__ import annotations

import json
import os
import sys

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray
from ray.cluster_utils import Cluster
from streamseg.pipelines.batch import report
from streamseg.pipelines.cli import main

SMALL = {"object_store_memory": 80_000_000}


def run(inputs: str, out: str) -> int:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **SMALL})
    nodes = [cluster.add_node(num_cpus=1, **SMALL) for _ in range(3)]
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    finished = report.Report.finished

    def finished_and_lose(self: report.Report, outcome: report.Outcome) -> None:
        finished(self, outcome)
        if nodes:
            busy = nodes.pop()
            cluster.remove_node(busy, allow_graceful=False)
            nodes.clear()
            print(json.dumps({"event": "node lost"}), flush=True)

    report.Report.finished = finished_and_lose  # type: ignore[method-assign]
    try:
        options = ["--bg", "red", "--speed", "fast", "--preset", "ultrafast", "--json"]
        return main(["batch", inputs, out, "--ray", "auto", *options])
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
