"""The WebSocket /v1/live."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fastapi import WebSocketDisconnect
from PIL import Image
from streamseg.pipelines.serve import live
from streamseg.pipelines.serve.inputs.options import LiveOptions
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streamseg.media.live.stills import decode_still


def answer_of(message: bytes) -> tuple[int, Image.Image]:
    """Number of the frame, and its matte."""
    return int.from_bytes(message[:4], "big"), Image.open(io.BytesIO(message[4:]))


def test_every_frame_that_waits_for_its_answer_gets_its_own_matte(running, encoded, photo):
    frames = [photo, photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT), photo.resize((160, 120))]
    with running.live() as live:
        for number, frame in enumerate(frames):
            live.send(encoded("JPEG", frame))
            answered, matte = answer_of(live.recv(30))
            assert (answered, matte.size, matte.mode, matte.format) == (number, frame.size, "L", "PNG")
            assert np.asarray(matte).max() > 200


def test_mattes_can_be_jpegs_and_frames_webp(running, encoded):
    with running.live("?format=jpeg&speed=fast&steady=0") as live:
        live.send(encoded("WEBP"))
        assert answer_of(live.recv(30))[1].format == "JPEG"


def test_the_newest_frame_comes_first_and_old_ones_are_dropped(running, encoded):
    jpeg, count = encoded("JPEG"), 60
    with running.live("?format=jpeg") as live:
        for _ in range(count):
            live.send(jpeg)
        numbers = [answer_of(live.recv(30))[0]]
        while numbers[-1] != count - 1:
            numbers.append(answer_of(live.recv(30))[0])
    assert numbers == sorted(set(numbers)) and len(numbers) < count / 2
    assert "streamseg_live_dropped_total 0.0" not in running.client.get("/metrics").text


def test_a_client_that_leaves_without_a_word_leaves_no_threads(running, encoded, monkeypatch):
    """Also when frames of it are in the pipeline, and one waits, whose answers nobody takes any more."""
    taken = threading.Semaphore(0)

    def decode(*arguments):
        taken.release()
        return decode_still(*arguments)

    class Gone:
        async def send_bytes(self, data):
            raise WebSocketDisconnect(1006)

    async def leave():
        loop = asyncio.get_running_loop()
        session = await asyncio.to_thread(live._Session, running.service, Gone(), LiveOptions.parse({}), loop)
        for _ in range(3):
            session.put(jpeg)
            await asyncio.to_thread(taken.acquire, timeout=20)
            await session.failed  # the first answer could not be sent
        session.put(jpeg)  # waits: there is no place for it
        return session

    jpeg = encoded("JPEG")
    monkeypatch.setattr(live, "decode_still", decode)
    with ThreadPoolExecutor(1) as thread:  # where no test of the browser has left a loop running
        session = thread.submit(lambda: asyncio.run(leave())).result(60)
    closing = threading.Thread(target=session.close, daemon=True)
    closing.start()
    closing.join(20)
    assert not closing.is_alive()


def test_a_frame_that_does_not_decode_is_named_and_the_next_one_is_served(running, encoded):
    with running.live() as live:
        live.send(b"no image")
        assert json.loads(live.recv(30)) == {"frame": 0, "error": "a frame does not decode: expected JPEG or WebP"}
        live.send(encoded("JPEG")[:300])
        assert json.loads(live.recv(30))["frame"] == 1
        live.send(encoded("JPEG"))
        assert answer_of(live.recv(30))[0] == 2


def test_text_ends_the_connection(running):
    with running.live() as live:
        live.send("hello")
        with pytest.raises(ConnectionClosed) as closed:
            live.recv(30)
        assert closed.value.rcvd.code == 1003


def test_a_frame_of_too_many_bytes_ends_the_connection(running):
    with running.live() as live:
        live.send(bytes(4_000_001))
        with pytest.raises(ConnectionClosed) as closed:
            live.recv(30)
        assert closed.value.rcvd.code == 1009


@pytest.mark.parametrize("query", ["?speed=much", "?format=gif", "?steady=2", "?bg=red"])
def test_options_that_cannot_be_are_refused(running, query):
    with pytest.raises(InvalidStatus) as refused, running.live(query):
        pass
    assert refused.value.response.status_code == 422 and b'"error"' in refused.value.response.body


def test_more_connections_than_may_be_are_told_when_to_come_again(start, encoded):
    with start(live=1) as running, running.live() as first:
        with pytest.raises(InvalidStatus) as refused, running.live():
            pass
        assert refused.value.response.status_code == 429 and refused.value.response.headers["Retry-After"]
        first.send(encoded("JPEG"))
        first.recv(30)
