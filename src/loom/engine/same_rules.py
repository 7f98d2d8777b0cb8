"""Which rules of different tools report one fact. Data, with the few regularities of names that save most of it: what
is not here and is not said in like words stays two findings, which is better than one that hides the other."""

from __future__ import annotations

import functools
import re

# One fact a line, its rules by the names their tools print; where a tool prints two names for a rule, both. pylint's
# numbers stand as pylint has them (ruff's PLW0102 is W0102), bandit's as bandit has them (ruff's S324 is B324). The
# first name only names the line. Sources: each tool's rule index; the pairs in Python and JavaScript were seen on the
# output of the tools themselves (tests/cases/same_rules).
_FACTS = """
mutable-default-argument B006 W0102 dangerous-default-value
is-literal F632 R0123 literal-comparison
assert-on-tuple F631 W0199
raise-not-implemented F901 E0711 notimplemented-raised
duplicate-key F601 W0109 no-dupe-keys noDuplicateObjectKeys
self-comparison R0124 comparison-with-itself no-self-compare noSelfCompare eq_op
except-or W0711 binary-op-exception
strip-as-suffix B005
jump-in-finally B012 W0150 lost-exception no-unsafe-finally
nan-comparison W0177 use-isnan useIsNan
invalid-typeof valid-typeof useValidTypeof
unreachable-code W0101 unreachable no-unreachable
dangling-task RUF006
naive-utc-datetime DTZ003 DTZ004
blocking-call-in-async ASYNC210 ASYNC220 ASYNC221 ASYNC222 ASYNC230 ASYNC251
async-promise-executor no-async-promise-executor
loop-over-ls SC2045
sudo-redirect SC2024
masked-exit-status SC2155
unquoted-find-pattern SC2061
delete-below-empty-variable SC2115
unsafe-yaml-load B506 avoid-pyyaml-load
unsafe-deserialisation B301 B302 avoid-pickle
shell-injection B602 subprocess-shell-true
shell-injection B605
sql-injection B608
code-injection B307 W0123 eval-used eval-detected no-eval noGlobalEval
code-injection B102 W0122 exec-used exec-detected
debug-server B201 active-debug-code-flask
world-writable B103 insecure-file-permissions
weak-password-hash B324 insecure-hash-algorithm-md5 insecure-hash-algorithm-sha1 insecure-hash-algorithms G401
insecure-random B311 G404
insecure-temp-file B306
tls-verification-off B501 disabled-cert-validation G402
cached-method B019 W1518 method-cache-max-size-none
resource-not-closed SIM115 R1732 consider-using-with
self-assignment W0127 self-assigning-variable no-self-assign noSelfAssign self_assignment
repeated-condition no-dupe-else-if noDuplicateElseIf
changed-while-iterated B909 W4701 modified-iterating-list
short-rsa-key B505 weak-cryptographic-key
unpinned-action zizmor/unpinned-uses unpinned-uses
workflow-injection zizmor/template-injection template-injection
untrusted-checkout zizmor/dangerous-triggers dangerous-triggers
unpinned-image DL3006
remote-add DL3020
tls-verification-off B323 unverified-ssl-context
unsafe-archive-extraction B202
call-without-timeout B113 W3101 missing-timeout
bare-except E722 B001 W0702
broad-exception BLE001 W0718 broad-exception-caught W0703 broad-except
unused-import F401 W0611
unused-variable F841 W0612 no-unused-vars noUnusedVariables
undefined-name F821 E0602 undefined-variable
redefined-function F811 E0102 function-redefined
reimported F811 W0404
unused-argument ARG001 ARG002 W0613
global-not-assigned F824 W0602 global-variable-not-assigned
late-binding-closure B023 W0640 cell-var-from-loop
no-self-argument N805 E0213
f-string-without-placeholder F541 W1309 f-string-without-interpolation
format-args-missing F507 E1306 too-few-format-args
lambda-assignment E731 C3001 unnecessary-lambda-assignment
protected-access SLF001 W0212
useless-expression B018 W0104 pointless-statement
line-too-long E501 C0301
trailing-whitespace W291 C0303
wildcard-import F403 W0401
import-position E402 C0413 wrong-import-position
missing-module-docstring D100 C0114
missing-class-docstring D101 C0115
missing-function-docstring D102 D103 C0116
singleton-comparison E712 C0121
singleton-comparison E711 C0121
hygiene/debugger no-debugger T100
hygiene/debug-output no-console noConsole noConsoleLog T201
constructor-super noInvalidConstructorSuper
curly useBlockStatements
default-case-last useDefaultSwitchClauseLast
default-param-last useDefaultParameterLast
dot-notation useLiteralKeys
eqeqeq noDoubleEquals
for-direction useValidForDirection
getter-return useGetterReturn
no-case-declarations noSwitchDeclarations
assignment-as-condition no-cond-assign noAssignInExpressions
no-control-regex noControlCharactersInRegex
no-dupe-args noDuplicateParameters
no-dupe-class-members noDuplicateClassMembers
no-empty noEmptyBlockStatements
no-empty-function noEmptyBlockStatements
no-empty-static-block noEmptyBlockStatements
no-empty-character-class noEmptyCharacterClassInRegex
no-ex-assign noCatchAssign
no-fallthrough noFallthroughSwitchClause
no-func-assign noFunctionAssign
no-lone-blocks noUselessLoneBlockStatements
no-lonely-if useCollapsedElseIf
no-loss-of-precision noPrecisionLoss
no-new-native-nonconstructor noInvalidBuiltinInstantiation
no-obj-calls noGlobalObjectCalls
no-param-reassign noParameterAssign
no-eq-null noEqualsToNull
default-case useDefaultSwitchClause
require-unicode-regexp useUnicodeRegex
no-implicit-coercion noImplicitCoercions
no-new noUnusedInstantiation
class-methods-use-this useThisInClassMethods
no-regex-spaces noAdjacentSpacesInRegex
no-sequences noCommaOperator
no-sparse-arrays noSparseArray
no-this-before-super noUnreachableSuper
no-undef noUndeclaredVariables
no-unneeded-ternary noUselessTernary
no-use-before-define noInvalidUseBeforeDeclaration
one-var useSingleVarDeclarator
operator-assignment useShorthandAssign
prefer-const useConst
prefer-exponentiation-operator useExponentiationOperator
prefer-numeric-literals useNumericLiterals
prefer-regex-literals useRegexLiterals
prefer-template useTemplate
require-await useAwait
require-yield useYield
react-hooks/exhaustive-deps useExhaustiveDependencies
react-hooks/rules-of-hooks useHookAtTopLevel
secrets/aws-access-key-id aws-access-token AWSKeyDetector
secrets/aws-bedrock-key aws-amazon-bedrock-api-key-long-lived
secrets/google-api-key gcp-api-key
secrets/azure-client-secret azure-ad-client-secret
secrets/digitalocean-token digitalocean-pat digitalocean-access-token digitalocean-refresh-token
secrets/heroku-key heroku-api-key heroku-api-key-v2
secrets/fly-token flyio-access-token
secrets/netlify-token netlify-access-token
secrets/cloudflare-origin-key cloudflare-origin-ca-key
secrets/alibaba-key-id alibaba-access-key-id
secrets/planetscale-token planetscale-api-token planetscale-oauth-token planetscale-password
secrets/databricks-token databricks-api-token
secrets/openshift-token openshift-user-token
secrets/vault-token vault-service-token vault-batch-token
secrets/terraform-token hashicorp-tf-api-token
secrets/pulumi-token pulumi-api-token
secrets/doppler-token doppler-api-token
secrets/onepassword-token 1password-service-account-token
secrets/github-token github-pat github-oauth github-app-token github-refresh-token
secrets/github-fine-token github-fine-grained-pat
secrets/gitlab-token gitlab-pat gitlab-ptt gitlab-deploy-token gitlab-pat-routable
secrets/gitlab-runner-token gitlab-rrt gitlab-runner-authentication-token
secrets/atlassian-token atlassian-api-token
secrets/sourcegraph-token sourcegraph-access-token
secrets/npm-token npm-access-token
secrets/pypi-token pypi-upload-token
secrets/rubygems-key rubygems-api-token
secrets/artifactory-key artifactory-api-key artifactory-reference-token
secrets/sonar-token sonar-api-token
secrets/postman-key postman-api-token
secrets/anthropic-key anthropic-api-key anthropic-admin-api-key
secrets/openai-key openai-api-key
secrets/perplexity-key perplexity-api-key
secrets/huggingface-token huggingface-access-token huggingface-organization-api-token
secrets/slack-token slack-bot-token slack-user-token slack-app-token slack-legacy-token slack-legacy-bot-token
secrets/slack-webhook slack-webhook-url
secrets/discord-token discord-api-token
secrets/teams-webhook microsoft-teams-webhook
secrets/telegram-token telegram-bot-api-token
secrets/twilio-key twilio-api-key
secrets/sendgrid-key sendgrid-api-token
secrets/mailgun-key mailgun-private-api-token
secrets/mailchimp-key mailchimp-api-key
secrets/brevo-key sendinblue-api-token
secrets/stripe-key stripe-access-token
secrets/square-token square-access-token
secrets/shopify-token shopify-access-token shopify-custom-access-token shopify-private-app-access-token
secrets/linear-key linear-api-key
secrets/notion-key notion-api-token
secrets/airtable-token airtable-personnal-access-token airtable-api-key
secrets/easypost-key easypost-api-token easypost-test-api-token
secrets/mapbox-key mapbox-api-token
secrets/facebook-token facebook-access-token facebook-page-access-token
secrets/dropbox-token dropbox-long-lived-api-token dropbox-short-lived-api-token
secrets/newrelic-key new-relic-user-api-key new-relic-insert-key
secrets/grafana-token grafana-api-key grafana-cloud-api-token grafana-service-account-token
secrets/sentry-token sentry-access-token sentry-org-token sentry-user-token
secrets/dynatrace-token dynatrace-api-token
secrets/private-key private-key PrivateKeyDetector
secrets/age-key age-secret-key
secrets/jwt jwt
"""

