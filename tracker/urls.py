"""(pure) An arrival: what the address of a page and its referrer tell about where a visitor came from.

Reads campaign tags, click ids and the outside referrer out of two strings that strangers wrote, cleans them
and bounds their length. Decides nothing about channels (channels/rules.py does) or visits (visits/boundary.py
does). Called while hits are folded into visits, and by the log import. Nothing in here raises for any text.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

URL_LIMIT = 2_048
PAGE_LIMIT = 512
TAG_LIMIT = 255
CLICK_ID_LIMIT = 512
HOST_LIMIT = 253  # RFC 1035
RAW_LIMIT = 16_384  # tags behind this many characters of a URL are not read
MOST_PARAMETERS = 1_000

ABSENT = frozenset({"null", "undefined", "(not set)"})

# What cannot be seen: controls, format characters (zero width, bidirectional overrides, tags), fillers,
# variation selectors, surrogates and noncharacters: Unicode 14, categories Cc Cf Cs and
# Default_Ignorable_Code_Point. White space stays here; it becomes one space.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160"
    "\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ud800-\udfff\ufdd0-\ufdef"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000))
    + "]"
)
_SPACES = re.compile(r"\s+")
_LINE_ENDS = re.compile(r"[\t\r\n]")


@dataclass(frozen=True, slots=True)
class ClickParam:
    """A URL parameter that an ad network, an affiliate network or a mailing tool adds to a link.

    param    name as platforms write it, lower-case
    network  whose it is, in the words of channels/sources.csv
    paid     True if only clicks on ads carry it; False: it names the network, but proves no ad
    medium   the medium of such an arrival when no tag says one
    """

    param: str
    network: str
    paid: bool
    medium: str


# Order: the strongest first; the first one present decides. From the platforms' help pages, read 2026-11.
_PAID = """
gclid google cpc | gbraid google cpc | wbraid google cpc | gclsrc google cpc | gad_source google cpc
gad_campaignid google cpc | msclkid bing cpc | yclid yandex cpc | yjr_yjad yahoo display | ldtag_cl line cpc
li_fat_id linkedin cpc | ttclid tiktok cpc | twclid x cpc | sccid snapchat cpc | rdt_cid reddit cpc
epik pinterest cpc | qclid quora cpc | oppref chatgpt cpc | sznclid seznam cpc | tblci taboola cpc
dicbo outbrain cpc | hsa_net hubspot cpc | hsa_cam hubspot cpc | dclid dv360 cpm
"""
_UNPAID = """
irclickid impact affiliate | awc awin affiliate | cjevent cj affiliate | a8 a8.net affiliate
tduid tradedoubler affiliate | sscid shareasale affiliate | ransiteid linksynergy affiliate
mc_cid mailchimp email | mc_eid mailchimp email | _hsenc hubspot email | _hsmi hubspot email
_kx klaviyo email | _ke klaviyo email | mkt_tok marketo email | vero_id vero email
ml_subscriber mailerlite email | dm_i dotdigital email | elqtrackid eloqua email | sfmc_sub salesforce email
fbclid facebook social | igshid instagram social | igsh instagram social | srsltid google organic
"""


def _click_params(text: str, paid: bool) -> list[ClickParam]:
    rows = [row.split() for row in text.replace("|", "\n").splitlines() if row.strip()]
    return [ClickParam(param, network, paid, medium) for param, network, medium in rows]


CLICK_IDS: Mapping[str, ClickParam] = MappingProxyType(
    {each.param: each for each in (*_click_params(_PAID, paid=True), *_click_params(_UNPAID, paid=False))}
)

# HubSpot names the network in the value: docs of "HubSpot ads tracking", read 2026-11.
_HSA_NETWORKS = {"adwords": "google", "facebook": "facebook", "linkedin": "linkedin", "bing": "bing"}


def click_param(param: str, value: str) -> ClickParam | None:
    """The network and the proof behind one click id, or None for a parameter that is none.

    Two parameters say more in their value. `yclid` is shared: Yahoo! JAPAN's begin with 'YSS.' (search ads)
    or 'YJAD.' (display ads), Yandex's are digits. `hsa_net` is the network's name.
    """
    found = CLICK_IDS.get(param)
    if found is None:
        return None
    if param == "yclid" and not value.isdigit():
        return ClickParam(param, "yahoo", True, "display" if value[:5].upper() == "YJAD." else "cpc")
    if param == "hsa_net" and value.lower() in _HSA_NETWORKS:
        return ClickParam(param, _HSA_NETWORKS[value.lower()], True, "cpc")
    return found


# Payment and log-in pages that visitors come back from: they have sent nobody. A host means its subdomains
# too; with a path, only the pages below it.
EXCLUDED_REFERRERS: frozenset[str] = frozenset(
    """
    paypal.com braintreegateway.com checkout.stripe.com buy.stripe.com hooks.stripe.com pay.stripe.com
    js.stripe.com invoice.stripe.com billing.stripe.com verify.stripe.com komoju.com mul-pay.jp gmo-pg.com
    gmopg.jp epsilon.jp sps-system.com sbpayment.jp paypay.ne.jp payments.amazon.com payments.amazon.co.jp
    pay.amazon.com pay.amazon.co.jp payments-jp.amazon.com apay-us.amazon.com amazon.com/ap
    amazon.co.jp/ap checkout.rakuten.co.jp pay.rakuten.co.jp id.rakuten.co.jp login.account.rakuten.com
    access.line.me pay.line.me web-pay.line.me payment.smt.docomo.ne.jp id.smt.docomo.ne.jp
    cfg.smt.docomo.ne.jp id.auone.jp connect.auone.jp pay.auone.jp id.my.softbank.jp bill.mb.softbank.jp
    merpay.com paidy.com atone.be np-atobarai.jp np-kakebarai.com veritrans.co.jp dgft.jp e-scott.jp
    cardservice.co.jp j-payment.co.jp telecomcredit.co.jp pay.jp wallet.yahoo.co.jp payment.yahoo.co.jp
    connect.squareup.com checkout.square.site squareup.com/checkout squareup.com/login adyen.com
    klarna.com afterpay.com affirm.com mollie.com worldpay.com checkout.com 2checkout.com authorize.net
    cybersource.com sofort.com razorpay.com securegw.paytm.in payu.com mercadopago.com przelewy24.pl
    alipay.com tenpay.com pay.weixin.qq.com cardinalcommerce.com arcot.com pay.google.com pay.shopify.com
    checkout.shopify.com accounts.google.com accounts.youtube.com login.microsoftonline.com
    login.microsoft.com login.live.com b2clogin.com appleid.apple.com idmsa.apple.com account.apple.com
    login.yahoo.co.jp auth.login.yahoo.co.jp login.yahoo.com auth0.com okta.com oktapreview.com
    okta-emea.com onelogin.com amazoncognito.com facebook.com/login facebook.com/login.php
    facebook.com/dialog api.twitter.com/oauth api.x.com/oauth x.com/i/oauth2 twitter.com/i/oauth2
    linkedin.com/oauth github.com/login github.com/session
    """.split()
)

_URL = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?//([^/?#\\]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
# The usual start of an address, where nothing has to be cleaned before the host can be read.
_PLAIN_START = re.compile(r"https?://([A-Za-z0-9.:-]+)(?=[/?#]|\Z)")
_PATH = re.compile(r"([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?!\d)")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")
_SERVER_SESSION = re.compile(r";(?:jsessionid|phpsessid|aspsessionid\w*)=[^/;]*", re.IGNORECASE)
_HALF_ESCAPE = re.compile(r"%[0-9A-Fa-f]?$")
_UTM = frozenset({"utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "utm_id"})
_WANTED = _UTM | frozenset(CLICK_IDS)
_NO_TAGS: dict[str, str] = {}
_STRENGTH = {param: place for place, param in enumerate(CLICK_IDS)}


class _Url(NamedTuple):
    scheme: str  # lower-case; '' when there is none
    host: str  # lower-case, no port, with a leading 'www.'; '' when unknown or not a host name
    authority: str  # host with its port, without user name and password
    path: str
    query: str
    fragment: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where a visitor came from, as far as the page's URL and the referrer tell.

    host            landing host: lower-case, no port, no leading 'www.'; '' if unknown
    landing_page    path only, begins with one '/', at most 512 characters
    landing_url     without fragment, user name and invisible characters, at most 2,048; '' if no web address
    utm_*           the tag as written (case kept), trimmed, visible characters only, at most 255; None when
                    absent, empty, 'null', 'undefined' or '(not set)'. utm_campaign falls back to utm_id
    click_ids       (parameter in lower-case, value as written, at most 512), strongest first, each once
    referrer        cleaned URL of the page before, at most 2,048; None when absent, own or excluded
    referring_host  its host, lower-case, no leading 'www.'; 'android-app://…' for an app; None as `referrer`
    """

    host: str
    landing_page: str
    landing_url: str
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None
    utm_term: str | None
    utm_content: str | None
    click_ids: tuple[tuple[str, str], ...]
    referrer: str | None
    referring_host: str | None

    @property
    def tagged(self) -> bool:
        """True if any utm_* tag is present."""
        return bool(self.utm_source or self.utm_medium or self.utm_campaign or self.utm_term or self.utm_content)

    @property
    def starts_visit(self) -> bool:
        """True if it brings campaign data (any utm_*, a click id) or an outside referrer."""
        return self.tagged or bool(self.click_ids) or self.referrer is not None

    @property
    def campaign_key(self) -> tuple[object, ...]:
        """Equal for two arrivals with the same tags and click ids: a reload is no new campaign."""
        return (
            self.utm_source,
            self.utm_medium,
            self.utm_campaign,
            self.utm_term,
            self.utm_content,
            self.click_ids,
        )


