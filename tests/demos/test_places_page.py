"""Several visitors: limited places, a line before them, and nothing left of those who went."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def demo(start_demo):
    with start_demo("--visitors", 1) as running:
        yield running


def test_the_next_visitor_is_told_to_wait_and_gets_in(new_page, start_camera):
    first, second = new_page(), new_page()
    start_camera(first)
    second.click('[data-part="start"]')
    second.wait_for_function("() => document.querySelector('[data-part=note]').textContent.includes('You are next')")
    assert second.get_attribute(".stage", "data-state") == "wait"
    third = new_page()
    third.click('[data-part="start"]')
    third.wait_for_function("() => document.querySelector('[data-part=note]').textContent.includes('1 before you')")
    first.close()
    second.wait_for_selector('.stage[data-state="live"]', timeout=60_000)
    assert third.get_attribute(".stage", "data-state") == "wait"


def test_ten_cycles_leave_no_connection_and_no_memory(new_page, start_camera, demo, until):
    memory = []
    for _ in range(10):
        page = new_page()
        assert start_camera(page) == "live"
        page.close()
        until(lambda: demo.connections() == 0)
        until(lambda: not any(demo.folder.glob("*/visitors/*")))
        memory.append(demo.status("VmRSS"))
    print("resident memory after each cycle, MB:", [kilobytes // 1024 for kilobytes in memory])
    assert memory[-1] - memory[2] < 20 * 1024, memory