_GUESSED_SECRETS = frozenset(
    ("generic-api-key", "B105", "B106", "B107", "hashicorp-tf-password", "curl-auth-header", "curl-auth-user")
)
"""Rules that go by the name beside a value. On a line where another tool says what the value is, it is that one."""

_BANDIT = re.compile(r"S(\d{3})")  # ruff's flake8-bandit: https://docs.astral.sh/ruff/rules/#flake8-bandit-s
_PYLINT = re.compile(r"PL([CREWF]\d{4})")
# eslint/no-eval, eslint(no-eval) (oxlint), @typescript-eslint/no-eval: rules that extend those of the same name.
_ESLINT = re.compile(r"(?:(?:eslint|@?typescript-eslint|typescript|@typescript-eslint/eslint-plugin)[/(])([\w-]+)\)?")
_PLUGIN = re.compile(r"([\w@-]+)\(([\w-]+)\)")  # oxlint: react-hooks(exhaustive-deps)
_BIOME = re.compile(r"lint/\w+/([a-z][A-Za-z0-9]+)")  # https://biomejs.dev/linter/rules-sources/
_PREFIXED = re.compile(r"(?:[A-Z]+\d+:|gosec: ?)(?=[A-Z])")
_DOTTED = re.compile(r"[\w-]+(?:\.[\w-]+){2,}")  # semgrep: python.lang.security.….insecure-hash-algorithm-md5


