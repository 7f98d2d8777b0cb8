"""The HTML report in a real browser: nothing is fetched, filters and keys work, it can be read and used by everybody.

Skipped where there is no Chromium (`apt-get install chromium`; LOOM_CHROMIUM names another one).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from support.results import CASES

from loom.outputs.base import Look
from loom.outputs.html import render

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = os.environ.get("LOOM_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # A container has no user namespaces for the sandbox and little shared memory.
        flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        flags.append("--host-resolver-rules=MAP report.test 127.0.0.1")  # a host that is not this machine's own name
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens the page of a case. In the end the page must have fetched nothing and complained about nothing."""
    contexts, requests, complaints = [], [], []

    def visit(case: str = "findings", *, width: int = 1280, fragment: str = "", **context: Any) -> Page:
        file = tmp_path / f"{case}.html"
        file.write_text(render(CASES[case], Look()), "utf-8")
        contexts.append(browser.new_context(viewport={"width": width, "height": 800}, **context))
        page = contexts[-1].new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(file.as_uri() + fragment)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(tmp_path.as_uri())] == []
    assert len(requests) == len(contexts)


def visible(page: Page) -> list[str]:
    """The ids of the findings that can be seen."""
    ids: list[str] = page.eval_on_selector_all(
        "article.card", "all => all.filter(c => c.checkVisibility()).map(c => c.id)"
    )
    return ids


def said(page: Page) -> str:
    text: str = page.evaluate("document.querySelector('output').value")
    return text


