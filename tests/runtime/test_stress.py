"""Random runs with random failures, stops and aborts."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from streamseg.errors import StageError
from streamseg.runtime import Runner, Stage

BATCHES, RUNS = 10, 60


class Scenario:
    """A random pipeline in which random stages fail, or stop or abort the run."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311
        self.length = self.random.randrange(30)
        self.positions = self.random.randint(1, 5)  # the source is position 0
        self.failing = {position: self._item() for position in range(self.positions) if self.random.random() < 0.3}
        self.acting = {(self._position(), self._item()): self.random.choice(["stop", "abort"])}
        if self.random.random() < 0.6:
            self.acting = {}
        self.acted: list[str] = []
        self.got: list[int] = []
        self.streams = self.positions == 1 or self.random.random() < 0.5
        self.leaves_at = self._item() if self.streams and self.random.random() < 0.3 else self.length
        self.runner = self._runner()

    def _item(self) -> int:
        return self.random.randrange(self.length + 1)

    def _position(self) -> int:
        return self.random.randrange(self.positions)

    def _runner(self) -> Runner:
        stages = [Stage(str(position), self._call(position)) for position in range(1, self.positions)]
        if not self.streams:
            last = stages.pop()
            stages.append(Stage(last.name, lambda item: self.got.append(last.call(item))))
        queue_size = self.random.randint(1, 3)
        return Runner(self._source(), stages, queue_size=queue_size, source_name="0", bypass=self._bypass)

    def _bypass(self, item: Any) -> bool:
        return bool(item % 7 == 3)

    def _source(self) -> Iterator[int]:
        return map(self._call(0), range(self.length))

    def _call(self, position: int) -> Callable[[int], int]:
        def call(item: int) -> int:
            if action := self.acting.get((position, item)):
                self.acted.append(action)
                getattr(self.runner, action)()
            if self.failing.get(position) == item:
                raise OSError(str(item))
            return item

        return call

    def run(self) -> StageError | None:
        try:
            self._consume() if self.streams else self.runner.run()
        except StageError as error:
            return error
        return None

    def _consume(self) -> None:
        for item in self.runner:
            if item == self.leaves_at:
                return
            self.got.append(item)

    def first_failure(self) -> tuple[int, str]:
        """The earliest item that fails and where; bypassed items meet only the source and the sink."""
        last = None if self.streams else self.positions - 1
        meets = [
            (item, str(position))
            for position, item in self.failing.items()
            if item < self.length and (position in (0, last) or not self._bypass(item))
        ]
        return min(meets, default=(self.length, ""))

    def check(self, error: StageError | None) -> None:
        assert self.got == list(range(len(self.got)))
        end, stage = self.first_failure()
        assert len(self.got) <= end
        if not self.acted:
            assert len(self.got) == min(end, self.leaves_at)
            expected = "" if self.leaves_at < end else stage
            assert (error.stage if error else "") == expected
        elif error is not None:
            assert (error.stage, len(self.got)) == (stage, end)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_runs_end_with_the_right_items_and_the_right_error(within: Any, batch: int) -> None:
    for seed in range(batch * RUNS, (batch + 1) * RUNS):
        scenario = Scenario(seed)
        scenario.check(within(scenario.run))
