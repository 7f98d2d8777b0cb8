"""Secrets known only by what stands beside them: `password = …`, `Authorization: …`, `https://user:…@host`.

Such rules guess, so each guess is judged: placeholders, references to variables, names and prose are sorted out.
"""

from __future__ import annotations

import math
import re
from collections import Counter

from loom.infra.secret_rules import Rule

# Between a name and its value: closing quotes and brackets, perhaps a type, an operator, perhaps a string prefix.
_TYPE = (
    r"(?:[ \t]*:[ \t]*(?:str|[Ss]tring|&(?:'static )?str|bytes|char ?\*?|const char ?\*?)(?:[ \t]*\|[ \t]*\w+)?[ \t]*)?"
)
_ASSIGN = rf"""\\?["'`\])]{{0,2}}{_TYPE}[ \t]*(?:\?\?=|\|\|=|:=|=>|==?=?|!==?|:)[ \t]*(?:[rbfuLR]{{1,2}}|@)?"""
_QUOTED = r"""\\"[^"\\\n\x00]{4,}\\"|"(?:[^"\\\n\x00]|\\.){4,}"|'(?:[^'\\\n\x00]|\\.){4,}'|`[^`\n\x00]{4,}`"""
_BARE = r"""[^\s"'`,;(){}\[\]<>&|$\\\x00][^\s"'`,;(){}\[\]<>&|\\\x00]{5,}"""
_VALUE = rf"({_QUOTED}|{_BARE})"

_SHORT_NAMES = r"(?:password|passwd|passphrase|passwort|passcode|pwd|[_-]pass|\bpass)"
_KEY_NAMES = (
    r"(?:secret|token|credentials?|[_-]pat|[_-]auth|auth[_-]?key|api[_-]?key|(?:access|private|encryption|signing|secret"
    r"|account|master|session|license|service|client|deploy|shared|hmac|storage)[_-]?key)"
)


def _weak(id: str, title: str, keywords: str, pattern: str, *bad: tuple[str, ...], good: tuple[str, ...]) -> Rule:  # noqa: A002
    return Rule(
        id=id, title=title, keywords=tuple(keywords.split()), pattern=pattern, group=2, weak=True, bad=bad, good=good
    )


