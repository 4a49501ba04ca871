"""Several visitors at once: the queue for the live view; nothing is kept after a page is closed, or the server ends."""

from __future__ import annotations

import time

import pytest


@pytest.fixture(scope="module")
def demo(start_demo):
    with start_demo("--visitors", 1) as running:
        yield running


def test_an_idle_server_sleeps(demo):
    """Gradio's queue alone would look 1,100 times a second for something to do."""
    before = demo.wakes()
    time.sleep(1)
    assert demo.wakes() - before < 400


def test_the_next_visitor_waits_and_is_admitted(new_page, start_camera):
    first, second = new_page(), new_page()
    start_camera(first)
    second.click('[data-part="start"]')
    second.wait_for_function("() => document.querySelector('[data-part=status]').textContent.includes('You are next')")
    assert second.get_attribute(".live-view", "data-state") == "waiting"
    third = new_page()
    third.click('[data-part="start"]')
    third.wait_for_function("() => document.querySelector('[data-part=status]').textContent.includes('1 before you')")
    first.close()
    second.wait_for_selector('.live-view[data-state="live"]', timeout=60_000)
    assert third.get_attribute(".live-view", "data-state") == "waiting"


def test_visits_leave_no_connection_and_no_memory(new_page, start_camera, demo, until):
    memory = []
    for _ in range(4):
        page = new_page()
        assert start_camera(page) == "live"
        assert demo.connections() > 0
        page.close()
        until(lambda: demo.connections() == 0)
        until(lambda: not any(demo.folder.glob("*/visitors/*")))
        memory.append(demo.status("VmRSS"))
    print("resident size after each visit, MB:", [kilobytes // 1024 for kilobytes in memory])
    assert memory[-1] - memory[0] < 11 * 1024, memory


def test_a_server_that_is_stopped_while_it_processes_leaves_nothing(browser, demo):
    """The sample clip, which needs no upload. The last test with this server: at its end no files may be left."""
    page = browser.new_page()
    page.goto(demo.url)
    page.click('button[role="tab"]:has-text("Clip")')
    page.click("#clip-sample")
    page.wait_for_selector("#clip video")
    page.click("#clip-start")
    page.wait_for_selector('#clip-result :text("frames")')
    demo.stop()
    demo.process.wait(60)
    page.close()
