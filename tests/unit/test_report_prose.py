"""Markdown of models and linters as HTML: readable, and nothing in it acts."""

from __future__ import annotations

import pytest

from loom.outputs.report.prose import prose, title


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("one\ntwo\n\nthree", "<p>one<br>two</p><p>three</p>"),
        ("a `b < c` d", "<p>a <code>b &lt; c</code> d</p>"),
        ("`` a`b ``", "<p><code>a`b</code></p>"),
        ("an open ` tick", "<p>an open ` tick</p>"),
        ("**bold `x`** and *so*", "<p><strong>bold <code>x</code></strong> and <em>so</em></p>"),
        ("2 * 3 * 4 and a*b*c", "<p>2 * 3 * 4 and a*b*c</p>"),
        ("snake_case_name and __init__", "<p>snake_case_name and __init__</p>"),
        ("# Why\ntext", "<p><strong>Why</strong></p><p>text</p>"),
        ("- a\n- b `c`\n  more", "<ul><li>a</li><li>b <code>c</code> more</li></ul>"),
        ("2. a\n3. b", '<ol start="2"><li>a</li><li>b</li></ol>'),
        ("- a\n\n- b\n\nend", "<ul><li>a</li><li>b</li></ul><p>end</p>"),
        ("> said\n> so", "<blockquote><p>said<br>so</p></blockquote>"),
        ("```py\nx = '<b>'\n```\nend", "<pre><code>x = &#x27;&lt;b&gt;&#x27;</code></pre><p>end</p>"),
        ("````\n```\n````", "<pre><code>```</code></pre>"),
        ("```\nleft open", "<pre><code>left open</code></pre>"),
        ("so:\n\n    f(x)\n\n    g(x)\nend", "<p>so:</p><pre><code>f(x)\n\ng(x)</code></pre><p>end</p>"),
        ("<b>raw</b> &amp;", "<p>&lt;b&gt;raw&lt;/b&gt; &amp;amp;</p>"),
        (r"\*plain\*", "<p>*plain*</p>"),
        ("", ""),
    ],
)  # fmt: skip
def test_markdown_is_read_as_people_mean_it(text: str, html: str) -> None:
    assert prose(text) == html


def test_links_go_to_the_web_only_and_say_where() -> None:
    rel = 'rel="noopener noreferrer nofollow"'
    assert (
        prose("see https://a.example/x.") == f'<p>see <a href="https://a.example/x" {rel}>https://a.example/x</a>.</p>'
    )
    assert prose("[docs](https://a.example/x)") == (
        f'<p><a href="https://a.example/x" {rel}>docs</a> <span class="host">(a.example)</span></p>'
    )
    assert "(evil.example)" in prose("[github.com](https://github.com@evil.example/)")
    for text in (
        "[x](javascript:alert(1))", "[x](data:text/html,x)", "[x](//evil.example)", "![x](ftp://a)", "<https:x>",
        "[x](https://[bad)", "javascript:alert(1)",
    ):  # fmt: skip
        assert "<a " not in prose(text), text


def test_a_title_holds_code_and_never_a_link() -> None:
    assert title("`a < b` at https://a.example") == "<code>a &lt; b</code> at https://a.example"


def test_a_message_of_a_megabyte_is_cut_and_does_not_take_long_to_read() -> None:
    for text in ("`" * 1_000_000, "[" * 1_000_000, "*a" * 500_000, "> " * 500_000, "`a``b" * 200_000, "- \n" * 300_000):
        assert prose(text).endswith("(cut: the result file has all of it)</p>")
