"""mlflow/compose.yaml as Docker Compose reads it."""

import os
import re

import yaml

from tests import ROOT

FILE = ROOT / "mlflow" / "compose.yaml"
SECRETS = {
    name: f"{name.lower()}-of-the-test"
    for name in ("POSTGRES_PASSWORD", "OBJECTS_PASSWORD", "ADMIN_PASSWORD", "COOKIE_SECRET")
}


def read_compose(environment):
    """Return the file with its variables put in: ``${NAME:?why}``, ``${NAME:-default}``."""

    def value(found):
        name, kind, more = found["name"], found["kind"], found["more"]
        assert environment.get(name) or kind != "?", f"{name}: {more}"
        return environment.get(name) or more or ""

    variable = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[?-])(?P<more>[^}]*))?\}")
    return yaml.safe_load(variable.sub(value, FILE.read_text()))


def command(service):
    """Return what a service starts, as far as the file says it."""
    return [*service.get("entrypoint", ()), *service.get("command", ())]


def environment(service):
    """Return a service's environment, and where its programs are found."""
    return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **service["environment"]}
