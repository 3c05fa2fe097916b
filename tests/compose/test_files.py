"""Checks of docker-compose.yml, the Dockerfile and `make env` that need no container engine."""

import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from docs.generators.settings import READERS
from services.runtime.settings import ProcessSettings
from services.store.encryption import Cipher
from tests.compose.commands import CommandError
from tests.compose.engine import (
    COMPOSE_FILE,
    ROOT,
    Engine,
    NoEngineError,
    provide_engine,
    read_public_images,
    start_stand_ins,
)

COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WITH_SETTINGS = {"poller": "poller", "mapper": "mapper", "writer": "writer", "init": "commands", "cli": "commands"}

KAFKA_FILES = {
    "KAFKA_SSL_CAFILE": "/run/kafka-ca.pem",
    "KAFKA_SSL_KEYFILE": "/run/kafka-key.pem",
    "KAFKA_SSL_CERTFILE": "/run/kafka-cert.pem",
}
"""Settings with files for an external Kafka, and where a container has them."""


def parse_seconds(duration: str) -> float:
    number = re.fullmatch(r"(?:\$\{[A-Z_]+:-)?(\d+)s}?", duration)
    assert number is not None, duration
    return float(number[1])


@pytest.mark.parametrize(("service", "reader"), WITH_SETTINGS.items())
def test_service_environment_contains_exactly_its_settings(service: str, reader: str) -> None:
    """A setting that Compose does not pass on would have no effect in a container."""
    names = {name.upper() for name in READERS[reader].model_fields}

    assert set(SERVICES[service]["environment"]) == names


def test_compose_file_has_no_defaults_of_its_own() -> None:
    """Defaults live in the code; the file sets only the secret and what applies between containers."""
    with_value = {
        name for service in WITH_SETTINGS for name, value in SERVICES[service]["environment"].items() if value
    }
    internal = {"KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URL", "HTTP_HOST", "HTTP_PORT", *KAFKA_FILES}

    assert with_value == {"ENCRYPTION_KEYS", *internal}


@pytest.mark.parametrize("service", WITH_SETTINGS)
def test_service_reaches_external_kafka_and_mongodb(service: str) -> None:
    """A service is in both networks, and sees the files for an external Kafka that the settings name."""
    definition = SERVICES[service]

    assert definition["networks"] == ["inside", "outside"]
    for setting, file in KAFKA_FILES.items():
        assert definition["environment"][setting] == f"${{{setting}:+{file}}}"
        assert f"${{{setting}:-/dev/null}}:{file}:ro" in definition["volumes"]


@pytest.mark.parametrize("service", ["poller", "mapper", "writer"])
def test_stop_grace_period_exceeds_the_graceful_timeout(service: str) -> None:
    """The engine must not kill a service that is still finishing its work."""
    graceful = ProcessSettings.model_fields["graceful_timeout_seconds"].default

    assert parse_seconds(SERVICES[service]["stop_grace_period"]) > graceful


@pytest.mark.parametrize("service", ["poller", "mapper", "writer"])
def test_service_can_be_scaled_and_restarts(service: str) -> None:
    """A fixed port or container name would prevent a second replica."""
    definition = SERVICES[service]

    assert "ports" not in definition
    assert "container_name" not in definition
    assert definition["restart"] == "unless-stopped"


@pytest.mark.parametrize("service", SERVICES)
def test_every_container_is_confined(service: str) -> None:
    """Containers have no capabilities, gain no privileges and write only to volumes."""
    definition = SERVICES[service]

    assert definition["cap_drop"] == ["ALL"]
    assert definition["security_opt"] == ["no-new-privileges:true"]
    assert definition.get("read_only", False) is (service != "kafka"), "the public image writes its own configuration"