def read_arrival(
    url: str,
    referrer: str | None,
    own_hosts: frozenset[str] | Sequence[str],
    excluded_referrers: frozenset[str] = EXCLUDED_REFERRERS,
) -> Arrival:
    """What a page's address and its referrer tell about where the visitor came from.

    url                 the page's address; a bare path is read too (a web server's log)
    referrer            the page before, or None
    own_hosts           the site's hosts; they and their subdomains, with or without 'www.', refer nobody
    excluded_referrers  'host' or 'host/path': they and what is below refer nobody
    A referrer on the landing page's own host is internal, whatever that host is; tags still count.
    """
    page = _split(url)
    tags, click_ids = _campaign(page) if page.query or page.fragment else (_NO_TAGS, ())
    outside, outside_host = (None, None)
    if referrer:
        own = own_hosts if isinstance(own_hosts, (tuple, frozenset)) else tuple(own_hosts)
        outside, outside_host = _outside(referrer, page.host, own, excluded_referrers)
    return Arrival(
        host=_plain(page.host),
        landing_page=_page_of(page.path),
        landing_url=_rejoin(page),
        utm_source=tags.get("utm_source"),
        utm_medium=tags.get("utm_medium"),
        utm_campaign=tags.get("utm_campaign", tags.get("utm_id")),
        utm_term=tags.get("utm_term"),
        utm_content=tags.get("utm_content"),
        click_ids=click_ids,
        referrer=outside,
        referring_host=outside_host,
    )