CONTEXTS: tuple[Rule, ...] = (
    _weak("url-password", "a password in a URL", "://",
          r"""([A-Za-z][A-Za-z0-9+.-]{1,20}://)[^\s/:@"'<>`\x00]*:([^\s/"'<>`\x00]{3,})@[\w.\[-]""",
          ("DB=postgres://user:", "hunter2", "example", "@db.example.invalid/x"),
          good=("postgres://user:password@localhost/x", "https://user:${TOKEN}@host/", "http://[::1]:8080/a@b")),
    _weak("authorization", "a credential in an Authorization header", "bearer authorization",
          r"(?i)(\bbearer|authorization\\?[\"']?[ \t]*[:=,][ \t]*\\?[\"'`]?(?:token|basic|apikey|bearer))[ \t]+"
          r"([A-Za-z0-9._~+/-]{16,}={0,2})",
          ("Authorization: Bearer ", "A1b2C3d4E5f6G7h8", "I9j0K1l2M3n4O5p6"),
          ("Authorization: Basic ", "dXNlcjpodW50", "ZXIyMTIzNA=="),
          good=("Authorization: Bearer YOUR_ACCESS_TOKEN_HERE", "the bearer authenticationmiddleware")),
    _weak("command-line-secret", "a secret on a command line", "--pass --token --secret --api -u --user sshpass",
          r"(?i)(--(?:password|passwd|pass|token|secret|api-?key|access-token)[= ]|\bcurl\b[^\n|;]*?[ \t](?:-u|--user)"
          r"""[ =]?["']?[^\s:"'$]+:|\bsshpass[ \t]+-p[ \t]*)["']?([^\s"'`$<{(\[|&;]{6,})""",
          ("mysql --password=", "hunter2", "hunter2"), ("curl -u admin:", "hunter2", "hunter2 https://x"),
          good=("tool --password=secret", "tool --token TOKEN_FILE", "tool --api-key <your-key>",
                "curl -u user:$PASS x")),
    _weak("docker-auth", "a registry login", '"auth"', r'("auth"[ \t]*:[ \t]*)"([A-Za-z0-9+/]{16,}={0,2})"',
          ('{"auth": "', "dXNlcjpodW50ZXIy", 'MTIzNA=="}'), good=('{"auth": "authenticationmethod"}',)),
    _weak("netrc-password", "a password in a netrc line", "machine",
          r"(\bmachine[ \t]+\S+[ \t]+login[ \t]+\S+[ \t]+password[ \t]+)(\S{4,})",
          ("machine example.invalid login me password ", "hunter2", "hunter2"),
          good=("machine example.invalid login me password $PASS",)),
    _weak("element-secret", "a secret in an XML element", "</",
          rf"(?i)(<[\w:.-]*{_SHORT_NAMES}>|<[\w:.-]*{_KEY_NAMES}>)([^<\s]{{6,}})</",
          ("<db:password>", "hunter2", "hunter2</db:password>"), good=("<password>${db.password}</password>",)),
    _weak("password-assignment", "a hard-coded password", "pass pwd",
          rf"(?i)([\w.-]*{_SHORT_NAMES}\d?){_ASSIGN}{_VALUE}",
          ("password = '", "hunter2", "Hunter!'"), ("db_password: ", "correct-", "horse-battery"),
          ('{\\"password\\": \\"', "hunter2", 'hunter2\\"}'), ("MYSQL_PASSWORD=", "hunter2", "hunter2"),
          good=("password = get_password()", 'password = "changeme"', "password: string", 'password: "Mot de passe"',
                "password = os.environ['DB_PASSWORD']", "password: ${{ secrets.PASSWORD }}",
                "this.password = password2;", 'PASSWORD_FIELD = "password"',
                "if password == other_password:", 'password: "auth.password.label"')),
    _weak("secret-assignment", "a hard-coded key or token", "secret token key pat auth credential",
          rf"(?i)([\w.-]*{_KEY_NAMES}){_ASSIGN}{_VALUE}",
          ("AZURE_OPENAI_API_KEY=", "0123456789abcdef", "0123456789abcdef"),
          ('"client_secret": "', "A1b2C3d4E5f6", 'G7h8I9j0K1l2"'),
          good=('token = "Authorization"', "api_key = settings.API_KEY_2", 'secret: "my-app-tls-certificate"',
                'public_token: "A1b2C3d4E5f6G7h8I9j0"', '"integrity_token": "short1"', "token: ${GITHUB_TOKEN_2}")),
)  # fmt: skip
"""Secrets that are known by the name or place beside them. Group 1 is that context, group 2 the secret."""

_VOCABULARY = """
    a abc abcd access account admin an any api auth authentication authorization b bar base64 basic baz bearer btn
    button bytes cert certificate change changed changeme changeit class client code confirm confirmation control
    credential credentials current custom data database db default demo deploy developer dev disabled dummy
    email empty enabled encrypted enter env error example examples fake false field file foo forgot form generated guest
    hash hashed header here hidden hint icon id incorrect input insert int invalid is it item key label link local
    localhost login long lower machine master me method missing mock my mypass mypassword mysecret name new no none
    not null object of old only optional or page param parameter pass password passphrase passwd path personal
    placeholder plain please policy postgres private prod production provider public put pwd qwerty random read real
    redacted redis refresh replace request required reset role root rule sample sandbox screen secret secrets secure
    service session set some string strong super supersecret test tester testing text the this title to
    todo token true type undefined unknown upper url use user username users valid value var variable visible weak with
    write wrong xxx xxxx yes you your
"""
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+|[^\W\d_]+")
_HEX_RUN = re.compile(r"[0-9a-f]{16,}|[0-9A-F]{16,}")
_SPECIAL = re.compile(r"[!@#%^*+=~?]")
_PLACEHOLDER_WORDS = frozenset(_VOCABULARY.split())
_OPENERS = (
    "$",
    "%(",
    "%s",
    "%{",
    "{",
    "<",
    "[",
    "#{",
    "(",
    "&",
    ":",
    "/",
    "./",
    "../",
    "~/",
    "@{",
    "!",
    "\\",
    "*",
    "?",
)
_REFERENCE = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\?\.|\.|->|::|/)[A-Za-z_$][\w$-]*)+")
_EXEMPT_NAMES = re.compile(
    r"(?i)public|publishable|csrf|xsrf|idempotency|cache|page|next|continuation|site_?key|label|hint"
)
_PUBLIC_VALUES = ("phc_", "pk_live_", "pk_test_", "pk.eyJ")  # keys that vendors mean for the browser
_SEQUENCE = re.compile(r"(?i)(.)\1{5,}|^(?:0?123456789?0?|abcdefg?h?|qwerty\w*)$")


