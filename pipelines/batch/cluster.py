"""Workers of a Ray cluster."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from streamseg.errors import MissingDependency, OptionError, StreamsegError
from streamseg.runtime import usable_cores
from streamseg.runtime.cores import CORES_VARIABLE

from .executor import Done, Event, Failed, Running
from .tasks import Result, Task, run_task

__all__ = ["RayCluster"]

# Ray's store is for large objects; here they travel as files.
_STORE_BYTES = 80_000_000
_WAIT_S = 5.0


class RayCluster:
    """An Executor whose workers are Ray tasks of one core each, wherever the cluster has one.

    Ray begins a task again whose process or node is lost. Nodes may come and go while it runs.

    Args:
        address: of the cluster, as for ray.init; "" starts Ray on this machine.
        workers: at most; None for as many as the cluster has cores.
        retries: how often a task is begun again.

    Raises:
        MissingDependency: Ray is not installed.
        OptionError: there is no cluster at that address.
    """

    def __init__(self, address: str, workers: int | None, retries: int) -> None:
        self._ray = _import_ray()
        self._most, self._own = workers, not self._ray.is_initialized()
        self._connect(address)
        self._results: dict[Any, Task] = {}
        self._messages = _Messages(self._ray)
        self._remote = self._ray.remote(num_cpus=1, max_retries=retries, retry_exceptions=False)(_do)

    def _connect(self, address: str) -> None:
        if not self._own:
            return
        quiet = {"logging_level": "warning", "log_to_driver": False}
        try:
            if address:
                self._ray.init(address=address, **quiet)
            else:
                cores = self._most or usable_cores()
                store = {"object_store_memory": _STORE_BYTES, "include_dashboard": False}
                self._ray.init(num_cpus=cores, **store, **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise OptionError(f"--ray {address}: {' '.join(str(error).split())}") from error

    @property
    def workers(self) -> int:
        cores = int(self._ray.cluster_resources().get("CPU", 1))
        return max(1, min(cores, self._most or cores))

    @property
    def free(self) -> int:
        return self.workers - len(self._results)

    def submit(self, task: Task) -> None:
        self._results[self._remote.remote(task, self._messages.queue)] = task

    def events(self, seconds: float) -> list[Event]:
        ready, _ = self._ray.wait(list(self._results), num_returns=1, timeout=seconds)
        tasks = {task.number: task for task in self._results.values()}
        events: list[Event] = [
            Running(tasks[number], frames, expected)
            for number, frames, expected in self._messages.take()
            if number in tasks
        ]
        return events + [self._event(reference) for reference in ready]

    def _event(self, reference: Any) -> Event:
        task = self._results.pop(reference)
        try:
            kind, value = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            # Ray has begun it again as often as it may.
            return Failed(task, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
        return Done(task, value) if kind == "done" else Failed(task, value)

    def stop(self) -> None:
        for reference in self._results:
            with suppress(Exception):
                self._ray.cancel(reference, recursive=False)  # KeyboardInterrupt in its process
        if self._results:
            with suppress(Exception):
                self._ray.wait(list(self._results), num_returns=len(self._results), timeout=_WAIT_S)
        self._results = {}
        self._messages.stop()
        if self._own and self._ray.is_initialized():
            self._ray.shutdown()


def _do(task: Task, queue: Any) -> tuple[str, Result | str]:
    """In a process of Ray."""
    os.environ[CORES_VARIABLE] = "1"

    def progress(frames: int, expected: int | None) -> None:
        with suppress(Exception):  # a bar that stands still is no reason to stop
            queue.put_nowait((task.number, frames, expected))

    try:
        return "done", run_task(task, progress)
    except StreamsegError as error:
        return "failed", str(error)
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"


class _Messages:
    """Progress from everywhere, by an actor on this node that takes no core."""

    def __init__(self, ray: Any) -> None:
        from ray.util.queue import Queue
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        self.queue = Queue(1000, actor_options={"num_cpus": 0, "scheduling_strategy": here})

    def take(self) -> list[tuple[int, int, int | None]]:
        """What has come; nothing if the actor is gone."""
        with suppress(Exception):
            return list(self.queue.get_nowait_batch(self.queue.qsize()))
        return []

    def stop(self) -> None:
        with suppress(Exception):
            self.queue.shutdown(force=True)


def _import_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingDependency('--ray needs Ray: pip install "streamseg[batch]"') from error
    return ray
