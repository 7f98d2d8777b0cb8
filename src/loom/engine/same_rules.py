"""Which rules of different tools report one fact. Data, with the few regularities of names that save most of it: what
is not here and is not said in like words stays two findings, which is better than one that hides the other."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

# One fact a line, its rules by the names their tools print; where a tool prints two names for a rule, both. pylint's
# numbers stand as pylint has them (ruff's PLW0102 is W0102), bandit's as bandit has them (ruff's S324 is B324). A rule
# with `=` reports much besides: it means the fact only beside another that begins on the same line. Sources: each
# tool's rule index, for CSS https://biomejs.dev/linter/css/sources; the pairs in Python, JavaScript and those of
# several languages were seen on the output of the tools themselves (tests/cases/same_rules).
#
# Facts that a rule of ours reports; that one comes first.
_OURS = """
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
unsafe-yaml-load B506 avoid-pyyaml-load Security/YAMLLoad
unsafe-deserialisation B301 B302 avoid-pickle
shell-injection B602 subprocess-shell-true
shell-injection B605
sql-injection B608 G201 G202
code-injection B307 W0123 eval-used eval-detected no-eval noGlobalEval Security/Eval
code-injection B102 W0122 exec-used exec-detected
debug-server B201 active-debug-code-flask
world-writable B103 insecure-file-permissions
weak-password-hash B324 insecure-hash-algorithm-md5 insecure-hash-algorithm-sha1 insecure-hash-algorithms G401
insecure-random B311 G404
insecure-temp-file B306
tls-verification-off B501 disabled-cert-validation G402
resource-not-closed SIM115 R1732 consider-using-with
self-assignment W0127 self-assigning-variable no-self-assign noSelfAssign self_assignment SA4018
repeated-condition no-dupe-else-if noDuplicateElseIf
modified-while-iterating B909 W4701 modified-iterating-list E4702 modified-iterating-dict E4703 modified-iterating-set
short-rsa-key B505 weak-cryptographic-key
unpinned-action zizmor/unpinned-uses unpinned-uses
workflow-injection zizmor/template-injection template-injection run-shell-injection
untrusted-checkout pull-request-target-code-checkout
unpinned-image DL3006 DL3007
remote-add DL3020
tls-verification-off B323 unverified-ssl-context
unsafe-archive-extraction B202
call-without-timeout B113 W3101 missing-timeout
late-binding-closure B023 W0640 cell-var-from-loop
unanswered-placeholder F507 E1306 too-few-format-args E1305 too-many-format-args
hygiene/debugger no-debugger T100
hygiene/debug-output no-console noConsole noConsoleLog T201
assignment-as-condition no-cond-assign noAssignInExpressions
hygiene/workflow-trigger zizmor/dangerous-triggers dangerous-triggers
hygiene/workflow-permissions zizmor/excessive-permissions excessive-permissions
string-identity StringLiteralEquality UseEqualsToCompareStrings
interrupt-swallowed =EmptyCatchBlock
null-comparison CV05
exit-rescued Lint/RescueException
array-delete-mismatch clang-analyzer-unix.MismatchedDeallocator
use-after-move accessMoved bugprone-use-after-move clang-analyzer-cplusplus.Move
swallowed-everything B110 B112
weak-cipher B304 B305 G405
redirect-order SC2069
storage-not-encrypted CKV_AWS_3 CKV_AWS_16
public-database CKV_AWS_17
open-to-the-internet CKV_AWS_24 CKV_AWS_25
defer-before-error-check SA5001
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

# Facts that only other tools report. The first name stands for the fact; some tools print it, too.
_THEIRS = """
cached-method B019 W1518 method-cache-max-size-none
bare-except E722 B001 W0702
broad-exception BLE001 W0718 broad-exception-caught W0703 broad-except
unused-import F401 W0611
unused-variable F841 W0612 no-unused-vars noUnusedVariables
undefined-name F821 E0602 undefined-variable
redefined-function F811 E0102 function-redefined
reimported F811 W0404
unused-argument ARG001 ARG002 W0613
global-not-assigned F824 W0602 global-variable-not-assigned
no-self-argument N805 E0213
f-string-without-placeholder F541 W1309 f-string-without-interpolation
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
constructor-super noInvalidConstructorSuper
curly useBlockStatements
default-case-last useDefaultSwitchClauseLast
default-param-last useDefaultParameterLast
dot-notation useLiteralKeys
eqeqeq noDoubleEquals
for-direction useValidForDirection
getter-return useGetterReturn
no-case-declarations noSwitchDeclarations
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
block-no-empty noEmptyBlock
custom-property-no-missing-var-function noMissingVarFunction
declaration-block-no-duplicate-custom-properties noDuplicateCustomProperties
declaration-block-no-duplicate-properties noDuplicateProperties
declaration-block-no-shorthand-property-overrides noShorthandPropertyOverrides
declaration-no-important noImportantStyles
font-family-no-duplicate-names noDuplicateFontNames
font-family-no-missing-generic-family-keyword useGenericFontNames
function-linear-gradient-no-nonstandard-direction noInvalidDirectionInLinearGradient
function-no-unknown noUnknownFunction
keyframe-block-no-duplicate-selectors noDuplicateSelectorsKeyframeBlock
keyframe-declaration-no-important noImportantInKeyframe
media-feature-name-no-unknown noUnknownMediaFeatureName
named-grid-areas-no-invalid noInvalidGridAreas
no-descending-specificity noDescendingSpecificity
no-duplicate-at-import-rules noDuplicateAtImportRules
no-invalid-position-at-import-rule noInvalidPositionAtImportRule
at-rule-no-unknown noUnknownAtRules
color-no-invalid-hex parse
property-no-unknown noUnknownProperty
selector-anb-no-unmatchable noUnmatchableAnbSelector
selector-pseudo-class-no-unknown noUnknownPseudoClass
selector-pseudo-element-no-unknown noUnknownPseudoElement
selector-type-no-unknown noUnknownTypeSelector
unit-no-unknown noUnknownUnit
"""

