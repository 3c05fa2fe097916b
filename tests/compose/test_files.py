"""What can be said of docker-compose.yml, the Dockerfile and `make env` without a container engine."""

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
from tests.compose.engine import COMPOSE_FILE, ROOT, Engine, NoEngineError, own_engine, public_images, usable_engine

COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WITH_SETTINGS = {"poller": "poller", "mapper": "mapper", "writer": "writer", "init": "commands", "cli": "commands"}


def seconds(duration: str) -> float:
    number = re.fullmatch(r"(?:\$\{[A-Z_]+:-)?(\d+)s}?", duration)
    assert number is not None, duration
    return float(number[1])


@pytest.mark.parametrize(("service", "reader"), WITH_SETTINGS.items())
def test_a_service_is_handed_exactly_the_settings_that_it_reads(service: str, reader: str) -> None:
    read = {name.upper() for name in READERS[reader].model_fields}
    assert set(SERVICES[service]["environment"]) == read


def test_what_is_only_handed_on_has_no_default_in_the_file() -> None:
    """Defaults live in one place, the code; what is given here holds between containers alone, or is the secret."""
    given = {name for service in WITH_SETTINGS for name, value in SERVICES[service]["environment"].items() if value}
    between = {"KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URL", "HTTP_HOST", "HTTP_PORT", "KAFKA_SSL_CAFILE"}
    assert given == {"ENCRYPTION_KEYS", *between}


@pytest.mark.parametrize("service", WITH_SETTINGS)
def test_whatever_asks_kafka_and_mongodb_reaches_those_of_ones_own_too(service: str) -> None:
    """And has the certificates of theirs where its setting says, which is empty where there are none."""
    found = SERVICES[service]
    assert found["networks"] == ["inside", "outside"]
    assert found["environment"]["KAFKA_SSL_CAFILE"] == "${KAFKA_SSL_CAFILE:+/run/kafka-ca.pem}"
    assert found["volumes"] == ["${KAFKA_SSL_CAFILE:-/dev/null}:/run/kafka-ca.pem:ro"]


@pytest.mark.parametrize("service", ["poller", "mapper", "writer"])
def test_a_service_is_given_longer_to_stop_than_its_work_may_take(service: str) -> None:
    graceful = ProcessSettings.model_fields["graceful_timeout_seconds"].default
    assert seconds(SERVICES[service]["stop_grace_period"]) > graceful


@pytest.mark.parametrize("service", ["poller", "mapper", "writer"])
def test_a_service_can_be_scaled_and_comes_back(service: str) -> None:
    found = SERVICES[service]
    assert "ports" not in found
    assert "container_name" not in found
    assert found["restart"] == "unless-stopped"


@pytest.mark.parametrize("service", SERVICES)
def test_every_container_is_confined(service: str) -> None:
    found = SERVICES[service]
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert found.get("read_only", False) is (service != "kafka"), "the public image writes its own configuration"


def test_ports_are_published_on_this_machine_alone_and_by_the_demo_alone() -> None:
    published = {name: port for name, found in SERVICES.items() for port in found.get("ports", ())}
    assert published.keys() == {"sandbox-personio", "sandbox-declaree"}
    assert all(port.startswith("127.0.0.1:") for port in published.values())


def test_kafka_and_mongodb_are_in_a_network_without_a_way_out() -> None:
    for server in ("kafka", "mongo"):
        assert SERVICES[server]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}


@pytest.mark.parametrize("file", ["Dockerfile", "docker-compose.yml", "containers/stand-ins.sh"])
def test_no_file_names_a_package_index_or_a_registry(file: str) -> None:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    inside = ("mongodb://mongo:", "PLAINTEXT://", "http://sandbox-", "unix://")
    assert [line for line in lines if "://" in line and not any(word in line for word in inside)] == []
    assert [line for line in lines if "index-url" in line or "find-links" in line] == []


def test_the_dockerfile_and_compose_name_the_same_public_base() -> None:
    (base,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert base in public_images()


def test_the_dockerfile_uses_nothing_that_the_classic_builder_lacks() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^# *syntax|--mount|--chmod|--link|<<", text, re.MULTILINE) == []


# ---------------------------------------------------------------- the engine of `make compose-test`

NOWHERE = Engine({"DOCKER_HOST": "unix:///nowhere"})


def test_where_no_engine_can_be_made_it_is_said_what_is_missing() -> None:
    with pytest.raises(NoEngineError, match=r"no container engine .*takes Debian 12"), usable_engine(NOWHERE, None):
        pass


def test_where_an_engine_can_be_made_not_to_make_it_is_an_error(tmp_path: Path) -> None:
    script = tmp_path / "fails-to-start.sh"
    branches = f'env) echo STAND_INS={tmp_path} ;; start) exit 3 ;; stop) touch "$0.stopped" ;;'
    script.write_text(f"case $1 in {branches} esac\n", encoding="utf-8")
    with (
        pytest.raises(CommandError, match="start ended with 3"),
        usable_engine(NOWHERE, lambda: own_engine(("sh", str(script)))),
    ):
        pass
    assert script.with_name(f"{script.name}.stopped").exists(), "what has started of it is stopped all the same"


# ---------------------------------------------------------------- make env


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("Makefile", ".env.example"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make_env(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", "env"], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def settings_in(file: Path) -> dict[str, str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_make_env_writes_settings_with_a_fresh_key_that_only_the_owner_reads(folder: Path) -> None:
    assert make_env(folder).returncode == 0
    written = settings_in(folder / ".env")
    assert written.keys() == {"ENCRYPTION_KEYS", "KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URL"}
    Cipher([SecretStr(written["ENCRYPTION_KEYS"])])
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600

    (folder / ".env").rename(folder / "first")
    make_env(folder)
    assert settings_in(folder / ".env")["ENCRYPTION_KEYS"] != written["ENCRYPTION_KEYS"]


def test_make_env_never_overwrites_a_key(folder: Path) -> None:
    (folder / ".env").write_text("ENCRYPTION_KEYS=the-only-one\n", encoding="utf-8")
    said = make_env(folder)
    assert said.returncode != 0
    assert ".env exists" in said.stderr
    assert (folder / ".env").read_text(encoding="utf-8") == "ENCRYPTION_KEYS=the-only-one\n"
