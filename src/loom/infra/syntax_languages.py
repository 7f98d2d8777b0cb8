"""Which language a path promises: one with a grammar in ast-grep, or one that rules know by its lines only."""

from __future__ import annotations

from pathlib import PurePosixPath

_EXTENSIONS = {
    "python": "py pyi pyw",
    "javascript": "js jsx mjs cjs",
    "typescript": "ts mts cts",
    "tsx": "tsx",
    "go": "go",
    "java": "java",
    "kotlin": "kt kts",
    "ruby": "rb rake gemspec ru",
    "php": "php phtml",
    "csharp": "cs csx",
    "c": "c h",
    "cpp": "cc cpp cxx c++ hh hpp hxx ipp",
    "rust": "rs",
    "bash": "sh bash zsh ksh bats",
    "swift": "swift",
    "scala": "scala sc sbt",
    "lua": "lua",
    "html": "html htm xhtml",
    "css": "css",
    "json": "json",
    "yaml": "yaml yml",
    "hcl": "tf hcl tfvars",
    "elixir": "ex exs",
    "haskell": "hs",
    "solidity": "sol",
    "nix": "nix",
    "markdown": "md markdown",
    "dart": "dart",
}
_BY_EXTENSION = {extension: language for language, names in _EXTENSIONS.items() for extension in names.split()}
_BY_NAME = {
    "gemfile": "ruby", "rakefile": "ruby", "vagrantfile": "ruby", "podfile": "ruby", "brewfile": "ruby",
    ".bashrc": "bash", ".bash_profile": "bash", ".profile": "bash", ".zshrc": "bash", "pkgbuild": "bash",
    "sconstruct": "python", "sconscript": "python", "wscript": "python",
}  # fmt: skip

LANGUAGES = frozenset(_EXTENSIONS)
"""Every language with a grammar. Asking ast-grep for another one is a Rust panic with a backtrace on stderr, so all
calls check against this set first."""

_LINE_EXTENSIONS = {
    "dockerfile": "dockerfile containerfile",
    "sql": "sql ddl dml pgsql",
    "toml": "toml",
    "ini": "ini cfg conf",
    "properties": "properties",
    "make": "mk mak",
    "powershell": "ps1 psm1",
    "groovy": "groovy gradle jenkinsfile",
    "xml": "xml xsd xsl csproj vbproj props targets",
    "text": "txt",
}
_LINES_BY_EXTENSION = {name: language for language, names in _LINE_EXTENSIONS.items() for name in names.split()}
_LINES_BY_NAME = {
    "dockerfile": "dockerfile", "containerfile": "dockerfile", "makefile": "make", "gnumakefile": "make",
    "jenkinsfile": "groovy", ".env": "properties", ".npmrc": "properties", ".editorconfig": "ini", ".gitconfig": "ini",
}  # fmt: skip

LINE_LANGUAGES = frozenset(_LINE_EXTENSIONS)
"""Languages without a grammar, known by their lines only."""


def language_of(path: str) -> str | None:
    """The language that a path's name promises; None where there is no grammar for it."""
    name = PurePosixPath(path).name.lower()
    if name in _BY_NAME:
        return _BY_NAME[name]
    _, dot, extension = name.rpartition(".")
    return _BY_EXTENSION.get(extension) if dot else None


def rule_language_of(path: str) -> str | None:
    """The language that rules know a path by: one with a grammar, or one of LINE_LANGUAGES."""
    name = PurePosixPath(path).name.lower()
    if name in _LINES_BY_NAME:
        return _LINES_BY_NAME[name]
    if name.startswith(("dockerfile.", "dockerfile-", "dockerfile_", "containerfile.")):
        return "dockerfile"
    return language_of(path) or _LINES_BY_EXTENSION.get(name.rpartition(".")[2] if "." in name else "")
