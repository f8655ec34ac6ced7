"""(pure) The invented people and companies of the demo: every address is at a reserved domain (RFC 2606)."""

from dataclasses import dataclass
from random import Random

_SURNAMES = """
佐藤 sato 鈴木 suzuki 高橋 takahashi 田中 tanaka 伊藤 ito 渡辺 watanabe 山本 yamamoto 中村 nakamura
小林 kobayashi 加藤 kato 吉田 yoshida 山田 yamada 松本 matsumoto 井上 inoue 木村 kimura 林 hayashi
清水 shimizu 山口 yamaguchi 森 mori 池田 ikeda 橋本 hashimoto 石川 ishikawa 前田 maeda 藤田 fujita
岡田 okada 長谷川 hasegawa 村上 murakami 近藤 kondo 青木 aoki 西村 nishimura
""".split()
_GIVEN = """
陽菜 hina 蓮 ren 翔太 shota 美咲 misaki 健太 kenta 大輔 daisuke 由美 yumi 直樹 naoki
恵 megumi 拓也 takuya 彩 aya 誠 makoto 香織 kaori 浩二 koji 真由美 mayumi 亮 ryo
千尋 chihiro 隆 takashi 優子 yuko 康平 kohei 沙織 saori 悠斗 yuto
""".split()
_PLACES = """
青空 aozora 富士見 fujimi 北斗 hokuto 三日月 mikazuki 桜川 sakuragawa 東雲 shinonome 白鷺 shirasagi 若葉 wakaba
朝霧 asagiri 緑丘 midorigaoka 瑞穂 mizuho 星野 hoshino 曙 akebono 千歳 chitose 汐見 shiomi 雪野 yukino
""".split()
_TRADES = """
製作所 seisakusho 精機 seiki 工業 kogyo 化学 kagaku 食品 foods 電装 denso 金属 kinzoku 樹脂 jushi
""".split()
_OLDER_TRADES = """
物流 butsuryu 建設 kensetsu 印刷 insatsu 繊維 seni 薬品 yakuhin 機工 kiko 木材 mokuzai 陶器 toki 硝子 glass 倉庫 soko
""".split()
_ABROAD = (
    ("Anna Lindqvist", "Lindqvist Verktyg AB", "lindqvist-verktyg.example", "DE"),
    ("Tom Brennan", "Brennan Fittings Inc.", "brennan-fittings.example", "US"),
    ("Jonas Meyer", "Meyer Feinmechanik GmbH", "meyer-feinmechanik.example", "DE"),
    ("Mei Ling Tan", "Straits Packaging Pte Ltd", "straits-packaging.example", "SG"),
    ("Carla Reyes", "Reyes Controls LLC", "reyes-controls.example", "US"),
    ("David Okafor", "Northgate Pumps Inc.", "northgate-pumps.example", "US"),
    ("Wei Chen", "Harbour Optics Pte Ltd", "harbour-optics.example", "SG"),
    ("Lena Vogt", "Vogt Dichtungen GmbH", "vogt-dichtungen.example", "DE"),
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who will be named. `country` is where the browser is, one of ways.ADDRESSES."""

    name: str
    email: str
    phone: str
    company: str
    domain: str
    country: str

    @property
    def is_japanese(self) -> bool:
        return self.country == "JP"


def invent(random: Random, n: int) -> list[Person]:
    """n people, no two with one address; some share a company, one in eighteen is from abroad."""
    companies = [
        (f"株式会社{place}{trade}", f"{latin}-{word}.example")
        for place, latin in _pairs(_PLACES)
        for trade, word in _pairs(_TRADES)
    ]
    random.shuffle(companies)
    names = [(f"{last} {first}", latin, word) for last, latin in _pairs(_SURNAMES) for first, word in _pairs(_GIVEN)]
    random.shuffle(names)
    people: list[Person] = []
    for i in range(n):
        phone = f"03-0000-{random.randrange(1000, 10_000)}"
        if i % 18 == 9 and i // 18 < len(_ABROAD):
            name, company, domain, country = _ABROAD[i // 18]
            people.append(Person(name, f"{name.split()[0].lower()}@{domain}", "", company, domain, country))
            continue
        name, last, first = names[i]
        company, domain = companies[i * 4 // 5]
        people.append(Person(name, f"{first}.{last}@{domain}", phone, company, domain, "JP"))
    return people


def invent_older(random: Random, n: int) -> list[Person]:
    """n people of the years before, at most 660: none of them is one of invent's, and they share 160 companies."""
    companies = [
        (f"株式会社{place}{trade}", f"{latin}-{word}.example")
        for place, latin in _pairs(_PLACES)
        for trade, word in _pairs(_OLDER_TRADES)
    ]
    random.shuffle(companies)
    names = [(f"{last} {first}", latin, word) for last, latin in _pairs(_SURNAMES) for first, word in _pairs(_GIVEN)]
    random.shuffle(names)
    people: list[Person] = []
    for i, (name, last, first) in enumerate(names[:n]):
        company, domain = companies[i * 4 // 5 % len(companies)]
        phone = f"03-0000-{random.randrange(1000, 10_000)}"
        people.append(Person(name, f"{first}.{last}@{domain}", phone, company, domain, "JP"))
    return people


def _pairs(words: list[str]) -> list[tuple[str, str]]:
    return list(zip(words[::2], words[1::2], strict=True))
