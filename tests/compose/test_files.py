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

from docs.generators.settings import READERS, list_settings
from services.contracts.topics import ROLES as TOPIC_ROLES
from services.runtime.kafka.rights import USERS
from services.runtime.settings import ProcessSettings
from services.store.encryption import Cipher
from services.store.users import ADMIN, ROLES
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
SECRET_SETTINGS = {setting.name for setting in list_settings() if setting.secret}
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
    """A setting that Compose does not pass on would have no effect in a container. Secrets come from files."""
    names = {name.upper() for name in READERS[reader].model_fields}

    assert set(SERVICES[service]["environment"]) == {
        f"{name}_FILE" if name in SECRET_SETTINGS else name for name in names
    }


@pytest.mark.parametrize("service", SERVICES)
def test_environment_contains_no_secret(service: str) -> None:
    """The engine shows the environment of a container to its users, and other programs log it."""
    environment = SERVICES[service].get("environment", {})
    texts = [str(SERVICES[service].get("command")), *map(str, environment.values())]

    assert environment.keys() & SECRET_SETTINGS == set()
    assert [text for text in texts if re.search(r"(?i)\$\{[A-Z_]*(PASSWORD|SECRET|TOKEN|KEYS?|URL)\b", text)] == []


def test_compose_file_has_no_defaults_of_its_own() -> None:
    """Defaults live in the code; the file sets only what applies between containers."""
    with_value = {
        name
        for service in WITH_SETTINGS
        if service != "init"
        for name, value in SERVICES[service]["environment"].items()
        if value
    }
    kafka = {"KAFKA_BOOTSTRAP_SERVERS", "KAFKA_SECURITY_PROTOCOL", "KAFKA_SASL_USERNAME", *KAFKA_FILES}

    assert with_value == {*kafka, "HTTP_HOST", "HTTP_PORT", *(f"{name}_FILE" for name in SECRET_SETTINGS)}


@pytest.mark.parametrize("service", ["poller", "mapper", "writer", "cli"])
def test_service_has_the_passwords_of_its_own_user_only(service: str) -> None:
    """A service that is broken into must not act as another one."""
    sources = [secret if isinstance(secret, str) else secret["source"] for secret in SERVICES[service]["secrets"]]
    shared = {"encryption_keys"} if service == "cli" else {"encryption_keys", "http_token"}

    assert SERVICES[service]["environment"]["KAFKA_SASL_USERNAME"] == f"${{KAFKA_SASL_USERNAME:-{service}}}"
    assert set(sources) == {*shared, f"kafka_{service}", f"mongodb_{service}"}


@pytest.mark.parametrize("service", ["poller", "mapper", "writer", "cli"])
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


