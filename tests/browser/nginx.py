"""A real nginx for the tests of this folder: a site's own web server, which hands two addresses on to a collector.

It runs in one process without privileges, in a temporary folder, on two ports of its own: http and https (with a
certificate that it signs itself). The binary is Debian's, or the one that MINAMOTO_TEST_NGINX names.
"""

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
CONFIG = """
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{http};
    listen 127.0.0.1:{https} ssl;
    ssl_certificate cert.pem;
    ssl_certificate_key key.pem;
    location / {{
      proxy_pass {site};
    }}
    {block}
  }}
}}
"""


def nginx_path() -> str:
    """Where nginx is; skips the test if the machine has none, fails it in CI."""
    named = os.environ.get("MINAMOTO_TEST_NGINX")
    path = named or shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None or shutil.which("openssl") is None:
        missing = "no nginx here: apt-get install nginx openssl, or name one in MINAMOTO_TEST_NGINX"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    return path


def block_of(page: str, heading: str) -> str:
    """The first code block under a heading of a page of docs/, as it stands there."""
    text = (DOCS / page).read_text(encoding="utf-8")
    match = re.search(rf"^### {heading}\n.*?^```{heading}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert match, f"no block for {heading} on {page}"
    return match[1]


class Nginx:
    """The site's server: all pages from `site`, and what `block` hands on to the collector."""

    def __init__(self, folder: Path, *, site: str, block: str) -> None:
        self.folder = folder
        with socket.socket() as one, socket.socket() as other:
            for each in (one, other):
                each.bind(("127.0.0.1", 0))
            self.ports = {"http": one.getsockname()[1], "https": other.getsockname()[1]}
        config = CONFIG.format(**self.ports, site=site, block=block)
        (folder / "nginx.conf").write_text(config, encoding="utf-8")
        command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -keyout key.pem -out cert.pem"
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
        self.process = subprocess.Popen(
            [nginx_path(), "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"], stderr=subprocess.DEVNULL
        )
        while not self.answers():
            assert self.process.poll() is None, (folder / "error.log").read_text(encoding="utf-8")

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.ports["https"]), 20).close()
        except ConnectionRefusedError:
            return False
        return True

    def at(self, path: str = "/", scheme: str = "http", host: str = "www.shop.test") -> str:
        return f"{scheme}://{host}:{self.ports[scheme]}{path}"

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)
