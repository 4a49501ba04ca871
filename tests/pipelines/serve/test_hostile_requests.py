"""Bodies without end, and addresses that lead where nobody should get."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager

import pytest
from streamseg.pipelines.serve.inputs import receiving
from streamseg.pipelines.serve.inputs.addresses import Address, is_public, resolve
from streamseg.pipelines.serve.inputs.fetching import Fetch

from streamseg.errors import InputError

MEGABYTE = bytes(1_000_000)


def talk(running, head: bytes, *pieces: bytes) -> bytes:
    """Send bytes as they are, and read the answer; the server may close before everything is sent."""
    with socket.create_connection(("127.0.0.1", running.port), 30) as connection:
        try:
            for piece in (head, *pieces):
                connection.sendall(piece)
        except OSError:
            pass
        answer = b""
        while b"}" not in answer and (more := connection.recv(65536)):
            answer += more
        return answer


def test_a_body_that_is_declared_too_large_is_refused_before_it_is_sent(running):
    for kind in ("image/png", "multipart/form-data; boundary=x", "application/json"):
        head = f"POST /v1/images HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: 999999999999\r\n\r\n"
        answer = talk(running, head.encode())
        assert b" 413 " in answer and b"send a smaller file" in answer


@pytest.mark.parametrize("kind", ["video/mp4", "multipart/form-data; boundary=x"])
def test_a_body_without_an_end_is_cut_off(running, kind):
    head = f"POST /v1/clips HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
    part = b'--x\r\nContent-Disposition: form-data; name="clip"; filename="a"\r\n\r\n'
    chunks = (b"%x\r\n%b\r\n" % (len(data), data) for data in (part, *[MEGABYTE] * 6))
    answer = talk(running, head.encode(), *chunks)
    assert b" 413 " in answer and b"more than 4" in answer
    assert not [path for path in running.files() if path.name == "clip"]


def test_a_body_that_does_not_come_is_not_waited_for(running, monkeypatch):
    monkeypatch.setattr(receiving, "IDLE_S", 0.2)
    head = b"POST /v1/images HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n\r\n"
    answer = talk(running, head, b"a few bytes")
    assert b" 408 " in answer and b"too slowly" in answer


def test_a_form_of_too_many_fields_or_files_is_refused(running):
    many = {f"field{k}": "x" for k in range(100)}
    assert running.client.post("/v1/images", data=many, files={"image": b"x"}).status_code == 400
    files = [("image", b"x")] * 3
    assert running.client.post("/v1/images", files=files).status_code == 400
    refused = running.client.post("/v1/images", data={"bg": "x" * 100_000}, files={"image": b"x"})
    assert refused.status_code == 400 and "64KB" in refused.json()["error"]


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1",
        "0.0.0.0",  # noqa: S104
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "2002:7f00:1::",
        "64:ff9b::a9fe:a9fe",
    ],
)
def test_addresses_behind_the_service_are_not_public(ip):
    assert not is_public(ip)
    with pytest.raises(InputError, match="not public"):
        resolve("http://example.org/a.mp4", False, lambda host, port: ["93.184.215.14", ip])
    assert resolve("http://example.org/a.mp4", True, lambda host, port: [ip]).ip == ip


@pytest.mark.parametrize("ip", ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8"])
def test_addresses_of_the_internet_are_public(ip):
    assert is_public(ip)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "concat:a|b",
        "gopher://example.org/",
        "http://",
        "http:///a",
        "//example.org/a",
        "http://user:secret@example.org/a",
        "http://example.org:99999/a",
        "http://[::1/a",
        "http://example.org/a b",
        "http://example.org\\@127.0.0.1/",
        "http://example.org/\r\nHost: other",
        "http://exämple.org/",
        "http://example.org/" + "a" * 3000,
    ],
)
def test_what_is_no_plain_address_is_refused(running, url):
    refused = running.client.post("/v1/clips", json={"url": url})
    assert refused.status_code == 422 and refused.json()["error"].startswith("url"), refused.text
    assert "secret" not in refused.text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0x7f000001", "2130706433", "127.1", "0"])
def test_the_machine_itself_is_refused_however_it_is_spelt(running, host):
    refused = running.client.post("/v1/clips", json={"url": f"http://{host}:{running.port}/healthz"})
    assert refused.status_code == 422 and refused.json()["error"].startswith("url: ")
    assert running.service.jobs.counts()["queued"] == 0


@contextmanager
def answering(*answers: bytes, ends: bool = True):
    """A server that sends what it is told to, whatever it is asked; gives its port and the requests it got."""
    requests: list[bytes] = []
    finish = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    requests.append(connection.recv(65536))
                    try:
                        connection.sendall(answer)
                    except OSError:
                        continue
                    if not ends:
                        finish.wait(30)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], requests
        finally:
            finish.set()
            thread.join()


def head(status: str, **headers: object) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


def pinned(port):
    """As if the name led here when it was checked; other addresses are checked as always."""

    def check(url):
        if url.startswith("http://example.org"):
            return Address("http", "example.org", port, "127.0.0.1", "/a.mp4")
        return resolve(url, False)

    return check


def test_the_address_that_was_checked_is_the_one_that_is_asked(tmp_path):
    """Whatever the name means by then: it is not looked up again."""
    with answering(head("200 OK", Content_Length=5) + b"bytes") as (port, requests):
        Fetch("http://example.org/a.mp4", 100, pinned(port)).run(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"bytes"
    assert requests[0].startswith(b"GET /a.mp4 HTTP/1.1\r\nHost: example.org")


@pytest.mark.parametrize("location", ["http://169.254.169.254/latest/", "http://localhost/", "file:///etc/passwd"])
def test_redirects_are_checked_again(tmp_path, location):
    answer = head("302 Found", Location=location, Content_Length=0)
    with answering(answer) as (port, _), pytest.raises(InputError, match=r"not public|expected http"):
        Fetch("http://example.org/", 100, pinned(port)).run(tmp_path / "a")


def test_redirects_come_to_an_end(tmp_path):
    again = head("302 Found", Location="/b", Content_Length=0)
    with answering(*[again] * 6) as (port, requests), pytest.raises(InputError, match="more than 5 redirects"):
        Fetch("http://example.org/", 100, pinned(port)).run(tmp_path / "a")
    assert len(requests) == 6


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (head("200 OK", Content_Length=1000), "expected a smaller file"),
        (head("200 OK") + bytes(1000), "expected a smaller file"),
        (head("200 OK", Transfer_Encoding="chunked") + b"3e8\r\n" + bytes(1000) + b"\r\n0\r\n\r\n", "a smaller file"),
        (head("200 OK", Content_Length=50) + bytes(10), "cannot be fetched|only 10 of 50"),
        (head("404 Not Found", Content_Length=0), "answers 404 Not Found: expected 200"),
        (b"SSH-2.0-OpenSSH\r\n", "cannot be fetched"),
        (b"", "cannot be fetched"),
    ],
)
def test_a_server_that_does_not_give_a_clip_is_a_clear_error(tmp_path, answer, message):
    with answering(answer) as (port, _), pytest.raises(InputError, match=message):
        Fetch("http://example.org/", 100, pinned(port)).run(tmp_path / "a")


def test_a_server_that_takes_its_time_is_not_waited_for(tmp_path):
    answer = head("200 OK", Content_Length=50) + b"a"
    with answering(answer, ends=False) as (port, _), pytest.raises(InputError, match=r"not fetched within 0.3 s"):
        Fetch("http://example.org/", 100, pinned(port), seconds=0.3).run(tmp_path / "a")


def test_a_clip_that_is_being_fetched_can_be_cancelled(start):
    answer = head("200 OK", Content_Length=50) + b"a"
    with answering(answer, ends=False) as (port, _), start(allow_private_urls=True) as running:
        job = running.client.post("/v1/clips", json={"url": f"http://127.0.0.1:{port}/"}).json()["id"]
        events = running.events(job)
        while next(events)[1]["state"] != "running":
            pass
        running.client.delete(f"/v1/clips/{job}")
        assert [name for name, _ in events] == ["cancelled"] and running.files() == []