@pytest.mark.parametrize("service", SERVICES)
def test_every_container_has_bounds(service: str) -> None:
    """A container that grows or logs without end must not stop the others on the machine."""
    definition = SERVICES[service]

    assert definition["mem_limit"]
    assert definition["pids_limit"]
    assert definition["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}


def test_only_demo_sandboxes_publish_ports_on_loopback() -> None:
    """The control APIs of the sandboxes have no password, so only this machine may reach them."""
    published = {name: port for name, definition in SERVICES.items() for port in definition.get("ports", ())}

    assert published.keys() == {"sandbox-personio", "sandbox-declaree"}
    assert all(port.startswith("127.0.0.1:") for port in published.values())


def test_kafka_and_mongodb_are_in_the_internal_network_only() -> None:
    """Other containers of the machine do not even reach the ports."""
    for server in ("kafka", "mongo"):
        assert SERVICES[server]["networks"] == ["inside"]

    assert COMPOSE["networks"]["inside"] == {"internal": True}


@pytest.mark.parametrize("file", ["Dockerfile", "docker-compose.yml", "containers/stand-ins.sh"])
def test_no_file_names_a_package_index_or_a_registry(file: str) -> None:
    """The machine that builds chooses its package index and its registry."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    internal = ("INSIDE://", "http://sandbox-", "unix://")

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
    (tmp_path / "containers").mkdir()
    shutil.copy(ROOT / "containers" / "make-env.sh", tmp_path / "containers")
    return tmp_path


def make_env(folder: Path) -> None:
    subprocess.run(["make", "env"], cwd=folder, capture_output=True, text=True, timeout=60, check=True)


def read_settings(file: Path) -> dict[str, str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def read_secrets(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8") for file in (folder / ".secrets").iterdir()}


def test_make_env_writes_every_secret_of_the_containers(folder: Path) -> None:
    """Compose needs each file that it names, and `.env` says where they are."""
    make_env(folder)

    paths = [secret["file"].rpartition("/")[2] for secret in COMPOSE["secrets"].values()]

    assert sorted(read_secrets(folder)) == sorted(paths) == sorted(COMPOSE["secrets"])
    assert read_settings(folder / ".env")["SECRETS_FOLDER"] == ".secrets"


def test_every_user_has_a_password(folder: Path) -> None:
    """The commands that create users expect these files, and a service of a topic needs a user in both servers."""
    make_env(folder)
    services = {name for role in TOPIC_ROLES.values() for name in (*role.written_by, *role.read_by)} & set(SERVICES)
    secrets = read_secrets(folder).keys()

    assert services | {"cli"} == set(USERS)
    assert {name for name in secrets if name.startswith("kafka_")} == {f"kafka_{user}" for user in (ADMIN, *USERS)}
    assert {name for name in secrets if name.startswith("mongodb_")} == {
        "mongodb_keyfile",
        *(f"mongodb_{user}" for user in (ADMIN, *ROLES)),
    }


def test_make_env_keeps_secrets_out_of_the_settings(folder: Path) -> None:
    """`.env` can be shown to a colleague; nothing in it has to be kept secret."""
    make_env(folder)

    assert read_settings(folder / ".env").keys() == {"SECRETS_FOLDER", "KAFKA_BOOTSTRAP_SERVERS"}
    assert not any(secret in (folder / ".env").read_text(encoding="utf-8") for secret in read_secrets(folder).values())


def test_secrets_are_readable_for_their_owner_only(folder: Path) -> None:
    """Other users cannot enter the folder. Containers mount single files, as users of their own."""
    make_env(folder)
    files = list((folder / ".secrets").iterdir())

    assert stat.S_IMODE((folder / ".secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o444}
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


def test_every_password_differs(folder: Path) -> None:
    """A password that two users share, or that two installations share, would let one act as the other."""
    make_env(folder)
    first = read_secrets(folder)
    (folder / ".secrets").rename(folder / "first")
    make_env(folder)
    both = [*first.items(), *read_secrets(folder).items()]
    passwords = [
        re.sub(r"^mongodb://\w+:(.+)@.*$", r"\1", secret) for name, secret in both if not name.endswith(".yaml")
    ]

    assert len(set(passwords)) == len(passwords)
    assert min(map(len, passwords)) >= 43


def test_make_env_writes_a_valid_encryption_key(folder: Path) -> None:
    """A new installation starts without editing a file."""
    make_env(folder)

    Cipher([SecretStr(read_secrets(folder)["encryption_keys"])])


def test_make_env_writes_addresses_of_mongodb(folder: Path) -> None:
    """The addresses have the names of the users and of the container; backup programs get theirs in their own form."""
    make_env(folder)
    secrets = read_secrets(folder)

    for user in ("admin", *ROLES):
        assert re.fullmatch(rf"mongodb://{user}:[\w-]+@mongo:27017/\?replicaSet=rs0", secrets[f"mongodb_{user}"])
    assert yaml.safe_load(secrets["mongodump.yaml"]) == {"uri": secrets["mongodb_backup"]}
    assert yaml.safe_load(secrets["mongorestore.yaml"]) == {"uri": secrets["mongodb_admin"]}


def test_repeated_make_env_keeps_every_secret(folder: Path) -> None:
    """A lost encryption key makes all stored credentials unreadable. A deleted file gets a new password."""
    make_env(folder)
    (folder / ".env").write_text("POLL_INTERVAL_SECONDS=60\n", encoding="utf-8")
    first = read_secrets(folder)
    (folder / ".secrets" / "kafka_mapper").unlink()

    make_env(folder)

    second = read_secrets(folder)

    assert {name for name in first if first[name] != second[name]} == {"kafka_mapper"}
    assert (folder / ".env").read_text(encoding="utf-8") == "POLL_INTERVAL_SECONDS=60\n"
