"""/v1/clips: jobs from the request to the deletion of their results."""

from __future__ import annotations

import io
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import av
import pytest


@pytest.fixture
def web_server(clip_with_sound):
    """Serves the clip at any path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            data = clip_with_sound.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def submit(running, clip, **data):
    with clip.open("rb") as file:
        return running.client.post("/v1/clips", files={"clip": file}, data=data)


def test_a_clip_keeps_its_frames_and_its_sound(running, clip_with_sound, packets_of, times_of, tmp_path):
    accepted = submit(running, clip_with_sound, bg="#00b140")
    assert accepted.status_code == 202 and accepted.json()["state"] == "queued"
    job = accepted.headers["location"]
    events = list(running.events(accepted.json()["id"]))
    assert {name for name, _ in events[:-1]} <= {"progress"} and events[-1][0] == "done"
    status = running.client.get(job).json()
    assert status == events[-1][1] and (status["state"], status["frames"]) == ("done", 12)
    result = running.client.get(status["result"])
    assert result.headers["content-type"] == "video/mp4"
    (tmp_path / "out.mp4").write_bytes(result.content)
    assert times_of(tmp_path / "out.mp4") == times_of(clip_with_sound)
    assert packets_of(tmp_path / "out.mp4", "audio") == packets_of(clip_with_sound, "audio")
    with av.open(io.BytesIO(result.content)) as container:
        corner = next(container.decode(video=0)).to_ndarray(format="rgb24")[:8, :8].mean((0, 1))
    assert abs(corner - (0, 177, 64)).max() < 8
    part = running.client.get(status["result"], headers={"Range": "bytes=10-19"})
    assert part.status_code == 206 and part.content == result.content[10:20]
    assert running.client.delete(job).status_code == 204
    assert running.client.get(job).status_code == 404 and running.files() == []


def test_a_transparent_clip_is_a_webm_and_the_body_can_be_the_clip(running, clip_with_sound):
    accepted = running.client.post("/v1/clips?bg=transparent&speed=fast", content=clip_with_sound.read_bytes())
    done = running.finish(accepted.json()["id"])
    result = running.client.get(done["result"])
    assert result.headers["content-type"] == "video/webm"
    with av.open(io.BytesIO(result.content)) as container:
        assert container.streams.video[0].metadata["alpha_mode"] == "1"


def test_a_second_file_is_the_background(running, clip_with_sound, encoded):
    files = {"clip": clip_with_sound.read_bytes(), "background": encoded()}
    accepted = running.client.post("/v1/clips", files=files, data={"speed": "fast", "audio": "off"})
    done = running.finish(accepted.json()["id"])
    assert done["state"] == "done", done
    with av.open(io.BytesIO(running.client.get(done["result"]).content)) as container:
        assert not container.streams.audio


def test_a_clip_can_be_at_an_address(start, web_server):
    with start(allow_private_urls=True, max_upload_mb=4) as running:
        accepted = running.client.post("/v1/clips", json={"url": f"{web_server}/talk.mp4", "speed": "fast"})
        assert accepted.status_code == 202, accepted.text
        assert running.finish(accepted.json()["id"])["frames"] == 12


def test_deleting_a_clip_in_work_cancels_it(running, sample_clip):
    before = running.files()
    job = submit(running, sample_clip).json()["id"]
    events = running.events(job)
    name, status = next(events)
    while not status["frames"]:
        name, status = next(events)
    assert (name, running.client.get(f"/v1/clips/{job}/result").status_code) == ("progress", 409)
    assert running.client.delete(f"/v1/clips/{job}").status_code == 204
    *_, (name, status) = events
    assert name == "cancelled" and status["frames"] < 96
    assert running.files() == before


def test_more_clips_than_may_wait_are_told_when_to_come_again(start, sample_clip, clip_with_sound):
    with start(queue=1) as running:
        first = submit(running, sample_clip).json()["id"]
        started = running.events(first)
        while next(started)[1]["state"] != "running":
            pass
        second = submit(running, clip_with_sound)
        refused = submit(running, clip_with_sound)
        assert second.status_code == 202 and refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0 and "1 clips wait" in refused.json()["error"]
        metrics = running.client.get("/metrics").text
        assert "streamseg_queue_length 1.0" in metrics and 'streamseg_jobs{state="running"} 1.0' in metrics
        assert running.client.delete(second.headers["location"]).status_code == 204
        running.client.delete(f"/v1/clips/{first}")


def test_results_are_deleted_in_time(start, clip_with_sound):
    with start(keep_minutes=10) as running:
        accepted = submit(running, clip_with_sound, speed="fast")
        job = accepted.headers["location"]
        done = running.finish(accepted.json()["id"])
        running.clock.now = 599.0
        assert running.client.get(done["result"]).status_code == 200
        running.clock.now = 600.0
        late = running.client.get(done["result"])
        assert late.status_code == 404 and "10 minutes are over" in late.json()["error"]
        assert running.client.get(job).status_code == 404 and running.files() == []


def test_a_truncated_clip_gives_what_was_good_and_a_warning(running, sample_clip, tmp_path):
    whole, front = tmp_path / "whole.mp4", {"movflags": "faststart"}
    with av.open(str(sample_clip)) as source, av.open(str(whole), "w", options=front) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size and packet.pts * packet.time_base < 0.5:
                packet.stream = stream
                target.mux(packet)
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) * 3 // 4])
    done = running.finish(submit(running, whole, speed="fast").json()["id"])
    assert done["state"] == "done" and 0 < done["frames"] < 12
    assert "clip: " in done["warnings"][-1] and str(running.service.folder) not in done["warnings"][-1]


def test_a_clip_that_is_too_long_is_refused(start, clip_with_sound):
    with start(max_seconds=0.2) as running:
        refused = submit(running, clip_with_sound)
        assert refused.status_code == 422 and "too long: expected up to 0.2 s" in refused.json()["error"]


@pytest.mark.parametrize(
    ("request_options", "status", "expected"),
    [
        ({"json": {"bg": "blur"}}, 400, "expected a clip"),
        ({"files": {"video": b"x"}}, 400, "expected one each in clip, background"),
        ({"files": {"clip": b"nothing"}}, 422, "clip: expected a video"),
        ({"json": ["url"]}, 400, "another shape"),
        ({"json": {"url": "ftp://example.org/a"}}, 422, "expected http:// or https://"),
        ({"files": {"clip": b"x"}, "data": {"format": "mp4", "bg": "transparent"}}, 422, "cannot hold transparency"),
        ({"files": {"clip": b"x"}, "data": {"steady": "much"}}, 422, "steady 'much': expected a number"),
        ({"files": {"clip": b"x"}, "data": {"steady": "nan"}}, 422, "steady nan: expected 0"),
    ],
)
def test_what_cannot_be_a_clip_is_refused_in_one_line(running, request_options, status, expected):
    before = running.files()
    refused = running.client.post("/v1/clips", **request_options)
    assert refused.status_code == status and expected in refused.json()["error"]
    assert running.files() == before
