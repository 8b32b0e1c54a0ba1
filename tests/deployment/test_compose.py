"""What mlflow/compose.yaml says, before anything of it is started."""

import json
import re
import subprocess
import sys

import pytest

from tests import ROOT
from tests.deployment.compose import FILE, SECRETS, command, read_compose


@pytest.fixture
def services():
    return read_compose(SECRETS)["services"]


def test_it_is_a_compose_file():
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, FILE], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_image_is_of_one_version(services):
    images = [service["image"] for service in services.values() if "image" in service]
    images += re.findall(r"FROM (\S+)", FILE.read_text())

    assert len(images) == len(services)
    assert all(re.search(r":\d+\.\d+", image) for image in images), images


def test_no_secret_is_on_a_command_line_or_in_a_url(services):
    for service in services.values():
        told = json.dumps([command(service), service["healthcheck"], service.get("build")])
        assert not [secret for secret in SECRETS.values() if secret in told]
        for value in service["environment"].values():
            assert value in SECRETS.values() or not any(it in value for it in SECRETS.values())


def test_every_secret_has_to_be_chosen():
    for name in SECRETS:
        with pytest.raises(AssertionError, match=f"{name}: set it in mlflow/.env"):
            read_compose({key: text for key, text in SECRETS.items() if key != name})


def test_the_example_names_every_variable():
    named = set(re.findall(r"^(\w+)=", (ROOT / "mlflow" / "env.example").read_text(), re.M))

    assert named == set(re.findall(r"\$\{(\w+)", FILE.read_text()))


def test_services_wait_until_those_they_need_answer(services):
    for service in services.values():
        assert service["healthcheck"]["test"][0] == "CMD"
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_healthy", needed


def test_nothing_listens_beyond_this_machine_unless_somebody_says_so(services):
    ports = [port for service in services.values() for port in service["ports"]]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