_GUESSED_SECRETS = frozenset(
    ("generic-api-key", "B105", "B106", "B107", "hashicorp-tf-password", "curl-auth-header", "curl-auth-user")
)
"""Rules that go by the name beside a value. On a line where another tool says what the value is, it is that one."""
_OUR_GUESS = "secrets/password-assignment"
"""Ours that guesses."""

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
    return _table().facts.get(plain(rule), frozenset((plain(rule),)))


def same(a: str, b: str, *, one_start: bool = True) -> bool:
    """Whether two rules that fire on the same lines report one fact. `one_start`: whether both begin on one line."""
    if a == b or not facts(a).isdisjoint(facts(b)):
        return True
    if one_start and (_beside(a) & facts(b) or _beside(b) & facts(a)):
        return True
    return (guesses(a) and _is_secret(b)) or (guesses(b) and _is_secret(a))


def known(rule: str) -> bool:
    """Whether the table says what the rule reports: what it does not call the same then is not the same."""
    return plain(rule) in _table().facts


def identity(rule: str) -> str:
    """The name of what a rule reports that does not depend on which tool reports it: our rule's id, where we have one;
    a rule that no other tool is known to share keeps its name."""
    return _OUR_GUESS if guesses(rule) else _table().identities.get(plain(rule), plain(rule))


def guesses(rule: str) -> bool:
    """Whether the rule only guesses that something is a secret, where others know which."""
    return plain(rule) in _GUESSED_SECRETS


@functools.cache
def plain(rule: str) -> str:
    """A rule's name without what one tool puts around the name that others print too."""
    if found := _BANDIT.fullmatch(rule):
        return f"B{found[1]}"
    if found := _PYLINT.fullmatch(rule) or _ESLINT.fullmatch(rule) or _BIOME.fullmatch(rule):
        return _camel(found[1])
    if found := _PLUGIN.fullmatch(rule):
        return f"{found[1]}/{found[2]}"
    if _DOTTED.fullmatch(rule) and (last := rule.rpartition(".")[2]) in _table().facts:
        return last
    return _PREFIXED.sub("", rule, count=1)


def _camel(name: str) -> str:
    """biome's names are eslint's in camel case, but for those in the table."""
    if name in _table().facts or "-" in name or not re.search(r"[a-z][A-Z]", name):
        return name
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


@dataclass(frozen=True, slots=True)
class _Table:
    facts: dict[str, frozenset[str]]
    """Rule -> what it reports."""
    beside: dict[str, frozenset[str]]
    """Rule -> what it means where another rule says so."""
    identities: dict[str, str]
    secrets: frozenset[str]


@functools.cache
def _table() -> _Table:
    facts: dict[str, set[str]] = {}
    beside: dict[str, set[str]] = {}
    secrets: set[str] = set()
    for row, names in enumerate(_rows(_OURS) + _rows(_THEIRS)):
        for rule in names:
            (beside if rule.startswith("=") else facts).setdefault(rule.removeprefix("="), set()).add(
                f"{names[0]}#{row}"
            )
        if names[0].startswith("secrets/"):
            secrets.update(names)
    return _Table(
        facts={rule: frozenset(rows) for rule, rows in facts.items()},
        beside={rule: frozenset(rows) for rule, rows in beside.items()},
        identities=_identities(),
        secrets=frozenset(secrets),
    )


def _rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.strip().split("\n")]


def _identities() -> dict[str, str]:
    """Rule -> the name of its facts: the first in its row. Facts that share a rule of another tool share a name, since
    whoever hears that tool alone cannot tell them apart."""
    ours: dict[str, str] = {}
    for first, *others in _rows(_OURS):
        ours[first] = first
        for rule in others:
            ours[rule] = min(ours.get(rule, first), first)
    groups: list[list[list[str]]] = []
    for row in _rows(_THEIRS):
        touching = [group for group in groups if any(not set(row).isdisjoint(other) for other in group)]
        groups = [group for group in groups if group not in touching]
        groups.append([row, *(other for group in touching for other in group)])
    found: dict[str, str] = {}
    for group in groups:
        rules = {rule for row in group for rule in row}
        name = min((ours[rule] for rule in rules if rule in ours), default=min(row[0] for row in group))
        found |= dict.fromkeys(rules, name)
    return {rule: name for rule, name in (found | ours).items() if not rule.startswith("=")}


def _beside(rule: str) -> frozenset[str]:
    return _table().beside.get(plain(rule), frozenset())


def _is_secret(rule: str) -> bool:
    return rule.startswith("secrets/") or plain(rule) in _table().secrets or guesses(rule)
