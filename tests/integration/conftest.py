"""Fixtures: `fleet` starts nothing by itself; `running` has a dispatcher and a worker."""
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from fleet import Fleet  # noqa: E402 pylint: disable=wrong-import-position
from services import ROOT, Services, built  # noqa: E402 pylint: disable=wrong-import-position


def pytest_configure(config):
    """The tests' folders are in build/ and go with the run: pytest would leave them in /tmp."""
    if not config.option.basetemp:
        (ROOT / "build").mkdir(exist_ok=True)
        folder = tempfile.mkdtemp(prefix="pytest.", dir=ROOT / "build")
        config.option.basetemp = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(scope="session")
def services():
    for name in ("pixelfleet-dispatcher", "pixelfleet-worker", "pixelfleet-runner", "pixelfleet-infer", "pixelfleet"):
        assert os.access(built(name), os.X_OK), f"{built(name)} is not built: run make integration"
    with Services() as both:
        yield both


def administrate(services, statement):
    """On a connection of its own: a test may have restarted the server."""
    connection = services.postgres.connect("postgres")
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


@pytest.fixture(name="fleet")
def make_fleet(services, request, tmp_path):
    """A fleet on a fresh database and an empty Redis."""
    database = "t_" + secrets.token_hex(6)
    administrate(services, f"CREATE DATABASE {database}")
    services.redis.client().flushall()
    logs = ROOT / os.environ.get("TEST_LOGS", "build/test-logs") / "integration" / re.sub(r"[^\w.-]", "_", request.node.name)
    shutil.rmtree(logs, ignore_errors=True)
    fleet = Fleet(services, database, tmp_path, logs)
    try:
        yield fleet
        fleet.close()
    finally:
        fleet.kill()
        administrate(services, f"DROP DATABASE {database} WITH (FORCE)")


@pytest.fixture
def running(fleet):
    fleet.start_dispatcher()
    fleet.start_worker()
    return fleet


@pytest.fixture
def photographs(fleet):
    """Real photographs, copied to where submissions may name them."""
    from pictures import nature
    return nature(fleet.pictures)


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory):
    """The small models of tests/data/make_models.py, each in its directory; made in a quarter of a second."""
    folder = tmp_path_factory.mktemp("models")
    subprocess.run(["/usr/bin/python3", "-B", str(ROOT / "tests" / "data" / "make_models.py"), str(folder)], check=True)
    return folder


@pytest.fixture
def with_models(fleet, models_dir):
    """A fleet whose programs find the small models; nothing is started."""
    fleet.settings["PIXELFLEET_MODELS_DIR"] = models_dir
    return fleet
