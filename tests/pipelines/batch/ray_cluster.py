"""Run by test_ray.py in a process of its own: a cluster of three nodes, one of which is lost on the way.

python ray_cluster.py INPUTS OUT_DIR
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray
from ray.cluster_utils import Cluster
from streamseg.pipelines.batch import report
from streamseg.pipelines.batch.jobs import FileJob
from streamseg.pipelines.cli import main

SMALL = {"object_store_memory": 80_000_000}


def run(inputs: str, out: str) -> int:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **SMALL})
    nodes = [cluster.add_node(num_cpus=1, **SMALL) for _ in range(3)]
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    told, finished = report.Report.progress, report.Report.finished
    running: set[str] = set()

    def lose_one() -> None:
        if nodes:
            cluster.remove_node(nodes.pop(), allow_graceful=False)
            nodes.clear()
            print(json.dumps({"event": "node lost"}), flush=True)

    def progress(self: report.Report, number: int, job: FileJob, *figures: Any) -> None:
        told(self, number, job, *figures)
        running.add(job.source)
        if len(running) == 3:  # each node has one
            lose_one()

    def end(self: report.Report, outcome: report.Outcome) -> None:
        finished(self, outcome)
        lose_one()

    report.Report.progress, report.Report.finished = progress, end  # type: ignore[method-assign]
    try:
        options = ["--bg", "red", "--speed", "fast", "--preset", "ultrafast", "--json"]
        return main(["batch", inputs, out, "--ray", "auto", *options])
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