def test_only_demo_sandboxes_publish_ports_on_loopback() -> None:
    """The control APIs of the sandboxes have no password, so only this machine may reach them."""
    published = {name: port for name, definition in SERVICES.items() for port in definition.get("ports", ())}

    assert published.keys() == {"sandbox-personio", "sandbox-declaree"}
    assert all(port.startswith("127.0.0.1:") for port in published.values())


def test_kafka_and_mongodb_are_in_the_internal_network_only() -> None:
    """Both servers require no password, so they are reachable from the other containers only."""
    for server in ("kafka", "mongo"):
        assert SERVICES[server]["networks"] == ["inside"]

    assert COMPOSE["networks"]["inside"] == {"internal": True}


@pytest.mark.parametrize("file", ["Dockerfile", "docker-compose.yml", "containers/stand-ins.sh"])
def test_no_file_names_a_package_index_or_a_registry(file: str) -> None:
    """The machine that builds chooses its package index and its registry."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    internal = ("mongodb://mongo:", "PLAINTEXT://", "http://sandbox-", "unix://")

    assert [line for line in lines if "://" in line and not any(word in line for word in internal)] == []
    assert [line for line in lines if "index-url" in line or "find-links" in line] == []


def test_dockerfile_and_compose_name_the_same_base_image() -> None:
    """Both ways to build give the same image."""
    (base,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)

    assert base in read_public_images()


def test_dockerfile_works_with_the_classic_builder() -> None:
    """Debian 12 packages no BuildKit."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")

    assert re.findall(r"^# *syntax|--mount|--chmod|--link|<<", text, re.MULTILINE) == []


# ---------------------------------------------------------------- the engine of `make compose-test`

MISSING_ENGINE = Engine({"DOCKER_HOST": "unix:///nowhere"})


def test_missing_engine_names_the_requirements() -> None:
    """The reason of the skipped tests names what a temporary engine requires."""
    with (
        pytest.raises(NoEngineError, match=r"no container engine .*needs Debian 12"),
        provide_engine(MISSING_ENGINE, None),
    ):
        pass


def test_failed_start_of_an_engine_is_an_error(tmp_path: Path) -> None:
    """If an engine can be started, its failure must not skip the tests; the started part is stopped."""
    script = tmp_path / "fails-to-start.sh"
    branches = f'env) echo STAND_INS={tmp_path} ;; start) exit 3 ;; stop) touch "$0.stopped" ;;'
    script.write_text(f"case $1 in {branches} esac\n", encoding="utf-8")

    with (
        pytest.raises(CommandError, match="start ended with 3"),
        provide_engine(MISSING_ENGINE, lambda: start_stand_ins(("sh", str(script)))),
    ):
        pass

    assert script.with_name(f"{script.name}.stopped").exists(), "the started part of the engine must be stopped"


# ---------------------------------------------------------------- make env


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that `make env` needs."""
    for name in ("Makefile", ".env.example"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make_env(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", "env"], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def read_settings(file: Path) -> dict[str, str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_make_env_writes_a_new_key_for_the_owner_only(folder: Path) -> None:
    """Each `.env` has a valid key of its own, and only the owner can read the file."""
    assert make_env(folder).returncode == 0

    settings = read_settings(folder / ".env")

    assert settings.keys() == {"ENCRYPTION_KEYS", "KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URL"}

    Cipher([SecretStr(settings["ENCRYPTION_KEYS"])])

    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600

    (folder / ".env").rename(folder / "first")
    make_env(folder)

    assert read_settings(folder / ".env")["ENCRYPTION_KEYS"] != settings["ENCRYPTION_KEYS"]


def test_make_env_never_overwrites_a_key(folder: Path) -> None:
    """A lost key makes all stored secrets unreadable."""
    (folder / ".env").write_text("ENCRYPTION_KEYS=the-only-one\n", encoding="utf-8")

    result = make_env(folder)

    assert result.returncode != 0
    assert ".env exists" in result.stderr
    assert (folder / ".env").read_text(encoding="utf-8") == "ENCRYPTION_KEYS=the-only-one\n"