def clean_text(value: str | None, limit: int) -> str | None:
    """A stranger's text made safe to store and to compare: one line of visible characters, at most `limit`.

    Controls and invisible characters go, runs of white space become one space, ends are trimmed, accents are
    composed (NFC), what is over the limit is cut. None when nothing is left. Markup stays: whoever shows it
    escapes it.
    """
    if value is None:
        return None
    if not (value.isascii() and value.isprintable()):
        # A long run of invisible characters may not make us work for ever.
        value = unicodedata.normalize("NFC", _UNSEEN.sub("", value[: 8 * limit + 1_024]))
        value = _SPACES.sub(" ", value)
    elif "  " in value:
        value = _SPACES.sub(" ", value[: 8 * limit + 1_024])
    return value.strip()[:limit].rstrip() or None


def _present(value: str | None, limit: int) -> str | None:
    cleaned = clean_text(value, limit)
    return None if cleaned is None or cleaned.lower() in ABSENT else cleaned


def host_of(url: str) -> str:
    """The host of a web address as read_arrival gives it: lower-case, no port, no leading 'www.'; '' if unknown."""
    match = _PLAIN_START.match(url)
    return _plain(_host_name(match[1].lower())) if match else _plain(_split(url).host)


def _split(url: str) -> _Url:
    """A URL's parts, read as a browser does ('\\' separates like '/'); any text gives some parts."""
    url = url[:RAW_LIMIT]
    if not (url.isascii() and url.isprintable()):
        url = _SPACES.sub(" ", _UNSEEN.sub("", _LINE_ENDS.sub("", url)))
    url = url.strip()
    match = _URL.match(url)
    if match:
        scheme, authority, path, query, fragment = match.groups("")
        authority = authority.rpartition("@")[2].lower()
        host = _host_name(authority)
        return _Url(scheme.lower(), host, authority if host else "", path.replace("\\", "/"), query, fragment)
    if _SCHEME.match(url):  # javascript:, data:, about:, mailto:
        return _Url(url.partition(":")[0].lower(), "", "", "", "", "")
    bare = _PATH.match(url)
    path, query, fragment = bare.groups("") if bare else ("", "", "")
    return _Url("", "", "", path.replace("\\", "/"), query, fragment)


