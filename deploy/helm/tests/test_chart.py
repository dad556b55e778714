"""Tests that the chart renders valid objects, refuses settings that cannot work, and keeps its promises."""

import copy
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from conftest import (
    CHART,
    EVERYTHING,
    HERE,
    MINIMAL,
    REPOSITORY,
    SECURED,
    VALUES,
    helm,
    objects,
    of_kind,
    rendered,
    template,
)

KUBERNETES = ("1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
CUSTOM = {"ServiceMonitor", "PrometheusRule", "HTTPRoute"}


# === what Helm and Kubernetes say ===


def test_helm_finds_nothing_to_mend(values):
    done = helm("lint", "--strict", CHART, "--values", values)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_every_object(values, version):
    for one in objects(rendered("--values", values)):
        if one["kind"] not in CUSTOM:
            kubernetes_validate.validate(one, version, strict=True)


def custom_schemas() -> dict[str, dict[str, Any]]:
    """Returns strict schemas of the custom resources by kind, from the definitions that their projects publish."""
    schemas = {}
    for file in Path(os.environ["AG_CRDS"]).glob("*.yaml"):
        definition = yaml.safe_load(file.read_text())
        version = next(one for one in definition["spec"]["versions"] if one["served"] and one["storage"])
        schema = version["schema"]["openAPIV3Schema"]
        schema["properties"]["metadata"] = {"type": "object"}
        shut(schema)
        schemas[definition["spec"]["names"]["kind"]] = schema
    return schemas


def shut(schema: Any) -> None:
    """Makes a schema refuse unknown fields at every level, and translates Kubernetes' "integer or string"."""
    if isinstance(schema, list):
        for one in schema:
            shut(one)
    if not isinstance(schema, dict):
        return
    if schema.pop("x-kubernetes-int-or-string", False):
        schema.pop("type", None)
        schema["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if isinstance(schema.get("pattern"), str):
        # Go takes a flag anywhere, Python at the start only.
        schema["pattern"] = schema["pattern"].replace("^(?i)", "(?i)^")
    if "properties" in schema and "additionalProperties" not in schema:
        schema["additionalProperties"] = False
    for one in schema.values():
        shut(one)


def test_custom_resources_are_what_their_definitions_say():
    schemas, found = custom_schemas(), set()
    for one in objects(rendered("--values", EVERYTHING)):
        if one["kind"] in CUSTOM:
            jsonschema.validate(one, schemas[one["kind"]])
            found.add(one["kind"])
    assert found == CUSTOM, "each of them is looked at"
    broken = of_kind(rendered("--values", EVERYTHING), "HTTPRoute")
    broken["spec"]["rulez"] = []
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schemas["HTTPRoute"])


def without_files(text: str) -> str:
    """Returns the rendered text with a line in place of each file of deploy/alerts and deploy/dashboards."""
    text = re.sub(r"^  ([\w-]+\.json): \|\n(?:    .*\n)+", r"  \1: from deploy/dashboards\n", text, flags=re.MULTILINE)
    return re.sub(r"^spec:\n  # Alert rules.*\n(?:  .*\n|\n)+", "spec: from deploy/alerts\n", text, flags=re.MULTILINE)


def test_rendered_objects_equal_the_golden_files(values):
    golden = HERE / "golden" / values.name
    text = without_files(rendered("--values", values))
    if os.environ.get("AG_UPDATE"):
        golden.write_text(text)
    assert text == golden.read_text(), "look at the change, then: scripts/chart --update"


# === what is refused ===


def leaves(values: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yields the path of every value that has nothing below it."""
    if isinstance(values, dict) and values:
        for name, below in values.items():
            yield from leaves(below, (*path, name))
    else:
        yield path


DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


@pytest.mark.parametrize("path", list(leaves(DEFAULTS)), ids=".".join)
def test_a_value_of_the_wrong_type_is_refused(path):
    wrong = copy.deepcopy(DEFAULTS)
    place = wrong
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = 7 if isinstance(place[path[-1]], dict) else {"of": "another type"}
    jsonschema.validate(DEFAULTS, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ('replicaCount="two"', "replicaCount"),
        ("ingres.enabled=true", "ingres"),
        ('drain.budget="soon"', "budget"),
    ],
)
def test_helm_refuses_by_the_schema(setting, words):
    done = template("--values", MINIMAL, "--set-json", setting)
    assert done.returncode != 0
    assert words in done.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["replicaCount=2"], "several replicas need one token key"),
        (["autoscaling.enabled=true"], "several replicas need one token key"),
        (["replicaCount=2", "allowNoTokenKey=true", "config.delivery.mode=group"], "group is for one replica"),
        (["drain.budget=40s"], "drain.gracePeriod (40s) has to be above"),
        (["secretEnv.KAFKA_API_KEY=user"], "set existingSecret"),
        (["config.kafka.bootstrap_servers="], "set config.kafka.bootstrap_servers"),
        (["config.registry.url="], "set config.registry.url"),
        (["ingress.enabled=true"], "ingress.hosts is empty"),
        (["httpRoute.enabled=true"], "httpRoute.parentRefs is empty"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(settings, words):
    done = template("--values", MINIMAL, *(word for one in settings for word in ("--set", one)))
    assert done.returncode != 0
    assert words in done.stderr, done.stderr


def test_no_secret_stands_among_the_settings_everybody_can_read():
    settings = (REPOSITORY / "docs" / "configuration.md").read_text()
    secrets = re.findall(r"^\| `([\w.]+)` \| `(GATEWAY__\w+)`.* A secret\.", settings, re.MULTILINE)
    assert len(secrets) > 5
    for setting, variable in secrets:
        done = template("--values", MINIMAL, "--set", f"config.{setting}=everybody-can-read-this-one-here")
        assert done.returncode != 0, setting
        assert f"config.{setting} would be readable by everybody" in done.stderr
        assert f"secretEnv.{variable}" in done.stderr


def test_several_replicas_may_do_without_a_token_key_when_it_is_said():
    text = rendered("--values", MINIMAL, "--set", "replicaCount=2", "--set", "allowNoTokenKey=true")
    assert of_kind(text, "Deployment")["spec"]["replicas"] == 2


# === what is promised ===


def pod(text: str) -> dict[str, Any]:
    return of_kind(text, "Deployment")["spec"]["template"]


def test_nothing_in_a_pod_has_rights_it_does_not_need(values):
    spec = pod(rendered("--values", values))["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        rights = container["securityContext"]
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["readOnlyRootFilesystem"] is True
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]


def test_a_pod_has_more_time_to_end_than_its_gateway_takes(values):
    text = rendered("--values", values)
    drain = yaml.safe_load(of_kind_named(text, "ConfigMap", "answer-gateway")["data"]["config.yaml"])["drain"]
    seconds = {name: int(value.removesuffix("s")) for name, value in drain.items()}
    assert seconds["accept_for"] + seconds["budget"] < seconds["grace_period"]
    spec = pod(text)["spec"]
    sleep = spec["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert spec["terminationGracePeriodSeconds"] > seconds["grace_period"] + sleep


def test_what_a_hook_sleeps_before_the_end_is_added():
    def grace(*arguments: str) -> int:
        return pod(rendered("--values", MINIMAL, *arguments))["spec"]["terminationGracePeriodSeconds"]

    assert grace("--set", "lifecycle.preStop.sleep.seconds=7") == grace() + 7


def of_kind_named(text: str, kind: str, ending: str) -> dict[str, Any]:
    return next(one for one in objects(text) if one["kind"] == kind and one["metadata"]["name"].endswith(ending))


def test_a_rolling_update_never_goes_below_the_replicas_and_a_group_never_has_two_members(values):
    strategy = of_kind(rendered("--values", values), "Deployment")["spec"]["strategy"]
    if values.stem == "group":
        assert strategy == {"type": "Recreate"}
    else:
        assert strategy["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_a_change_of_settings_starts_pods_anew():
    def checksum(*arguments: str) -> str:
        return pod(rendered("--values", MINIMAL, *arguments))["metadata"]["annotations"]["checksum/config"]

    assert checksum() == checksum()
    assert checksum() != checksum("--set", "config.log.level=debug")
    assert checksum() != checksum("--set", "drain.budget=20s")


def test_services_and_budgets_select_the_pods_and_nothing_else(values):
    text = rendered("--values", values)
    labels = pod(text)["metadata"]["labels"].items()
    selectors = [one["spec"]["selector"] for one in objects(text) if one["kind"] == "Service"]
    selectors += [
        one["spec"]["selector"]["matchLabels"] for one in objects(text) if one["kind"] == "PodDisruptionBudget"
    ]
    selectors.append(of_kind(text, "Deployment")["spec"]["selector"]["matchLabels"])
    for selector in selectors:
        assert selector.items() <= labels
    hook = of_kind(text, "Pod")["metadata"]["labels"].items()
    assert not any(selector.items() <= hook for selector in selectors), "the test's pod takes no traffic"


def test_whoever_is_let_in_helm_test_is_too():
    text = rendered("--values", EVERYTHING)
    public = next(
        rule for rule in of_kind(text, "NetworkPolicy")["spec"]["ingress"] if rule["ports"][0]["port"] == "public"
    )
    selectors = [peer["podSelector"]["matchLabels"] for peer in public["from"]]
    hook = of_kind(text, "Pod")["metadata"]["labels"].items()
    assert {"app": "ingress"} in selectors
    assert [one for one in selectors if one.items() <= hook]


def test_probes_tell_started_alive_and_ready_apart():
    container = pod(rendered("--values", MINIMAL))["spec"]["containers"][0]
    paths = [container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")]
    assert paths == ["/startupz", "/livez", "/readyz"]
    assert {"name": "GATEWAY__ADMIN__ADDRESS", "value": "0.0.0.0"} in container["env"]


def test_secrets_are_named_and_never_shown():
    text = rendered("--values", SECURED)
    assert not [one for one in objects(text) if one["kind"] == "Secret"]
    env = {one["name"]: one for one in pod(text)["spec"]["containers"][0]["env"]}
    for name in ("GATEWAY__SESSION__TOKEN_KEY", "KAFKA_API_SECRET"):
        assert env[name]["valueFrom"]["secretKeyRef"]["name"] == "answer-gateway"
        assert "value" not in env[name]


def test_a_check_before_the_start_sees_the_same_settings():
    spec = pod(rendered("--values", SECURED))["spec"]
    check, gateway = spec["initContainers"][0], spec["containers"][0]
    assert check["args"][0] == "check"
    assert (check["env"], check["volumeMounts"]) == (gateway["env"], gateway["volumeMounts"])


def test_the_settings_files_are_taken_by_the_gateway(values, tmp_path):
    text = rendered("--values", values)
    config = tmp_path / "config.yaml"
    settings = of_kind_named(text, "ConfigMap", "answer-gateway")["data"]["config.yaml"]
    config.write_text(settings.replace("/etc/kafka-ca/ca.pem", "/etc/ssl/certs/ca-certificates.crt"))
    env = {one["name"]: one.get("value", "x" * 32) for one in pod(text)["spec"]["containers"][0]["env"]}
    command = [os.environ["AG_GATEWAY_BIN"], "config", "--config", str(config)]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_alert_rules_and_dashboards_are_those_of_the_repository():
    text = rendered("--values", EVERYTHING)
    base = "https://git.example.org/answer-gateway/blob/main"
    source = (REPOSITORY / "deploy" / "alerts" / "answer-gateway.yaml").read_text()
    links = source.replace("runbook_url: docs/", f"runbook_url: {base}/docs/")
    assert links != source
    assert of_kind(text, "PrometheusRule")["spec"] == yaml.safe_load(links)
    maps = [one for one in objects(text) if one["metadata"].get("labels", {}).get("grafana_dashboard") == "1"]
    shown = {name: content for one in maps for name, content in one["data"].items()}
    dashboards = (REPOSITORY / "deploy" / "dashboards").glob("*.json")
    assert shown == {file.name: file.read_text() for file in dashboards}
    assert len(shown) == 3


def test_a_packaged_chart_holds_the_alert_rules_and_dashboards_themselves(tmp_path):
    done = helm("package", CHART, "--destination", tmp_path)
    assert done.returncode == 0, done.stderr
    (package,) = tmp_path.glob("answer-gateway-*.tgz")
    with tarfile.open(package) as archive:
        packed = {file.name: archive.extractfile(file).read() for file in archive if "/files/" in file.name}
    files = "answer-gateway/files"
    expected = {f"{files}/alerts.yaml": (REPOSITORY / "deploy" / "alerts" / "answer-gateway.yaml").read_bytes()}
    for file in (REPOSITORY / "deploy" / "dashboards").glob("*.json"):
        expected[f"{files}/dashboards/{file.name}"] = file.read_bytes()
    assert packed == expected


@pytest.mark.parametrize("link", ["alerts.yaml", "dashboards"])
@pytest.mark.parametrize("as_text", [False, True], ids=["absent", "checked out as text"])
def test_a_chart_folder_without_its_symbolic_links_is_refused(tmp_path, link, as_text):
    chart = tmp_path / "answer-gateway"
    shutil.copytree(CHART, chart)
    copied = chart / "files" / link
    shutil.rmtree(copied) if copied.is_dir() else copied.unlink()
    if as_text:
        copied.write_text(f"../../../{link}")
    done = template("--values", EVERYTHING, chart=chart)
    assert done.returncode != 0
    assert f"this copy of the chart lacks files/{link}" in done.stderr, done.stderr


def test_everything_is_switched_on_where_everything_is():
    kinds = {one["kind"] for one in objects(rendered("--values", EVERYTHING))}
    assert kinds >= CUSTOM | {"HorizontalPodAutoscaler", "Ingress", "NetworkPolicy", "PodDisruptionBudget"}
    assert {path.name for path in VALUES} == {path.name for path in (HERE / "golden").glob("*.yaml")}
