"""The container files: checked as far as that goes without a container engine."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from streamseg.pipelines.cli import _parser

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "containers"
DOCKERFILES = sorted(FOLDER.glob("Dockerfile.*"))


def instructions(path: Path) -> list[tuple[str, str]]:
    """Name and arguments of each instruction, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(encoding="utf-8"), flags=re.M).replace("\\\n", " ")
    return [(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in text.splitlines() if line.strip()]


def last(path: Path, name: str) -> str:
    return [arguments for each, arguments in instructions(path) if each == name][-1]


def compose() -> dict:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    return yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))


def ignored(path: str) -> bool:
    """Whether .dockerignore leaves a path out; the last line that matches counts."""
    result = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        wanted = pattern.lstrip("!").removeprefix("**/")
        parts = path.split("/")
        names = ["/".join(parts[: k + 1]) for k in range(len(parts))] + (parts if "**/" in pattern else [])
        if any(fnmatch.fnmatchcase(name, wanted) for name in names):
            result = not pattern.startswith("!")
    return result


def options_of(command: list[str]):
    """The command's options, as our own parser understands them."""
    return _parser().parse_args(command)


def healthcheck_port(text: str) -> int:
    return int(re.search(r"http://127\.0\.0\.1:(\d+)/", text)[1])


@pytest.fixture(params=DOCKERFILES, ids=lambda path: path.suffix[1:])
def dockerfile(request) -> Path:
    return request.param


def test_there_is_one_for_each_device():
    assert [path.suffix for path in DOCKERFILES] == [".cpu", ".cuda"]


def test_hadolint_has_nothing_to_say(dockerfile):
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not installed; there is a package for Linux on x86-64 only")
    done = subprocess.run([program, dockerfile], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_base_images_are_pinned_and_the_compiler_stays_in_the_first_stage(dockerfile):
    stages = [arguments for name, arguments in instructions(dockerfile) if name == "FROM"]
    assert len(stages) == 2 and stages[0].endswith(" AS build")
    for stage in stages:
        image, tag = stage.split()[0].split(":")
        assert image == "python" and re.match(r"3\.\d+-slim-\w+$", tag)
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "requires-python"
    ].removeprefix(">=")
    assert stages[0].split(":")[1].startswith(requires)
    names = [name for name, _ in instructions(dockerfile)]
    final = instructions(dockerfile)[len(names) - names[::-1].index("FROM") :]
    assert not any("apt-get" in arguments or "pip" in arguments for name, arguments in final if name == "RUN")
    assert [arguments for name, arguments in final if name == "COPY"] == ["--from=build /opt/streamseg /opt/streamseg"]


def test_it_runs_as_a_user_without_rights(dockerfile):
    user = last(dockerfile, "USER")
    assert user.isdigit() and int(user) > 0
    assert any(name == "RUN" and f"--uid {user}" in arguments for name, arguments in instructions(dockerfile))


def test_signals_reach_the_service(dockerfile):
    """An entry point in the form of a shell command would keep SIGTERM for itself."""
    assert json.loads(last(dockerfile, "ENTRYPOINT")) == ["streamseg"]
    assert last(dockerfile, "STOPSIGNAL") == "SIGTERM"


def test_the_command_is_one_of_ours_and_the_ports_agree(dockerfile):
    arguments = options_of(json.loads(last(dockerfile, "CMD")))
    assert (arguments.command, arguments.host) == ("serve", "0.0.0.0")  # noqa: S104
    assert arguments.device == {".cpu": "cpu", ".cuda": "cuda"}[dockerfile.suffix]
    assert str(arguments.port) == last(dockerfile, "EXPOSE")
    check = last(dockerfile, "HEALTHCHECK").partition("CMD ")[2]
    assert healthcheck_port(check) == arguments.port and "/healthz" in check
    compile(json.loads(check)[2], "healthcheck", "exec")


def test_what_is_copied_is_there_and_is_not_ignored(dockerfile):
    copied = [arguments for name, arguments in instructions(dockerfile) if name == "COPY" and "--from" not in arguments]
    sources = {source for arguments in copied for source in shlex.split(arguments)[:-1]}
    for source in sources:
        assert (ROOT / source).exists() and not ignored(source), source
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    tops = {name.split(".")[0] for name in packages["packages"]} | set(packages["package-dir"].values())
    assert tops <= sources and {"setup.py", "pyproject.toml"} <= sources


@pytest.mark.parametrize("path", [".git/config", "tests/conftest.py", "runs/a.safetensors", ".venv/bin/python"])
def test_nothing_else_gets_into_the_image(path):
    assert ignored(path)
    assert ignored("streamseg/device/cpu/_kernels.abi3.so") and not ignored("streamseg/device/cpu/device.py")


def test_the_extras_exist(dockerfile):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    text = dockerfile.read_text(encoding="utf-8")
    named = re.search(r"\$\{wheel\}\[([^]]+)\]", text)[1]
    defaults = dict(arguments.split("=") for name, arguments in instructions(dockerfile) if name == "ARG")
    for extra in named.split(","):
        assert re.sub(r"\$\{(\w+)\}", lambda match: defaults[match[1]], extra) in extras


def test_services_of_the_compose_file_use_commands_ports_and_extras_that_exist():
    services = compose()["services"]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    proxied = dict(re.findall(r"reverse_proxy (\w+):(\d+)", (FOLDER / "Caddyfile").read_text(encoding="utf-8")))
    assert set(proxied) == {"service", "demo"}
    for name, port in proxied.items():
        service = services[name]
        arguments = options_of(service["command"])
        assert str(arguments.port) == port and service["expose"] == [port] and arguments.host == "0.0.0.0"  # noqa: S104
        assert service["build"]["args"]["EXTRA"] in extras
        assert (FOLDER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and "ports" not in service
        assert any(mount.startswith("/tmp:") for mount in service["tmpfs"])  # noqa: S108
    assert healthcheck_port(str(services["demo"]["healthcheck"])) == options_of(services["demo"]["command"]).port


def test_the_service_behind_the_proxy_needs_a_token_and_gets_its_grace():
    service = compose()["services"]["service"]
    assert service["environment"]["STREAMSEG_TOKEN"].startswith("${STREAMSEG_TOKEN:?")
    assert int(service["stop_grace_period"].removesuffix("s")) > options_of(service["command"]).grace


def test_only_the_proxy_is_reached_from_outside():
    services = compose()["services"]
    assert [name for name, service in services.items() if service.get("ports")] == ["proxy"]
    proxy = services["proxy"]
    assert re.match(r"caddy:\d+\.\d+", proxy["image"])
    assert any(mount.startswith("./Caddyfile:") and mount.endswith(":ro") for mount in proxy["volumes"])
