"""What is counted, on a whole call; and what ships beside it for Prometheus and Grafana."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from outdial import metrics
from outdial.api import metrics as exposed
from outdial.api.metrics import _ended, _lines, _workers

ROOT = Path(__file__).parents[1]
SUFFIXES = r"_(total|bucket|count|sum|created)$"


def known() -> set[str]:
    lines = text_string_to_metric_families(_lines([]).decode())
    families = [*metrics.REGISTRY.collect(), *lines, *_workers([]), _ended("ws", [])]
    return {family.name for family in families}


def named(text: str) -> set[str]:
    return {re.sub(SUFFIXES, "", name) for name in re.findall(r"outdial_[a-z_]+", text)}


def rules() -> list[dict[str, str]]:
    told = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())
    return [rule for group in told["groups"] for rule in group["rules"]]


def asked_by_dashboard() -> list[str]:
    dashboard = json.loads((ROOT / "deploy/grafana/outdial.json").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_dashboard_and_alerts_ask_for_what_there_is():
    asked = [*asked_by_dashboard(), *(rule["expr"] for rule in rules())]
    assert named(" ".join(asked)) <= known()
    assert len(asked) > 20


def test_processes_and_their_seats_are_watched_by_dashboard_and_alerts():
    wanted = {"outdial_workers", "outdial_seats", "outdial_seats_free"}
    assert wanted <= named(" ".join(asked_by_dashboard()))
    alerts = [rule["expr"] for rule in rules() if "alert" in rule]
    assert wanted - {"outdial_seats"} <= named(" ".join(alerts))


def test_what_kubernetes_scales_by_is_recorded():
    parts = yaml.safe_load_all((ROOT / "deploy/kubernetes/media.yaml").read_text())
    (scaler,) = [part for part in parts if part["kind"] == "HorizontalPodAutoscaler"]
    wanted = {metric["external"]["metric"]["name"] for metric in scaler["spec"]["metrics"]}
    assert wanted == {rule["record"] for rule in rules() if "record" in rule}


def test_every_metric_is_told_of_on_the_page():
    page = (ROOT / "docs/metrics.md").read_text()
    told = set(re.findall(r"`(outdial_[a-z_]+?)(?:_total)?`", page.split("## ")[0]))
    assert known() <= told
    alerts = (ROOT / "deploy/prometheus/alerts.yaml").read_text()
    assert set(re.findall(r"Outdial[A-Z]\w+", page)) == set(re.findall(r"alert: (\w+)", alerts))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus's own tool is not installed")
def test_prometheus_takes_the_rules_and_what_is_told():
    rules = ROOT / "deploy/prometheus/alerts.yaml"
    subprocess.run(["promtool", "check", "rules", rules], check=True, capture_output=True)
    told = generate_latest(metrics.REGISTRY)
    judged = subprocess.run(["promtool", "check", "metrics"], input=told, capture_output=True, check=False)
    assert judged.stderr == b"", judged.stderr.decode()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus's own tool is not installed")
def test_seats_are_counted_once_however_many_processes_tell_them(tmp_path):
    def of_both(metric: str, values: str) -> list[dict[str, str]]:
        return [{"series": f'{metric}{{instance="{each}"}}', "values": values} for each in "ab"]

    summary = "No process has a seat free: calls wait, and callers are turned away"
    fired = {"exp_labels": {"severity": "page"}, "exp_annotations": {"summary": summary}}
    case = {
        "interval": "1m",
        "input_series": [*of_both("outdial_seats", "300x30"), *of_both("outdial_seats_free", "100x10 0x20")],
        "promql_expr_test": [
            {"expr": name, "eval_time": at, "exp_samples": [{"labels": name, "value": used}]}
            for name, at, used in (("outdial_seats_used", "5m", 200), ("outdial_seats_used", "20m", 300))
        ],
        "alert_rule_test": [
            {"eval_time": "10m", "alertname": "OutdialNoSeats", "exp_alerts": []},
            {"eval_time": "20m", "alertname": "OutdialNoSeats", "exp_alerts": [fired]},
        ],
    }  # fmt: skip
    told = {"rule_files": [f"{ROOT / 'deploy/prometheus/alerts.yaml'}"], "evaluation_interval": "1m", "tests": [case]}
    (tmp_path / "seats.yaml").write_text(yaml.safe_dump(told))
    judged = subprocess.run(["promtool", "test", "rules", tmp_path / "seats.yaml"], capture_output=True, check=False)
    assert judged.returncode == 0, judged.stdout.decode() + judged.stderr.decode()


def test_what_is_told_has_no_label_without_bound():
    labels = {label for family in metrics.REGISTRY.collect() for sample in family.samples for label in sample.labels}
    known = {"carrier", "end_reason", "error", "direction", "outcome", "result", "state", "le"}
    assert labels <= known | {"part", "vendor", "fault"}
    assert exposed.PATH == "/metrics"