@lru_cache(maxsize=16_384)
def _host_name(authority: str) -> str:
    """The host of 'host:port': lower-case ASCII (international names as xn--), or '' if it can be none."""
    host = authority[:600]
    host = re.sub(r"\].*", "]", host) if host.startswith("[") else host.partition(":")[0].rstrip(".")
    if not host.isascii():
        try:
            host = host[:HOST_LIMIT].encode("idna").decode("ascii").lower()
        except UnicodeError:
            return ""
    return host if len(host) <= HOST_LIMIT and _HOST.fullmatch(host) else ""


def _plain(host: str) -> str:
    """A host without its leading 'www.'."""
    return host[4:] if host.startswith("www.") and "." in host[4:] else host


def _page_of(path: str) -> str:
    # One slash in front: '//evil.example' as a link would leave the site.
    page = "/" + _SERVER_SESSION.sub("", path).strip().lstrip("/")
    return _HALF_ESCAPE.sub("", page[:PAGE_LIMIT]) if len(page) > PAGE_LIMIT else page


def _rejoin(parts: _Url) -> str:
    if parts.scheme not in {"http", "https", ""} or not (parts.host or parts.path):
        return ""
    if parts.scheme and not parts.host:
        return ""
    if parts.host:
        start = f"{parts.scheme}://{parts.authority}" if parts.scheme else f"//{parts.authority}"
        path = parts.path if parts.path.startswith("/") else f"/{parts.path}"
    else:
        start, path = "", "/" + parts.path.lstrip("/")
    return _cut(f"{start}{path}?{parts.query}" if parts.query else f"{start}{path}")


def _cut(url: str) -> str:
    return _HALF_ESCAPE.sub("", url[:URL_LIMIT]) if len(url) > URL_LIMIT else url


def _campaign(page: _Url) -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    """The utm_* tags and the click ids of a URL; the first present value of each name counts."""
    found = _parameters(page.query) if page.query else {}
    if not found and page.fragment and "=" in page.fragment:
        # Some single-page sites keep the tags behind the '#': '#/plan?utm_source=…', '#utm_source=…'.
        found = _parameters(page.fragment.rpartition("?")[2])
    if not found:
        return {}, ()
    tags: dict[str, str] = {}
    ids: list[tuple[str, str]] = []
    for name, values in found.items():
        limit = TAG_LIMIT if name in _UTM else CLICK_ID_LIMIT
        value = next((each for each in (_present(raw, limit) for raw in values) if each), None)
        if value is None:
            continue
        if name in _UTM:
            tags[name] = value
        elif not value.startswith("{"):  # an unfilled '{gclid}' is no click
            ids.append((name, value))
    if len(ids) > 1:
        ids.sort(key=lambda pair: _STRENGTH[pair[0]])
    return tags, tuple(ids)


def _parameters(query: str) -> dict[str, list[str]]:
    """The wanted parameters of a query string, decoded: lower-case name -> values in order."""
    found: dict[str, list[str]] = {}
    for pair in query.split("&", MOST_PARAMETERS)[:MOST_PARAMETERS]:
        raw_name, _, raw_value = pair.partition("=")
        name = raw_name.lower()
        if name not in _WANTED:
            name = _parameter_name(name)
            if name not in _WANTED:
                continue
        found.setdefault(name, []).append(_decode(raw_value))
    return found


def _parameter_name(name: str) -> str:
    """'amp;utm_source' (a link that was escaped twice), 'utm_source[]' and 'utm%5Fsource' mean utm_source."""
    if "%" in name:
        name = _decode(name).lower()
    return name.strip().removeprefix("amp;").removesuffix("[]")