def focused(page: Page) -> str:
    found: str = page.evaluate("document.activeElement.id")
    return found


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("width", [360, 1280])
def test_every_case_opens_without_a_complaint_and_fits_its_screen(
    visit: Callable[..., Page], case: str, width: int
) -> None:
    page = visit(case, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator("main").count() == 1
    assert page.evaluate("document.querySelectorAll('script').length") == 1


def test_text_of_others_runs_nothing(visit: Callable[..., Page]) -> None:
    page = visit("hostile")
    assert "alert(1)" in page.inner_text("main")
    assert page.evaluate("[...document.querySelectorAll('a')].every(a => /^(https?:|file:.*#)/.test(a.href))")


# ---- filters


def test_filters_by_severity_count_and_hide(visit: Callable[..., Page]) -> None:
    page = visit()
    assert (len(visible(page)), said(page)) == (6, "6 findings")
    page.uncheck("[name=severity][value=warning]")
    assert (len(visible(page)), said(page)) == (4, "4 of 6 findings")
    assert page.eval_on_selector_all(".index li", "all => all.filter(li => li.checkVisibility()).length") == 4
    page.uncheck("[name=severity][value=info]")
    page.uncheck("[name=severity][value=blocker]")
    assert (visible(page), said(page)) == ([], "0 of 6 findings")
    page.uncheck("[name=keys]")
    page.click("text=Show all")
    page.wait_for_selector("article.card >> nth=5", state="visible")
    assert (len(visible(page)), said(page)) == (6, "6 findings")
    assert not page.is_checked("[name=keys]")


def test_filters_by_pipeline_file_and_state(visit: Callable[..., Page]) -> None:
    page = visit()
    page.select_option("[name=pipeline]", label="logic")
    assert visible(page) == ["a1b2c3d4e5f60718"]
    page.select_option("[name=pipeline]", label="all")
    page.select_option("[name=file]", label="src/legacy.py (1)")
    assert visible(page) == ["d00d1e55f00dbabe"]
    assert page.eval_on_selector_all("details.file", "all => all.filter(f => f.checkVisibility()).length") == 1
    page.select_option("[name=file]", label="all")
    page.check("[name=new]")
    assert (len(visible(page)), said(page)) == (5, "5 of 6 findings")
    page.check("[name=with]")
    assert page.eval_on_selector_all("details.file", "all => all.filter(f => f.checkVisibility()).length") == 4


def test_files_fold_and_open(visit: Callable[..., Page]) -> None:
    page = visit()
    page.click("text=Fold all files")
    assert visible(page) == []
    page.click("text=Open all files")
    assert len(visible(page)) == 6


# ---- keys, links, copying


def test_j_and_k_go_from_finding_to_finding_with_a_visible_focus(visit: Callable[..., Page]) -> None:
    page = visit()
    order = visible(page)
    page.keyboard.press("j")
    assert focused(page) == order[0]
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("j")
    assert focused(page) == order[1]
    assert page.locator(".index [aria-current]").get_attribute("href") == f"#{order[1]}"
    page.keyboard.press("k")
    page.keyboard.press("k")
    assert focused(page) == order[-1]
    box = page.locator(f"[id='{order[-1]}']").bounding_box()
    assert box
    assert 0 <= box["y"] <= 800
    page.uncheck("[name=keys]")
    page.keyboard.press("j")
    assert focused(page) not in order


def test_keys_pass_over_what_is_filtered_away_and_open_what_is_folded(visit: Callable[..., Page]) -> None:
    page = visit()
    page.uncheck("[name=severity][value=warning]")
    page.uncheck("[name=severity][value=info]")
    page.click("text=Fold all files")
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert focused(page) == "0c4e2f7a91b8d635"
    assert visible(page) == ["a1b2c3d4e5f60718", "0c4e2f7a91b8d635"]


def test_a_link_to_a_finding_leads_to_it_even_when_it_is_hidden(visit: Callable[..., Page]) -> None:
    page = visit(fragment="#d00d1e55f00dbabe")
    assert focused(page) == "d00d1e55f00dbabe"
    page.uncheck("[name=severity][value=info]")
    page.evaluate("location.hash = '#beefcafe12345678'")
    page.wait_for_function("document.activeElement.id === 'beefcafe12345678'")
    assert len(visible(page)) == 6


def test_the_whole_page_can_be_walked_with_the_tab_key(visit: Callable[..., Page]) -> None:
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the changes"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#changes"
    seen = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        seen.add(
            page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.textContent")
        )
    assert {"Copy the suggestion", "Copy the command", "Link to this finding", "Lines of src/cart.py"} <= seen


def test_suggestions_and_commands_are_copied_as_they_are_shown(visit: Callable[..., Page]) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    card = page.locator("[id='a1b2c3d4e5f60718']")
    card.get_by_label("Copy the suggestion").click()
    page.wait_for_function("document.querySelector('output').value === 'Copied.'")
    assert page.evaluate("navigator.clipboard.readText()") == "    rate = DISCOUNTS.get(code, 0)"
    card.get_by_label("Copy the command").click()
    page.wait_for_function("navigator.clipboard.readText().then(t => t === 'loom ignore a1b2c3d4e5f60718')")


def test_served_without_tls_nothing_else_is_asked_for_and_copying_selects(browser: Browser) -> None:
    body = render(CASES["findings"], Look()).encode()
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, browser.new_context() as context:
        Thread(target=server.serve_forever).start()
        page = context.new_page()
        page.goto(f"http://report.test:{server.server_port}/page.html")
        page.locator("[id='a1b2c3d4e5f60718']").get_by_label("Copy the suggestion").click()
        page.wait_for_function("getSelection().toString().trimEnd() === '    rate = DISCOUNTS.get(code, 0)'")
        assert said(page) == "Selected: copy it with the keyboard."
        server.shutdown()
    assert asked == ["/page.html"]


def test_copied_code_is_code_without_numbers_and_signs(visit: Callable[..., Page]) -> None:
    text = visit().evaluate("document.querySelector('.code pre').innerText")
    assert "    rate = DISCOUNTS.get(code, 0)\n" in text
    assert not re.search(r"^\s*\d+ |^[+−]", text, re.M)


# ---- for everybody


def test_without_a_script_everything_is_there(visit: Callable[..., Page]) -> None:
    page = visit(java_script_enabled=False)
    assert page.locator("article.card").count() == 6
    for card in page.locator("article.card").all():
        assert card.is_visible()
    assert page.locator("pre.lines ins").first.is_visible()
    assert page.locator("table").first.is_visible()
    assert not page.locator("form").is_visible()
    assert not page.locator("text=Fold all files").is_visible()


@pytest.mark.parametrize("case", CASES)
def test_headings_go_down_one_by_one_and_landmarks_are_named(visit: Callable[..., Page], case: str) -> None:
    page = visit(case)
    levels = page.eval_on_selector_all("h1, h2, h3, h4, h5", "all => all.map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels
    for selector in ("main", "body > header", "body > footer"):
        assert page.locator(selector).count() == 1, selector
    for landmark in page.locator("nav, aside, form, section, [role=region]").all():
        name = landmark.evaluate(
            "e => e.ariaLabel || (e.ariaLabelledByElements || []).map(l => l.textContent).join('').trim()"
        )
        assert name, landmark.evaluate("e => e.outerHTML.slice(0, 200)")
    assert page.get_attribute("html", "lang") == "en"
    assert page.title()


UNNAMED = """() => [...document.querySelectorAll('button, select, input, a, summary, output, [tabindex="0"]')]
    .filter(e => !(e.ariaLabel || e.getAttribute('aria-labelledby') || e.textContent.trim() || (e.labels && e.labels[0])
      || e.tagName === 'OUTPUT')).map(e => e.outerHTML)"""


@pytest.mark.parametrize("case", CASES)
def test_every_control_has_a_name_and_room_for_a_finger(visit: Callable[..., Page], case: str) -> None:
    page = visit(case, width=360)
    assert page.evaluate(UNNAMED) == []
    for details in page.locator("aside details").all():
        details.evaluate("d => { d.open = true; }")
    low = "all => all.filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 24).map(e => e.outerHTML)"
    assert page.eval_on_selector_all("button, select, summary, label:has(input)", low) == []  # WCAG 2.2, 2.5.8


def test_an_image_says_nothing_that_words_do_not(visit: Callable[..., Page]) -> None:
    page = visit()
    assert page.locator("svg:not([aria-hidden=true])").count() == 0
    for card in page.locator("article.card").all():
        assert card.locator(".word").inner_text() == card.get_attribute("data-s")
    for entry in page.locator(".index a").all():
        assert re.match(r"(blocker|warning|info): ", (entry.text_content() or "").strip())


CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const d = canvas.getImageData(0, 0, 1, 1).data; return [d[0], d[1], d[2], d[3] / 255]; };
  const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => { v /= 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (e) => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor);
    if (c[3] === 1) return c; if (c[3] > 0) throw new Error('a see-through ground'); } return [255, 255, 255, 1]; };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05); };
  const poor = [];
  let looked = 0;
  for (const e of document.querySelectorAll('body *')) {
    if (!e.checkVisibility() || e.closest('svg, script')) continue;
    const kinds = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) ? [null] : [];
    if (e.matches('.lines > *')) kinds.push('::before');
    for (const pseudo of kinds) {
      const style = getComputedStyle(e, pseudo);
      const own = pseudo ? rgba(style.backgroundColor) : [0, 0, 0, 0];
      const r = ratio(rgba(style.color), own[3] === 1 ? own : ground(e));
      looked += 1;
      if (r < 4.5) poor.push([e.className || e.tagName, pseudo, e.textContent.slice(0, 30), style.color, r]);
    }
  }
  return [looked, poor];
}"""


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("case", CASES)
def test_every_text_can_be_told_from_its_ground(visit: Callable[..., Page], case: str, scheme: str) -> None:
    looked, poor = visit(case, color_scheme=scheme).evaluate(CONTRAST)
    assert looked > 10
    assert poor == []


def test_the_scheme_of_the_system_is_followed_and_paper_is_light(visit: Callable[..., Page]) -> None:
    grounds = [
        visit(color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor") for scheme in SCHEMES
    ]
    assert len(set(grounds)) == 2
    page = visit(color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == grounds[0]
    assert not page.locator("aside").is_visible()
    assert page.locator("article.card").first.is_visible()


def test_code_scrolls_inside_and_findings_stay_where_they_can_be_read(visit: Callable[..., Page]) -> None:
    page = visit(width=360)
    code = page.locator(".code").first
    assert code.evaluate("e => e.scrollWidth > e.clientWidth")
    card = page.locator(".code article.card").first
    code.evaluate("e => { e.scrollLeft = 0; }")
    before = card.bounding_box()
    code.evaluate("e => { e.scrollLeft = 80; }")
    assert card.bounding_box() == before
    assert before
    assert before["x"] >= 0
    assert before["x"] + before["width"] <= 360


def test_nothing_moves_by_itself(visit: Callable[..., Page]) -> None:
    moving = """all => all.map(e => getComputedStyle(e)).filter(s => s.animationName !== 'none'
        || s.transitionDuration !== '0s' || s.scrollBehavior !== 'auto').length"""
    assert visit().eval_on_selector_all("*", moving) == 0
