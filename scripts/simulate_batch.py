"""How a batch scales: a simulation of nodes, storage and head node, on paper figures that can be changed.

    python scripts/simulate_batch.py                      # the table of docs/batch.md
    python scripts/simulate_batch.py --nodes 40 --storage 2e9 --urls

Files are cut into parts, workers take the next part when they are free. Three things are shared and serve one after the
other: storage (all bytes that are read and written), each node's network, and the head node (a fixed time for each
task). A worker reads while it computes; with --urls it copies the whole file first, and files are not cut. A join reads
all parts of a file and writes the file; one worker does it.
"""

from __future__ import annotations

import argparse
import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class World:
    """Times in seconds, sizes in bytes.

    Attributes:
        nodes, cores: of the cluster; a worker takes one core.
        hours: of video.
        file_minutes: mean length of a file.
        part: seconds of a part.
        warm_up: seconds of video that are made for each part besides.
        compute: seconds of one core for a second of video.
        bit_rate: bytes for a second of video, read and written.
        storage, network: bytes a second of the storage, and of a node.
        head: seconds of the head node for each task.
        urls: whole files are copied to the node and back.
    """

    nodes: int = 100
    cores: int = 16
    hours: float = 10_000
    file_minutes: float = 30
    part: float = 45
    warm_up: float = 2.3
    compute: float = 3.5
    bit_rate: float = 1.0e6
    storage: float = 2e9
    network: float = 1.2e9
    head: float = 0.002
    urls: bool = False


@dataclass
class Server:
    """Serves one after the other; ``busy`` are the seconds in which it did."""

    rate: float
    free: float = 0.0
    busy: float = 0.0

    def serve(self, now: float, amount: float) -> float:
        """When it is done with ``amount``, asked for at ``now``."""
        seconds = amount / self.rate
        self.free = max(self.free, now) + seconds
        self.busy += seconds
        return self.free


@dataclass
class File:
    """Parts that are left, and their bytes."""

    seconds: float
    left: int
    size: float


@dataclass(frozen=True)
class Outcome:
    """Seconds until all is done, and how busy everything was, 0 to 1."""

    seconds: float
    useful: float
    storage: float
    network: float
    head: float
    tasks: int


def simulate(world: World, seed: int = 0) -> Outcome:
    """Run the batch."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    storage, head = Server(world.storage), Server(1 / world.head)
    networks = [Server(world.network) for _ in range(world.nodes)]
    tasks = _tasks(world, draw)
    joins: list[File] = []
    # When a worker is free, its number, and the file of the part that it has made then.
    workers: list[tuple[float, int, File | None]] = [(0.0, index, None) for index in range(world.nodes * world.cores)]
    heapq.heapify(workers)
    end, computed, count = 0.0, 0.0, 0
    while workers:
        now, index, file = heapq.heappop(workers)
        end = max(end, now) if file is not None else end
        if file is not None:
            file.left -= 1
            if not file.left and not world.urls:
                joins.append(file)
        network = networks[index // world.cores]
        if joins:
            joined = joins.pop()
            begin = head.serve(now, 1)
            done = max(storage.serve(begin, 2 * joined.size), network.serve(begin, 2 * joined.size))
            joined.left = -1
            heapq.heappush(workers, (done, index, File(0, 0, 0)))
            count += 1
            continue
        following = next(tasks, None)
        if following is None:
            continue
        part, seconds = following
        count += 1
        begin = head.serve(now, 1)
        extra = 0.0 if world.urls or part.left == 1 else world.warm_up
        size = (2 * seconds + extra) * world.bit_rate
        moved = max(storage.serve(begin, size), network.serve(begin, size))
        work = (seconds + extra) * world.compute * draw.uniform(0.85, 1.15)
        computed += seconds * world.compute
        done = moved + work if world.urls else max(moved, begin + work)
        heapq.heappush(workers, (done, index, part))
    useful = computed / (end * world.nodes * world.cores)
    busiest = max(each.busy for each in networks)
    return Outcome(end, useful, storage.busy / end, busiest / end, head.busy / end, count)


def _tasks(world: World, draw: random.Random) -> Iterator[tuple[File, float]]:
    """Parts of all files, the longest file first, as the scheduler has them."""
    total, lengths = world.hours * 3600, []
    while total > 0:
        lengths.append(min(total, max(60.0, draw.expovariate(1 / (world.file_minutes * 60)))))
        total -= lengths[-1]
    for length in sorted(lengths, reverse=True):
        parts = 1 if world.urls else max(1, round(length / world.part))
        file = File(length, parts, length * world.bit_rate)
        for _ in range(parts):
            yield file, length / parts


def main() -> None:
    """Print a row for each number of nodes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, action="append", help="may be repeated; default: 1 4 16 50 100 200")
    for name in ("hours", "file_minutes", "part", "warm_up", "compute", "bit_rate", "storage", "network", "head"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(World, name))
    parser.add_argument("--cores", type=int, default=World.cores)
    parser.add_argument("--urls", action="store_true")
    given = vars(parser.parse_args())
    print("nodes   hours  useful  storage  network   head    tasks")
    for nodes in given.pop("nodes") or (1, 4, 16, 50, 100, 200):
        outcome = simulate(World(nodes=nodes, **given))
        shares = (outcome.useful, outcome.storage, outcome.network, outcome.head)
        figures = "  ".join(f"{100 * share:6.1f}%" for share in shares)
        print(f"{nodes:5}  {outcome.seconds / 3600:6.1f}  {figures}  {outcome.tasks:7}")


if __name__ == "__main__":
    main()