def facts(rule: str) -> frozenset[str]:
    """What a rule reports, under names that all tools share; mostly one. Rules that share one report the same fact."""
    return _facts()[0].get(plain(rule), frozenset((plain(rule),)))


def same(a: str, b: str) -> bool:
    """Whether two rules that fire on the same lines report one fact."""
    if a == b or not facts(a).isdisjoint(facts(b)):
        return True
    return (_is_guess(a) and _is_secret(b)) or (_is_guess(b) and _is_secret(a))


@functools.cache
def plain(rule: str) -> str:
    """A rule's name without what one tool puts around the name that others print too."""
    if found := _BANDIT.fullmatch(rule):
        return f"B{found[1]}"
    if found := _PYLINT.fullmatch(rule) or _ESLINT.fullmatch(rule) or _BIOME.fullmatch(rule):
        return _camel(found[1])
    if found := _PLUGIN.fullmatch(rule):
        return f"{found[1]}/{found[2]}"
    if _DOTTED.fullmatch(rule) and (last := rule.rpartition(".")[2]) in _facts()[0]:
        return last
    return _PREFIXED.sub("", rule, count=1)


def _camel(name: str) -> str:
    """biome's names are eslint's in camel case, but for those in the table."""
    if name in _facts()[0] or "-" in name or not re.search(r"[a-z][A-Z]", name):
        return name
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


@functools.cache
def _facts() -> tuple[dict[str, frozenset[str]], frozenset[str]]:
    """(rule -> the facts it reports, rules about secrets)"""
    found: dict[str, set[str]] = {}
    secret: set[str] = set()
    for row, line in enumerate(_FACTS.split("\n")):
        for rule in (names := line.split()):
            found.setdefault(rule, set()).add(f"{names[0]}#{row}")
        if line.startswith("secrets/"):
            secret.update(names)
    return {rule: frozenset(rows) for rule, rows in found.items()}, frozenset(secret)


def _is_guess(rule: str) -> bool:
    return plain(rule) in _GUESSED_SECRETS


def _is_secret(rule: str) -> bool:
    return rule.startswith("secrets/") or plain(rule) in _facts()[1] or _is_guess(rule)
