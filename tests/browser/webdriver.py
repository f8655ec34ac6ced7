"""A client of the W3C's WebDriver protocol, as small as the gallery needs it: https://www.w3.org/TR/webdriver2/"""

from typing import Any

import requests

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
SHADOW = "shadow-6066-11e4-a52e-4f735466cecf"
PATIENCE_S = 60


class DriverError(Exception):
    """The driver has refused a command; its own words."""


class Session:
    """One browser behind a driver.

    driver  the driver's address, http://127.0.0.1:PORT
    wanted  the capabilities that the browser must have
    """

    def __init__(self, driver: str, wanted: dict[str, Any]) -> None:
        self.http = requests.Session()
        self.http.trust_env = False  # no proxy stands between us and this machine
        self.base = f"{driver}/session"
        begun = self.ask("POST", "", {"capabilities": {"alwaysMatch": wanted}})
        self.base += f"/{begun['sessionId']}"

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send one command and give its value; raises DriverError."""
        told = {} if body is None and method == "POST" else body
        value = self.http.request(method, self.base + path, json=told, timeout=PATIENCE_S).json()["value"]
        if isinstance(value, dict) and "error" in value:
            raise DriverError(f"{value['error']}: {value.get('message')}")
        return value

    def go(self, address: str) -> None:
        self.ask("POST", "/url", {"url": address})

    def run(self, script: str, *values: Any) -> Any:
        """What the script returns; an element in it is of use to the other functions here."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(values)})

    def find(self, selector: str, within: dict[str, str] | None = None) -> dict[str, str]:
        """The first element that fits, in the page, or in another's shadow tree; raises DriverError."""
        place = "" if within is None else f"/shadow/{within[SHADOW]}"
        found: dict[str, str] = self.ask("POST", f"{place}/element", {"using": "css selector", "value": selector})
        return found

    def shadow(self, element: dict[str, str]) -> dict[str, str]:
        found: dict[str, str] = self.ask("GET", f"/element/{element[ELEMENT]}/shadow")
        return found

    def enter(self, frame: dict[str, str] | None) -> None:
        """Speak to this frame from now on; None: to the whole page."""
        self.ask("POST", "/frame", {"id": frame})

    def type(self, element: dict[str, str], text: str) -> None:
        self.ask("POST", f"/element/{element[ELEMENT]}/value", {"text": text})

    def act(self, kind: str, *actions: dict[str, Any], **more: Any) -> None:
        """One device's actions, in order: kind is `key` or `pointer`."""
        self.ask("POST", "/actions", {"actions": [{"type": kind, "id": kind, "actions": list(actions), **more}]})

    def windows(self) -> list[str]:
        handles: list[str] = self.ask("GET", "/window/handles")
        return handles

    def end(self) -> None:
        self.ask("DELETE", "")
        self.http.close()
