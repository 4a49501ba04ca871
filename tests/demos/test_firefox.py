"""The live view in Firefox, which is driven by WebDriver BiDi: Playwright drives only a Firefox of its own."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# A camera and its permission without anybody to ask; connections on the loopback address.
_PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}
_START_S, _ANSWER_S = 60, 60


class Firefox:
    """One page of a running Firefox."""

    def __init__(self, socket: Any) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self.call("session.new", capabilities={})
        self._context = self.call("browsingContext.getTree")["contexts"][0]["context"]

    def call(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv(timeout=_ANSWER_S))).get("id") != number:
            pass
        assert answer["type"] == "success", answer
        return answer["result"]

    def open(self, url: str) -> None:
        self.call("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, as JSON has it."""
        options = {"awaitPromise": True, "target": {"context": self._context}, "userActivation": True}
        result = self.call(
            "script.evaluate", expression=f"(async () => JSON.stringify(await {expression}))()", **options
        )
        assert result["type"] == "success", result["exceptionDetails"]["text"]
        return json.loads(result["result"].get("value", "null"))


@pytest.fixture
def firefox(tmp_path: Path) -> Iterator[Firefox]:
    client = pytest.importorskip("websockets.sync.client", reason="websockets is not installed")
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    if path is None:
        pytest.skip("Firefox is not installed; on Debian: apt-get install firefox-esr")
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in _PREFERENCES.items()]
    profile = tmp_path / "profile"
    profile.mkdir()
    (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
    command = [path, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    process = subprocess.Popen([*command, "about:blank"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        assert process.stderr is not None
        address = next(filter(None, (re.search(r"BiDi listening on (ws://\S+)", line) for line in process.stderr)))[1]
        with client.connect(f"{address}/session", open_timeout=_START_S, max_size=None) as socket:
            yield Firefox(socket)
    finally:
        process.terminate()
        process.communicate(timeout=30)


_CORNER = """(() => {
  const video = document.querySelector('[data-part="result"]');
  const canvas = Object.assign(document.createElement("canvas"), { width: 8, height: 8 });
  const context = canvas.getContext("2d");
  context.drawImage(video, 0.9 * video.videoWidth, 0, 0.08 * video.videoWidth, 0.08 * video.videoHeight, 0, 0, 8, 8);
  return [...context.getImageData(4, 4, 1, 1).data];
})()"""


def test_the_background_is_replaced_in_firefox(demo, firefox, until):
    """Firefox's own test picture is the camera: nobody is in it, so all of it is background."""
    firefox.open(demo.url)
    until(lambda: firefox.evaluate("""document.querySelectorAll('#gallery label, [data-part="start"]').length""") == 6)
    firefox.evaluate("""document.querySelector('#gallery label[data-testid="Colour-radio-label"]').click()""")
    firefox.evaluate("""document.querySelector('[data-part="start"]').click()""")
    until(lambda: firefox.evaluate("document.querySelector('.live-view').dataset.state") == "live", 60)
    until(lambda: max(abs(a - b) for a, b in zip(firefox.evaluate(_CORNER), (0, 177, 64, 255), strict=True)) < 40)
    firefox.evaluate("""document.querySelector('[data-part="compare"]').click()""")
    assert firefox.evaluate("""document.querySelector('[data-part="wipe"]').offsetWidth""") > 300
    assert firefox.evaluate("""document.querySelector('[data-part="error"]').hidden""")
    until(lambda: float(firefox.evaluate("document.querySelector('.live-view').dataset.fps || 0")) > 0)
    firefox.evaluate("""document.querySelector('[data-part="stop"]').click()""")
    assert firefox.evaluate("document.querySelector('.live-view').dataset.state") == "idle"
