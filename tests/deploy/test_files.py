"""What is shipped to run Outdial with is taken by the tools that read it, and names settings that there are."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from kubernetes_validate import utils as kubernetes

from deploy.proxies import DEPLOY
from outdial.settings import Settings
from outdial.unknown_settings import unknown_variables

KUBERNETES = DEPLOY / "kubernetes"
OF_CADDY = {"OUTDIAL_DOMAIN", "OUTDIAL_UPSTREAM"}
FILES = [DEPLOY.parent / "Dockerfile", *(path for path in DEPLOY.rglob("*") if path.is_file())]
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
AFTER_DRAIN_S = 45  # a goodbye, and what is written last


def resources() -> Iterator[dict[str, Any]]:
    for name in yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]:
        yield from yaml.safe_load_all((KUBERNETES / name).read_text())


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for resource in resources():
        if resource["kind"] in ("Deployment", "StatefulSet"):
            yield resource["metadata"]["name"], resource["spec"]["template"]


def named(kind: str) -> set[str]:
    return {resource["metadata"]["name"] for resource in resources() if resource["kind"] == kind}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_setting_named_is_one(path):
    settings = set(re.findall(r"\bOUTDIAL_[A-Z_]+", path.read_text())) - OF_CADDY
    assert unknown_variables(settings) == {}


@pytest.mark.parametrize("resource", list(resources()), ids=lambda r: f"{r['kind']} {r['metadata']['name']}")
def test_kubernetes_takes_every_resource(resource):
    kubernetes.validate(resource, "1.30", strict=True)


def test_outdial_may_reach_all_that_its_settings_can_name():
    """A database, a pooler before it, and a store at private addresses; whatever is public; the names of all."""
    (egress,) = (
        resource["spec"]["egress"]
        for resource in resources()
        if resource["kind"] == "NetworkPolicy" and resource["metadata"]["name"] == "outdial"
    )
    blocks = [(peer["ipBlock"], rule.get("ports")) for rule in egress for peer in rule["to"] if "ipBlock" in peer]
    private = {port["port"] for block, ports in blocks if ports is not None for port in ports}
    assert private == {5432, 6432, 443, 9000}
    assert ("0.0.0.0/0", None) in {(block["cidr"], ports and "some") for block, ports in blocks}
    assert any(port["port"] == 53 for rule in egress for port in rule.get("ports", ()))


def test_every_file_is_part_of_the_whole():
    whole = (KUBERNETES / "kustomization.yaml").read_text()
    for path in KUBERNETES.rglob("*"):
        if path.is_file() and path.name not in ("kustomization.yaml", ".gitignore"):
            assert str(path.relative_to(KUBERNETES)).removesuffix(".example") in whole


def test_what_one_resource_says_of_another_is_so():
    components = {spec["metadata"]["labels"]["app.kubernetes.io/component"] for _, spec in pods()}
    for resource in resources():
        spec = resource.get("spec", {})
        selector = spec.get("selector", {})
        of = (selector.get("matchLabels") or selector).get("app.kubernetes.io/component")
        assert of is None or of in components
        if resource["kind"] == "HorizontalPodAutoscaler":
            target = spec["scaleTargetRef"]
            assert target["name"] in named(target["kind"])
        if resource["kind"] == "StatefulSet":
            assert spec["serviceName"] in named("Service")
        if resource["kind"] == "Ingress":
            for path in spec["rules"][0]["http"]["paths"]:
                assert path["backend"]["service"]["name"] in named("Service")
    (edge,) = (KUBERNETES / "caddy").iterdir()
    asked = set(re.findall(r"reverse_proxy (?:\{re\.pod\.1\}\.)?([a-z-]+):8080", edge.read_text()))
    assert asked <= named("Service")
    assert len(asked) == 2


@pytest.mark.parametrize(("name", "pod"), list(pods()), ids=[name for name, _ in pods()])
def test_no_pod_may_do_what_it_need_not(name, pod):
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod["spec"]["automountServiceAccountToken"] is False
    for container in pod["spec"]["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


def test_whoever_stops_outdial_waits_for_its_calls():
    literals = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["configMapGenerator"][0]["literals"]
    drain = float(dict(line.split("=", 1) for line in literals)["OUTDIAL_DRAIN_S"])
    (media,) = (pod for name, pod in pods() if name == "outdial-media")
    assert media["spec"]["terminationGracePeriodSeconds"] >= drain + AFTER_DRAIN_S
    usual = Settings.model_fields["drain_s"].default
    unit = (DEPLOY / "outdial.service").read_text()
    assert int(re.search(r"TimeoutStopSec=(\d+)", unit)[1]) >= usual + AFTER_DRAIN_S
    outdial = COMPOSE["services"]["outdial"]
    drain = float(outdial["environment"]["OUTDIAL_DRAIN_S"])
    assert int(outdial["stop_grace_period"].removesuffix("s")) >= drain + AFTER_DRAIN_S


def test_the_composed_services_fit_together():
    services = COMPOSE["services"]
    for service in services.values():
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (DEPLOY / source).exists()
        assert set(service.get("depends_on", {})) <= set(services)
    outdial, caddy = services["outdial"], services["caddy"]
    assert outdial["environment"]["OUTDIAL_TRUSTED_PROXIES"] == caddy["networks"]["inside"]["ipv4_address"]
    asked_for = set(re.findall(r"\$\{([A-Z_]+)", (DEPLOY / "compose.yaml").read_text()))
    told_of = set(re.findall(r"^#? ?([A-Z_]+)=", (DEPLOY / "compose.env").read_text(), re.MULTILINE))
    assert asked_for == told_of


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit_and_finds_it_hardened(tmp_path):
    unit = tmp_path / "outdial.service"
    unit.write_text((DEPLOY / "outdial.service").read_text().replace("/opt/outdial/bin/outdial", "/bin/true"))
    judged = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60)
    assert (judged.returncode, judged.stderr) == (0, "")
    page = (DEPLOY.parent / "docs/deploy.md").read_text()
    stated = float(re.search(r"exposure level ([\d.]+)", page)[1])
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", f"--threshold={int(stated * 10)}", unit],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert judged.returncode == 0, judged.stdout[-300:]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kustomize_puts_it_together(tmp_path):
    folder = tmp_path / "kubernetes"
    shutil.copytree(KUBERNETES, folder)
    shutil.copy(folder / "outdial.env.example", folder / "outdial.env")
    built = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, timeout=60)
    assert built.returncode == 0, built.stderr
    for resource in yaml.safe_load_all(built.stdout):
        kubernetes.validate(resource, "1.30", strict=True)


def test_the_image_is_not_root_and_holds_the_locked_versions():
    text = (DEPLOY.parent / "Dockerfile").read_text()
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE) == ["10001:10001"]
    assert "requirements/run.txt" in text
    copied = {word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE) for word in line.split()}
    for name in copied:
        assert (DEPLOY.parent / name).exists()
    let_in = re.findall(r"^!(\S+)", (DEPLOY.parent / ".dockerignore").read_text(), re.MULTILINE)
    assert {name.split("/")[0] for name in copied} == set(let_in)
