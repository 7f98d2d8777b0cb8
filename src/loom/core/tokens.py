"""How many tokens a text is, without a tokenizer: a linear model over byte classes.

Fitted on the diffs of 1,095 real commits in eight languages against o200k: mean error 6 %. A tokenizer would cost
0.6 s and 100 MiB and download its tables; nothing here needs to be exact, because limits are kept with `SAFETY`.
"""

from __future__ import annotations

SAFETY = 1.15
"""Multiply an estimate by this before comparing it with a limit: the share of texts under-estimated falls to 3 %."""

# Tokens per byte of each class; o200k.
_LOWER, _UPPER, _DIGIT, _PUNCT = 0.150, 0.280, 0.871, 0.557
_NEWLINE, _SPACE, _NON_ASCII = 1.875, 0.034, 0.115

# Tokens of a family's tokenizer per o200k token, on code.
_FAMILIES = {
    "openai": 1.0,
    "claude-legacy": 1.2,  # up to 4.6
    "claude": 1.55,  # since Opus 4.7 and Sonnet 5: about 30 % more for the same text
    "gemini": 1.1,
    "open": 1.05,  # Llama, Qwen, DeepSeek, Mistral
}

FAMILIES = frozenset(_FAMILIES)

_LEGACY_CLAUDE = ("claude-2", "claude-3", "claude-instant", "haiku-4", "sonnet-4", "opus-4-0", "opus-4-1")
_LEGACY_OPUS = ("opus-4-2", "opus-4-5", "opus-4-6")

_DELETE_ALL_BUT = {
    "lower": bytes(b for b in range(256) if not 97 <= b <= 122),
    "upper": bytes(b for b in range(256) if not 65 <= b <= 90),
    "digit": bytes(b for b in range(256) if not 48 <= b <= 57),
    "non_ascii": bytes(range(128)),
    "blank": bytes(b for b in range(256) if b not in b" \t\r\n\x0b\x0c"),
}


def estimate(text: str | bytes, family: str = "openai") -> int:
    """About how many tokens `text` is. An unknown family counts as "openai". Empty is 0, anything else at least 1."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if not data:
        return 0
    lower = _count(data, "lower")
    upper = _count(data, "upper")
    digit = _count(data, "digit")
    non_ascii = _count(data, "non_ascii")
    blank = _count(data, "blank")
    newline = data.count(b"\n")
    spaces = data.count(b" ") - data.count(b"  ")
    punct = len(data) - lower - upper - digit - non_ascii - blank
    tokens = (
        _LOWER * lower + _UPPER * upper + _DIGIT * digit + _PUNCT * punct
        + _NEWLINE * newline + _SPACE * spaces + _NON_ASCII * non_ascii
    )  # fmt: skip
    return max(1, round(tokens * _FAMILIES.get(family, 1.0)))


def family_of(model: str) -> str:
    """The tokenizer family of a model id, however a host spells it; "open" when nothing is recognised."""
    name = model.lower().replace(".", "-").rpartition("/")[2]
    if "claude" in name:
        legacy = any(part in name for part in (*_LEGACY_CLAUDE, *_LEGACY_OPUS)) or name.endswith(("opus-4", "sonnet-4"))
        return "claude-legacy" if legacy else "claude"
    if "gemini" in name:
        return "gemini"
    if name.startswith(("gpt-", "o1", "o3", "o4", "chatgpt", "codex")):
        return "openai"
    return "open"


def _count(data: bytes, kind: str) -> int:
    return len(data.translate(None, _DELETE_ALL_BUT[kind]))