def _decode(value: str) -> str:
    """Percent-decoded text: UTF-8, else EUC-JP or Shift_JIS if it reads as such, else Windows-1252."""
    value = value.replace("+", " ")
    if "%" not in value:
        return value
    raw = unquote_to_bytes(value.encode("utf-8", "replace"))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    high = sum(byte > 0x7F for byte in raw)  # 'caf%E9' has few high bytes, Japanese at least every second one
    if high * 2 >= len(raw):
        for charset in ("euc_jp", "cp932"):
            try:
                return raw.decode(charset)
            except UnicodeDecodeError:
                continue
    return raw.decode("cp1252", "replace")


@lru_cache(maxsize=16_384)
def _outside(
    referrer: str,
    landing_host: str,
    own_hosts: frozenset[str] | tuple[str, ...],
    excluded: frozenset[str],
) -> tuple[str | None, str | None]:
    """The referrer and its host, when another site or an app sent the visitor; else (None, None)."""
    parts = _split(referrer)
    if not parts.host:
        return None, None
    if parts.scheme in {"android-app", "ios-app"}:
        app = f"{parts.scheme}://{parts.host}"
        return _cut(f"{app}{parts.path}"), app
    if parts.scheme not in {"http", "https"}:
        return None, None
    host = _plain(parts.host)
    if host == _plain(landing_host) or _is_own(host, own_hosts):
        return None, None
    if _is_excluded(host, parts.path, excluded):
        return None, None
    return _rejoin(parts), host


def _is_own(host: str, own_hosts: frozenset[str] | Sequence[str]) -> bool:
    for own in own_hosts:
        plain = _own_host(own)
        if plain and (host == plain or host.endswith(f".{plain}")):
            return True
    return False


@lru_cache(maxsize=16_384)
def _own_host(host: str) -> str:
    return _plain(_host_name(host.strip().lower()))


def _is_excluded(host: str, path: str, excluded: frozenset[str]) -> bool:
    whole, below = _exclusions(excluded)
    suffix = host
    while suffix:
        if suffix in whole:
            return True
        for start in below.get(suffix, ()):
            if path == start or path.startswith(f"{start}/"):
                return True
        suffix = suffix.partition(".")[2]
    return False


@lru_cache(maxsize=256)
def _exclusions(excluded: frozenset[str]) -> tuple[frozenset[str], dict[str, tuple[str, ...]]]:
    """The exclusion list as whole hosts, and as host -> paths; entries that name no host are left out."""
    whole: set[str] = set()
    below: dict[str, tuple[str, ...]] = {}
    for entry in sorted(excluded):
        name, _, path = entry.strip().removeprefix("https://").removeprefix("http://").partition("/")
        host = _plain(_host_name(name.lower()))
        if not host:
            continue
        if path.strip("/"):
            below[host] = (*below.get(host, ()), "/" + path.strip("/"))
        else:
            whole.add(host)
    return frozenset(whole), below


_FILES = frozenset(
    """
    png jpg jpeg jpe gif webp avif svg svgz ico cur bmp tif tiff heic apng css less scss js mjs cjs jsx ts
    map wasm woff woff2 ttf otf eot json jsonp jsonld xml xsl xslt rss atom rdf txt log csv tsv yml yaml
    toml conf ini webmanifest manifest appcache mp3 m4a ogg oga wav flac aac mp4 m4v webm mov avi mkv ogv
    wmv flv swf mpg mpeg m3u8 m3u pls vtt srt pdf ps eps doc docx xls xlsx ppt pptx odt ods odp rtf epub
    mobi zip gz tgz bz2 xz 7z rar tar jar war ear deb rpm apk ipa dmg iso img exe msi bin dll so class pyc
    bak sql db sqlite swp pem crt ics vcf
    """.split()
)
_MACHINES = frozenset(
    """
    robots.txt favicon.ico ads.txt app-ads.txt humans.txt security.txt browserconfig.xml crossdomain.xml
    xmlrpc.php wp-cron.php admin-ajax.php feed feeds rss atom
    """.split()
)


def is_page(path: str) -> bool:
    """True for a path that a person looks at as a page.

    path  a request's path; query and fragment are ignored
    False for images, styles, scripts, fonts, media, downloads (PDF too), data, feeds, robots.txt, favicon,
    sitemaps, '/.well-known/…' and what else machines ask for.
    """
    path = re.split(r"[?#;]", path[:URL_LIMIT], maxsplit=1)[0].rstrip("/").lower()
    name = path.rpartition("/")[2]
    if name in _MACHINES or "/.well-known/" in f"{path}/" or "/wp-json/" in f"{path}/":
        return False
    return "." not in name or name.rpartition(".")[2] not in _FILES
