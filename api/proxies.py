"""Believe what a proxy in front says of a request (who asks, by which scheme and host), if the settings name it."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from tracker.collect.address import Network, client_of, is_trusted


class BehindProxies:
    """A WSGI application behind trusted proxies; for every other peer the headers stay what a stranger wrote."""

    def __init__(self, app: WSGIApplication, trusted: tuple[Network, ...]) -> None:
        self.app, self.trusted = app, trusted

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        peer = environ.get("REMOTE_ADDR", "")
        environ["minamoto.asked_by"] = peer, environ["wsgi.url_scheme"]
        if self.trusted and is_trusted(peer, self.trusted):
            environ["REMOTE_ADDR"] = client_of(peer, environ.get("HTTP_X_FORWARDED_FOR", ""), self.trusted)
            scheme, host = spoken_to(
                environ.get("HTTP_X_FORWARDED_PROTO", ""), environ.get("HTTP_X_FORWARDED_HOST", "")
            )
            environ["wsgi.url_scheme"] = scheme or environ["wsgi.url_scheme"]
            environ["HTTP_HOST"] = host or environ.get("HTTP_HOST", "")
        return self.app(environ, start_response)


def spoken_to(proto: str, host: str) -> tuple[str, str]:
    """Scheme and host that the proxy was asked with; each '' if its headers do not say."""
    scheme = proto.rpartition(",")[2].strip().lower()
    return scheme if scheme in ("http", "https") else "", host.rpartition(",")[2].strip()
