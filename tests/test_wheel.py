"""The wheel, installed as a customer would, from a folder that holds other people's `api` and `tracker`.

It needs no network: the new environment sees the packages of this one behind its own.
"""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from api.website.snippet import compose

ROOT = Path(__file__).parents[1]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]

GET = """
import json, sys
from api import create_app
from tracker.config import Settings

browser = create_app(Settings()).test_client()
answers = {path: browser.get(path) for path in sys.argv[1:]}
print(json.dumps({path: [answer.status_code, answer.mimetype, answer.text] for path, answer in answers.items()}))
"""


def run(command: list[str | Path], cwd: Path, **variables: str) -> str:
    """What the command printed; it may see no path of the checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MINAMOTO"))}
    done = subprocess.run(
        command, cwd=cwd, env={**kept, **variables}, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder], cwd=ROOT)
    (built,) = folder.glob("minamoto-*.whl")
    return built


@pytest.fixture(scope="module")
def programs(wheel, tmp_path_factory) -> Path:
    """The folder with `python` and `minamoto` of an environment where the wheel is installed."""
    home = tmp_path_factory.mktemp("customer")
    venv.create(home, with_pip=False, symlinks=True)
    here = {"base": str(home), "platbase": str(home)}
    # A path in a .pth file comes last, and the .pth files in it are not read: no editable install is seen.
    Path(sysconfig.get_path("purelib", "venv", here), "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    installed = Path(sysconfig.get_path("scripts", "venv", here))
    options = "--quiet --no-index --no-deps --ignore-installed".split()
    run([sys.executable, "-m", "pip", "--python", installed / "python", "install", *options, wheel], cwd=home)
    return installed


@pytest.fixture
def elsewhere(tmp_path) -> Path:
    for decoy in ("api", "tracker"):
        (tmp_path / decoy).mkdir()
        (tmp_path / decoy / "__init__.py").write_text(f"raise SystemExit('took the wrong {decoy}')\n")
    return tmp_path


def test_the_wheel_has_every_file_of_the_product(wheel):
    listed = subprocess.run(
        ["git", "ls-files", "tracker", "api", "static"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    wanted = {
        f"tracker/{name}" if name.startswith("static/") else name
        for name in listed
        if not name.startswith("static/vendor/build/") and not name.endswith(".gitignore") and (ROOT / name).exists()
    }
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert wanted - packed == set()
    assert {name for name in packed if "node_modules" in name or "__pycache__" in name} == set()


def test_nobody_else_owns_the_names_of_our_packages(programs, elsewhere):
    owners = "from importlib.metadata import packages_distributions as p; print(set(p()['api'] + p()['tracker']))"
    assert run([programs / "python", "-P", "-c", owners], cwd=elsewhere) == "{'minamoto'}\n"


def test_the_command_starts_beside_a_decoy(programs, elsewhere):
    assert "serve" in run([programs / "minamoto", "--help"], cwd=elsewhere)


def test_it_serves_snippet_and_pages_beside_a_decoy(programs, elsewhere):
    database = f"sqlite:///{elsewhere}/minamoto.sqlite3"
    run([programs / "minamoto", "db", "upgrade"], cwd=elsewhere, MINAMOTO_DATABASE_URL=database)
    script = [programs / "python", "-P", "-c", GET, "/m.js", "/login"]
    answers = json.loads(run(script, cwd=elsewhere, MINAMOTO_DATABASE_URL=database))
    assert answers["/m.js"] == [200, "text/javascript", compose(str(ROOT / "static"), {}, []).decode()]
    status, kind, page = answers["/login"]
    assert (status, kind) == (200, "text/html")
    assert "<form" in page