def entropy(text: str) -> float:
    """Shannon entropy in bits per character."""
    total = len(text)
    return -sum(n / total * math.log2(n / total) for n in Counter(text).values()) if total else 0.0


def unquoted(value: str) -> tuple[int, int]:
    """Where the value proper stands in what the pattern took for it: without its quotes."""
    lead = 2 if value[:2] == '\\"' else int(value[:1] in "\"'`")
    return lead, len(value) - (2 if lead == 2 and value.endswith('\\"') else 1 if lead else 0)


def plausible(rule: Rule, *, name: str, value: str, quoted: bool, after: str) -> bool:
    """Whether a weak rule's guess is a secret. `name`: the context before it. `after`: the character behind it."""
    in_code = rule.id in ("password-assignment", "secret-assignment")
    if _placeholder(value) or (in_code and not quoted and _expression(value, after)):
        return False
    match rule.id:
        case "secret-assignment":
            return _EXEMPT_NAMES.search(name) is None and len(value) >= 16 and random_looking(value)
        case "authorization" | "docker-auth":
            return random_looking(value)
        case "password-assignment" | "element-secret" | "command-line-secret":
            return like_password(value)
        case _:
            return True


def random_looking(value: str) -> bool:
    """Whether a run of letters and digits is mixed as no name is."""
    for run in re.findall(r"[A-Za-z0-9+/=]{8,}", value):
        digits = sum(c.isdigit() for c in run)
        if digits >= 2 and len(run) - digits >= 2 and entropy(run) >= 2.8 and not _words_with_numbers(run):
            return True
    return False


def _words_with_numbers(run: str) -> bool:
    """`Sha256Authenticator`, `version20`: words with a number between them, not a mix."""
    if _HEX_RUN.fullmatch(run):
        return False
    parts = _WORDS.findall(run)
    return len(run) / len(parts) >= 4 if parts else False


def _placeholder(value: str) -> bool:
    if value.startswith(_OPENERS + _PUBLIC_VALUES) or _SEQUENCE.search(value) or any(c.isspace() for c in value):
        return True
    if any(part in value for part in ("...", "…", "\0", "${", "{{", "%s", "://")):
        return True
    words = [w.lower() for w in _WORDS.findall(value)]
    return all(w in _PLACEHOLDER_WORDS or w.isdigit() or set(w) <= set("x") for w in words)


def _expression(value: str, after: str) -> bool:
    """Whether an unquoted value is code: a call, an index, a reference, a bare name."""
    if after and after in "([{<":
        return True
    if _REFERENCE.fullmatch(value.rstrip(".:")):
        return True
    if not value.isidentifier():
        return False
    words = {word.lower() for word in _WORDS.findall(value)}
    return sum(c.isdigit() for c in value) < 2 or any(len(word) > 2 for word in words & _PLACEHOLDER_WORDS)


def like_password(value: str) -> bool:
    """Whether a value is mixed, or spelled, as passwords are and references to variables are not."""
    if len(value) < 6:
        return False
    if any(c.isdigit() for c in value) or _SPECIAL.search(value):
        return not _REFERENCE.fullmatch(value)
    words = [w.lower() for w in _WORDS.findall(value)]
    spelled = re.fullmatch(r"[A-Za-z]+(?:-[A-Za-z]+){2,}", value)  # correct-horse-battery
    return spelled is not None and not any(w in _PLACEHOLDER_WORDS for w in words)
