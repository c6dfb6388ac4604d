"""The files of docs/deploys.md fit each other, the defaults of Bennu, and the programs that read them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path
from typing import Any, Final, cast

import click
import pytest

from bennu import LongPoll, Socket
from bennu.cli import main
from bennu.errors import DefinitionError

from .container import instructions
from .proxies import FILES, replace

HEARTBEAT: Final = 30.0
"""Seconds between two heartbeats of stock clients."""


def options(words: list[str]) -> dict[str, Any]:
    """Return the options of a ``bennu run``; a mistake is an error."""
    assert Path(words[0]).name == "bennu"
    assert words[1] == "run"
    command = cast("click.Group", main).commands["run"]
    return dict(command.make_context("run", words[2:]).params)


def read(name: str) -> str:
    return (FILES / name).read_text()


def unit(name: str) -> dict[str, str]:
    """Return the settings of the second section of a unit."""
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # its documented way to keep names
    parser.read_string(read(name))
    return dict(parser[Path(name).suffix[1:].capitalize()])


def resources() -> dict[str, Any]:
    """Return the resources of kubernetes.yaml by their kinds."""
    yaml = pytest.importorskip("yaml", reason="no PyYAML: run scripts/install")
    return {one["kind"]: one for one in yaml.safe_load_all(read("kubernetes.yaml"))}


def seconds(text: str) -> float:
    """Return a time of nginx or HAProxy in seconds."""
    return float(text.removesuffix("s"))


def test_the_page_names_each_file() -> None:
    page = (FILES.parent / "deploys.md").read_text()
    assert {path.name for path in FILES.iterdir()} == {*re.findall(r"\]\(deploys/([\w.]+)\)", page)}


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("nginx.conf", r"proxy_(?:read|send)_timeout (\w+);"),
        ("haproxy.cfg", r"timeout (?:client|server|tunnel) (\w+)"),
        ("kubernetes.yaml", r'proxy-(?:read|send)-timeout: "(\w+)"'),
    ],
)
def test_no_proxy_ends_a_connection_before_its_client_or_node_would(
    name: str, pattern: str
) -> None:
    """Its timeouts are longer than the time between heartbeats, than a socket's timeout, and than a poll."""
    timeouts = [*map(seconds, re.findall(pattern, read(name)))]
    socket = Socket(connect=lambda: None, channels={})
    assert len(timeouts) in (2, 3)
    assert min(timeouts) > max(HEARTBEAT, socket.timeout, LongPoll().window)


def test_nginx_lets_the_largest_body_pass() -> None:
    [size] = re.findall(r"client_max_body_size (\d+)m;", read("nginx.conf"))
    assert int(size) * 2**20 >= LongPoll().max_body > (int(size) - 1) * 2**20
    ingress = resources()["Ingress"]["metadata"]["annotations"]
    assert ingress["nginx.ingress.kubernetes.io/proxy-body-size"] == f"{size}m"


def test_nginx_can_open_the_files_of_its_connections() -> None:
    [files] = re.findall(r"worker_rlimit_nofile (\d+);", read("nginx.conf"))
    [connections] = re.findall(r"worker_connections (\d+);", read("nginx.conf"))
    assert int(files) > int(connections)


def test_the_image_serves_all_addresses_and_its_health_check_asks_its_port() -> None:
    last = dict(instructions(read("Dockerfile"))[-1])
    run = options(json.loads(last["CMD"]))
    assert (run["host"], str(run["port"])) == ("0.0.0.0", last["EXPOSE"])  # noqa: S104 - it is a container
    assert f"http://127.0.0.1:{run['port']}/health/live" in last["HEALTHCHECK"]


def test_kubernetes_waits_longer_than_a_pod_needs() -> None:
    """The times, ports and paths fit the command; Services and budgets choose the pods of the Deployment."""
    found = resources()
    template = found["Deployment"]["spec"]["template"]
    pod = template["spec"]
    [container] = pod["containers"]
    run = options(container["command"])
    sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= sleep + run["grace"] + 5
    assert container["ports"] == [{"name": "http", "containerPort": run["port"]}]
    for probe, page in (("startup", "live"), ("readiness", "ready"), ("liveness", "live")):
        assert container[f"{probe}Probe"]["httpGet"] == {"path": f"/health/{page}", "port": "http"}
    ready = container["readinessProbe"]
    live = container["livenessProbe"]
    assert ready["periodSeconds"] * ready["failureThreshold"] <= sleep
    assert live["periodSeconds"] * live["failureThreshold"] >= run["worker_timeout"]
    user = dict(instructions(read("Dockerfile"))[-1])["USER"]
    security = pod["securityContext"]
    assert user == f"{security['runAsUser']}:{security['runAsGroup']}"
    names = {one["name"] for one in container["env"]}
    assert names == {"BENNU_SECRET_KEY", "BENNU_PUBSUB", "WEB_CONCURRENCY"}
    labels = template["metadata"]["labels"]
    assert found["Service"]["spec"]["selector"] == labels
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert found[kind]["spec"]["selector"]["matchLabels"] == labels


def test_kubernetes_knows_each_field() -> None:
    """The resources fit Kubernetes's own schemas, and have no other fields."""
    validate = pytest.importorskip("kubernetes_validate", reason="run scripts/install")
    for resource in resources().values():
        for version in ("1.30", validate.latest_version()):
            validate.validate(resource, version, strict=True)


def test_systemd_waits_longer_than_the_server_needs() -> None:
    service = unit("chat.service")
    run = options(shlex.split(service["ExecStart"]))
    assert float(service["TimeoutStopSec"]) >= run["grace"] + 2
    assert run["workers"] == 4
    assert unit("chat.socket")["ListenStream"].endswith(f":{run['port']}")


def test_systemd_knows_each_setting(tmp_path: Path) -> None:
    """``systemd-analyze verify`` has no complaint. ``notify-reload`` is newer than some systems."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze: this system has no systemd")
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    service = replace(read("chat.service"), ("/srv/chat/venv/bin/bennu", "/bin/true"))
    if int(told.stdout.split()[1]) < 253:
        service = replace(service, ("Type=notify-reload", "Type=notify"))
    (tmp_path / "chat.service").write_text(service)
    (tmp_path / "chat.socket").write_text(read("chat.socket"))
    units = (tmp_path / "chat.service", tmp_path / "chat.socket")
    done = subprocess.run(
        [program, "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    said = [line for line in done.stderr.splitlines() if "chat." in line or str(tmp_path) in line]
    assert (done.returncode, said) == (0, [])


def test_a_bad_option_would_be_an_error() -> None:
    with pytest.raises((click.UsageError, DefinitionError)):
        options(["bennu", "run", "--gracious", "1"])
