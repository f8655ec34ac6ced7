"""(pure) One spelling per identifier: e-mail addresses, and the company's domain behind an address."""

from functools import lru_cache

from email_validator import EmailNotValidError, validate_email
from tldextract import TLDExtract

# Addresses at these say nothing about a company: the large free-mail providers, and Japan's carriers and providers.
FREE_MAIL = frozenset(
    """
    gmail.com googlemail.com yahoo.com yahoo.co.jp yahoo.co.uk yahoo.fr yahoo.de ymail.com rocketmail.com ybb.ne.jp
    outlook.com outlook.jp hotmail.com hotmail.co.jp hotmail.co.uk hotmail.fr live.com live.jp msn.com icloud.com me.com
    mac.com aol.com aol.jp proton.me protonmail.com pm.me gmx.de gmx.net gmx.com web.de t-online.de freenet.de mail.ru
    yandex.ru yandex.com qq.com 163.com 126.com sina.com naver.com daum.net hanmail.net kakao.com zoho.com fastmail.com
    mail.com orange.fr wanadoo.fr free.fr laposte.net libero.it virgilio.it tutanota.com hey.com duck.com
    docomo.ne.jp ezweb.ne.jp au.com softbank.ne.jp i.softbank.jp vodafone.ne.jp ymobile.ne.jp yahoo.ne.jp rakuten.jp
    rakumail.jp willcom.com disney.ne.jp nifty.com nifty.ne.jp biglobe.ne.jp so-net.ne.jp ocn.ne.jp plala.or.jp
    dion.ne.jp infoseek.jp goo.jp goo.ne.jp excite.co.jp livedoor.com mail.goo.ne.jp jcom.home.ne.jp jcom.zaq.ne.jp
    """.split()
)
SUFFIXES = TLDExtract(suffix_list_urls=(), cache_dir=None)


@lru_cache(maxsize=4_096)
def email_of(text: str) -> str | None:
    """An e-mail address trimmed and lower-cased, or None for what is none."""
    try:
        return validate_email(text.strip(), check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError:
        return None


def company_domain_of(email: str | None) -> str | None:
    """The registrable domain of an address ('a@tokyo.acme.co.jp' -> 'acme.co.jp'); None for free mail."""
    if not email:
        return None
    host = email.rpartition("@")[2].lower()
    domain = SUFFIXES(host).top_domain_under_public_suffix or ".".join(host.split(".")[-2:])
    return domain if domain and domain not in FREE_MAIL else None
