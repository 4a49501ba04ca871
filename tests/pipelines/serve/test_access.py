"""Tokens, origins, health, figures, documentation, errors."""

from __future__ import annotations

import pytest
from streamseg.pipelines.serve.settings import ServiceSettings
from websockets.exceptions import InvalidStatus

from streamseg import __version__
from streamseg.errors import OptionError

TOKEN = "correct horse"  # noqa: S105


@pytest.fixture(scope="module")
def guarded(start):
    with start(token=TOKEN) as found:
        yield found


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ü"]
)
def test_without_the_token_there_is_nothing(guarded, encoded, given):
    headers = {} if given is None else {"Authorization": given.encode()}
    for method, path in (("POST", "/v1/images"), ("GET", "/v1/clips/x"), ("GET", "/metrics"), ("GET", "/nothing")):
        response = guarded.client.request(method, path, headers=headers)
        assert response.status_code == 401 and response.headers["www-authenticate"] == "Bearer"
        assert TOKEN not in response.text
    with pytest.raises(InvalidStatus) as refused, guarded.live():
        pass
    assert refused.value.response.status_code == 401


def test_with_the_token_everything_is_there(guarded, encoded):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert guarded.client.post("/v1/images", content=encoded(), headers=headers).status_code == 200
    with guarded.live(additional_headers=headers) as live:
        live.send(encoded("JPEG"))
        assert live.recv(30)[:4] == bytes(4)


def test_health_and_documentation_need_no_token(guarded):
    health = guarded.client.get("/healthz")
    assert health.status_code == 200
    assert health.json() == {"status": "ok", "version": __version__, "device": "cpu"}
    assert guarded.client.get("/docs").status_code == 200


def test_other_web_pages_cannot_use_a_local_service(running, encoded):
    for origin in ("http://evil.example", "null", f"http://evil.example:{running.port}"):
        headers = {"Origin": origin, "Host": origin.removeprefix("http://")}
        refused = running.client.post("/v1/images", content=encoded(), headers=headers)
        assert refused.status_code == 403 and "--allow-origin" in refused.json()["error"]
        with pytest.raises(InvalidStatus) as denied, running.live(origin=origin):
            pass
        assert denied.value.response.status_code == 403
    own = {"Origin": f"http://127.0.0.1:{running.port}"}
    assert running.client.post("/v1/images", content=encoded(), headers=own).status_code == 200


def test_pages_that_are_permitted_can(start, encoded):
    with start(allow_origins=("https://app.example",)) as running:
        origin = {"Origin": "https://app.example"}
        answer = running.client.post("/v1/images", content=encoded(), headers=origin)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "https://app.example")


def test_the_documentation_has_every_route_with_examples(running):
    api = running.client.get("/openapi.json").json()
    assert api["info"]["version"] == __version__ and "/v1/live" in api["info"]["description"]
    assert set(api["paths"]) == {
        "/v1/images",
        "/v1/clips",
        "/v1/clips/{job_id}",
        "/v1/clips/{job_id}/events",
        "/v1/clips/{job_id}/result",
        "/healthz",
        "/metrics",
    }
    body = api["paths"]["/v1/clips"]["post"]["requestBody"]["content"]
    assert body["application/json"]["example"]["url"].startswith("https://")
    assert "multipart/form-data" in api["paths"]["/v1/images"]["post"]["requestBody"]["content"]


def test_figures_count_requests_by_route_and_status(running, encoded):
    running.client.post("/v1/images", content=encoded())
    running.client.get("/v1/secret-path")
    text = running.client.get("/metrics").text
    assert 'streamseg_requests_total{method="POST",route="/v1/images",status="200"}' in text
    assert 'streamseg_requests_total{method="GET",route="other",status="404"}' in text
    assert "secret-path" not in text and 'streamseg_frames_total{kind="picture"}' in text


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/x", 404), ("GET", "/v1/images", 405)])
def test_errors_of_http_are_json_too(running, method, path, status):
    response = running.client.request(method, path)
    assert response.status_code == status and path in response.json()["error"]


def test_a_failure_of_the_service_shows_no_traceback(running, encoded, monkeypatch):
    def fail(*arguments):
        raise KeyError("secret")

    monkeypatch.setattr("streamseg.pipelines.serve.pictures.read_image", fail)
    response = running.client.post("/v1/images", content=encoded())
    assert response.status_code == 500 and response.json() == {"error": "the service failed: its log says why"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"port": 0}, "--port 0: expected 1 to 65535"),
        ({"max_upload_mb": 0}, "--max-upload-mb 0: expected more than 0"),
        ({"queue": -1}, "--queue -1: expected 0 or more"),
        ({"token": " "}, "--token: expected printable"),
    ],
)
def test_limits_out_of_range_are_refused(settings, message):
    with pytest.raises(OptionError, match=message):
        ServiceSettings(**settings)
