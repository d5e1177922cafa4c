"""The units: systemd's own words on them."""
import re
import shutil
import subprocess

import pytest

from services import ROOT

UNITS = ROOT / "systemd"
SERVICES = ["pixelfleet-dispatcher.service", "pixelfleet-worker@.service"]

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


@pytest.fixture(name="installed", scope="module")
def install(tmp_path_factory):
    """The units as `make install` puts them."""
    root = tmp_path_factory.mktemp("root")
    done = subprocess.run(["make", "-s", "--no-print-directory", "install", f"DESTDIR={root}", "prefix=/usr"], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return root


def unit_files(root):
    return {path.name: path for path in root.rglob("pixelfleet*") if path.suffix in (".service", ".target") and path.is_file()}


def test_install_puts_every_unit_in_place(installed):
    assert set(SERVICES) | {"pixelfleet.target"} <= set(unit_files(installed))


def test_systemd_analyze_verify_is_silent(installed, tmp_path):
    for path in unit_files(installed).values():
        text = path.read_text()
        # verify looks for the programs on this machine: show it where they were put
        (tmp_path / path.name).write_text(re.sub(r"^(Exec\w+=[-!+:@]*)/usr/", rf"\1{installed}/usr/", text, flags=re.M))
    names = [str(tmp_path / name) for name in (*SERVICES, "pixelfleet.target")]
    names = [name.replace("@.service", "@1.service") for name in names]
    shutil.copy(tmp_path / SERVICES[1], tmp_path / "pixelfleet-worker@1.service")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *names], capture_output=True, text=True, check=False)
    about_us = [line for line in done.stderr.splitlines() if "pixelfleet" in line]
    assert not about_us, "\n".join(about_us)


@pytest.mark.parametrize("service", SERVICES)
def test_the_exposure_is_at_most_2(installed, service):
    path = unit_files(installed)[service]
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(path)],
                          capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= 2.0, done.stdout
