"""Names and values from strangers: nothing of them is ever markup, and the page asks for nothing."""

import copy
import re
from collections import Counter
from xml.etree import ElementTree

import pytest

from tenfold.report.run_page import render

OUT = "http://127.0.0.1:9/"  # nobody listens; an attempt is seen all the same
PAYLOADS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</pre><script>alert(1)</script>",
    "</td></tr></table><script>alert(1)</script>",
    "</svg><script>alert(1)</script>",
    "<svg><script>alert(1)</script></svg>",
    "<svg onload=alert(1)>",
    "<svg/onload=alert(1)//",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<img src=x onerror=alert(1)>",
    f"<img src={OUT}a.png>",
    "<IMG SRC=javascript:alert(1)>",
    "<img src=x:x onerror=alert(1)//",
    "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<object data=javascript:alert(1)></object>",
    "<embed src=javascript:alert(1)>",
    f"<link rel=stylesheet href={OUT}a.css>",
    f"<style>@import '{OUT}b.css';</style>",
    f"<meta http-equiv=refresh content='0;url={OUT}r'>",
    f"<base href={OUT}>",
    f"<form action={OUT}><button autofocus>",
    '" onmouseover=alert(1) autofocus onfocus=alert(1) x="',
    "' onfocus=alert(1) autofocus tabindex=1 x='",
    '"><script>alert(1)</script>',
    "'><script>alert(1)</script>",
    "--><script>alert(1)</script>",
    "<!--<script>alert(1)//-->",
    "]]><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "<math><mtext><img src=x onerror=alert(1)></mtext></math>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "<scr\x00ipt>alert(1)</scr\x00ipt>",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "<a href=javascript:alert(1)>x</a>",
    f"url({OUT}u)",
    f"<image xlink:href={OUT}i.png>",
    "$\\frac{<script>}{$",
    "\ud800<b>\u202e",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
]
WAYS_OUT = (
    '" ',
    "' ",
    "</td>",
    "</text></svg>",
    "</title>",
    "</style>",
    "--><",
    "]]>",
)  # of where the page puts a text
PAYLOADS += [way + payload for way in WAYS_OUT for payload in PAYLOADS[:20]]
ALLOWED = set(
    """
    html head meta title style body main header h1 h2 h3 p dl div dt dd small ul li details summary pre code bdi
    figure figcaption table thead tbody tr th td span svg g path defs clippath clipPath rect use text line circle
    """.split()  # noqa: SIM905
)


def hostile(data):
    """Every text of the data, and every name that the data chose, replaced by payloads in turn."""
    turn = 0

    def payload():
        nonlocal turn
        turn += 1
        return PAYLOADS[turn % len(PAYLOADS)]

    def attack(value):
        if isinstance(value, dict):
            return {key: attack(item) for key, item in value.items()}
        if isinstance(value, list):
            return [attack(item) for item in value]
        return payload() if isinstance(value, str) else value

    data["card"]["warnings"] = data["card"]["notes"] = data["summary"]["warnings"] = PAYLOADS
    data["verdict"] = PAYLOADS
    data["card"]["columns"] = [{**data["card"]["columns"][0], "name": p, "example": p} for p in PAYLOADS]
    data = attack(data)
    for key in ("outcomes", "baselines"):
        data["summary"][key] |= {payload(): 1.0 for _ in PAYLOADS}
    data["summary"]["best"]["scores"] |= dict.fromkeys(PAYLOADS, 0.5)
    data["leaderboard"][0]["outcomes"] = dict.fromkeys(PAYLOADS, 1)
    data["versions"] = dict(zip(PAYLOADS, PAYLOADS, strict=True))
    data["settings"] = {"seed": PAYLOADS[0], "task": PAYLOADS[1], "metric": PAYLOADS[32]}
    return data


@pytest.fixture(scope="module")
def page(samples):
    return render(hostile(copy.deepcopy(samples["breast_cancer"])))


def test_only_known_elements_and_no_handlers(page, elements):
    tags = elements(page).tags
    assert {tag for tag, _ in tags} <= ALLOWED
    names = Counter(name for _, attributes in tags for name in attributes)
    assert not [
        name for name in names if name.startswith("on") or name in ("src", "srcdoc", "action", "style-src", "data")
    ]
    links = [v for _, attributes in tags for name, v in attributes.items() if name.endswith("href")]
    assert links
    assert all(link.startswith("#") for link in links)
    styles = " ".join(attributes.get("style", "") for _, attributes in tags)
    assert set(re.findall(r"url\((.)", styles + page[page.index("<style>") : page.index("</style>")])) <= {"#"}


def test_every_payload_is_shown_as_text(page, elements):
    text = "".join(elements(page).text)
    plain = [p for p in PAYLOADS if p.isprintable()]
    assert len(plain) >= 200
    assert [p for p in plain if p not in text] == []
    page.encode("utf-8")  # no lone surrogate is left
    assert not re.search("[\x00-\x08\u202e]", page)


def test_the_policy_comes_first_and_forbids_everything_but_style(page, elements):
    tags = elements(page).tags
    place = next(i for i, (_, a) in enumerate(tags) if a.get("http-equiv") == "Content-Security-Policy")
    assert tags[place][1]["content"] == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert place < next(i for i, (tag, _) in enumerate(tags) if tag == "style")


def test_figures_are_xml_and_ids_are_unique(page):
    figures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(figures) >= 7
    for figure in figures:
        ElementTree.fromstring(figure)
    ids = Counter(re.findall(r'\bid="([^"]*)"', page))
    assert ids
    assert max(ids.values()) == 1
    assert set(re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', page)) <= {
        pair for name in ids for pair in ((name, ""), ("", name))
    }


def test_the_browser_sees_what_an_unescaped_page_does(browser, tmp_path):
    path = tmp_path / "bad.html"
    path.write_text(f"<!doctype html><p>{PAYLOADS[11]}{PAYLOADS[12]}<script>alert(2)</script>")
    dialogs, asked = browser.open(path)
    assert len(dialogs) == 2
    assert OUT + "a.png" in asked


@pytest.mark.parametrize("policy", [True, False])
def test_no_dialog_and_no_request(browser, tmp_path, page, policy):
    path = tmp_path / "report.html"
    text = page if policy else re.sub(r"<meta http-equiv[^>]*>", "", page)  # escaping alone has to be enough
    assert policy or "Security-Policy" not in text
    path.write_text(text, encoding="utf-8")
    assert browser.open(path) == ([], [])
    tags = browser.value("[...document.querySelectorAll('*')].map(e => e.localName).join(' ')").split()
    assert len(tags) > 500
    assert set(tags) <= ALLOWED
    names = browser.value("[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()).join(' ')").split()
    assert not [name for name in names if name.startswith("on")]


@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_never_scrolls_sideways(browser, tmp_path, page, data, width):
    for name, text in (("hostile", page), ("long", render(hostile_length(data)))):
        path = tmp_path / f"{name}.html"
        path.write_text(text, encoding="utf-8")
        browser.open(path, width)
        assert browser.value("document.documentElement.scrollWidth") <= width, name


def hostile_length(data):
    long = "w" * 3000
    data |= {"name": long, "source": "/" + long, "target": long, "why_task": long, "verdict": [long, *data["verdict"]]}
    data["summary"] |= {"run": long, "warnings": [long]}
    data["card"] |= {"target": long, "notes": [long], "warnings": [long]}
    data["card"]["columns"] = [
        {**column, "name": long, "example": long, "decision": long} for column in data["card"]["columns"]
    ]
    data["leaderboard"][0]["recipe"] = data["recipe_yaml"] = long
    return data
