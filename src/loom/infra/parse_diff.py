"""Bytes of a diff to `core.diff` values.

Where git's raw records are at hand, paths, modes and statuses come from them and the text gives only the hunks; a diff
that came as text alone is read from its headers. One file that cannot be read is marked so, the others are kept;
SourceError only when nothing honest can be said about the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from loom.core.change import Unread
from loom.core.diff import FileChange, Hunk, Status, decode_path
from loom.core.errors import SourceError
from loom.infra import diff_names as names
from loom.infra.diff_sections import Scanner, Section

_STATUS: dict[str, Status] = {
    "A": "added",
    "C": "copied",
    "D": "deleted",
    "M": "modified",
    "R": "renamed",
    "T": "typechange",
}
_NO_MODE = "000000"
_GITLINK = "160000"


@dataclass(frozen=True, slots=True)
class ParsedDiff:
    """The files of a diff in its order, and the parts of it that not even a path could be given to."""

    files: tuple[FileChange, ...]
    unread: tuple[Unread, ...] = ()


def parse(patch: bytes, *, records: bytes | None = None) -> ParsedDiff:
    """Read a diff. `records` is what `git diff-tree -r --raw -z --no-abbrev` printed for the same two trees.

    Raises SourceError, naming the byte, for text that is no diff, or that may pretend to be one.
    """
    if records is None:
        return _from_headers(Scanner(_normalise(patch)).sections())
    return _from_records(_raw_records(records), list(Scanner(patch).sections()))


# -- with git's records -----------------------------------------------------------------------------------------------


def split_raw(output: bytes) -> tuple[bytes, bytes]:
    """The output of `git diff-tree --raw -p -z` as records and patch: an empty record ends the records."""
    pos = 0
    while output.startswith(b":", pos):
        status_end = output.index(b"\0", pos)
        two_paths = output[pos:status_end].rpartition(b" ")[2][:1] in (b"R", b"C")
        pos = output.index(b"\0", status_end + 1) + 1
        if two_paths:
            pos = output.index(b"\0", pos) + 1
    return output[:pos], output[pos:].removeprefix(b"\0")


def _raw_records(records: bytes) -> Iterator[FileChange]:
    """The changes without their hunks; `Status` "mode" when only the mode differs."""
    fields = iter(records.split(b"\0"))
    for head in fields:
        if not head:
            return
        old_mode, new_mode, old_sha, new_sha, letter = head.decode("ascii").removeprefix(":").split(" ")
        old = decode_path(next(fields))
        new = decode_path(next(fields)) if letter[0] in "RC" else old
        status = _STATUS.get(letter[0], "modified")
        if status == "modified" and old_sha == new_sha and old_mode != new_mode:
            status = "mode"
        yield FileChange(
            path=new,
            status=status,
            old_path=old if old != new else None,
            old_mode=_known(old_mode),
            new_mode=_known(new_mode),
            old_sha=_known(old_sha),
            new_sha=_known(new_sha),
            unreadable="it has merge conflicts and no one content" if letter[0] == "U" else None,
        )


def _known(value: str) -> str | None:
    """A mode or an id; None for the zeros that stand for "not there"."""
    return value if value.strip("0") else None


def _from_records(records: Iterable[FileChange], sections: list[Section]) -> ParsedDiff:
    """Pair by order: git prints a section for each record, two for a change of type."""
    files = []
    pos = 0
    for record in records:
        count = 2 if record.status == "typechange" else 1
        files.append(_filled(record, sections[pos : pos + count], count))
        pos += count
    unread = [Unread(None, f"the part of the diff at byte {s.offset} belongs to no file") for s in sections[pos:]]
    return ParsedDiff(tuple(files), tuple(unread))


def _filled(record: FileChange, sections: list[Section], count: int) -> FileChange:
    if record.unreadable is not None:
        return record
    if len(sections) < count:
        return replace(record, unreadable="its part of the diff is missing (cut off)")
    problem = next((s.problem for s in sections if s.problem), None)
    if problem is None and not all(_is_about(s, record) for s in sections):
        problem = "git's list of files and its diff do not agree"
    return _with_content(record, sections, problem)


def _is_about(section: Section, record: FileChange) -> bool:
    """Whether the blob ids of the section are the record's; a section without ids has no content to misplace."""
    ids = section.fields.get(b"index", b"").split(b" ")[0].decode("ascii", "replace")
    if not ids:
        return True
    known = [sha for sha in (record.old_sha, record.new_sha) if sha is not None]
    return all(not part.strip("0") or any(sha.startswith(part) for sha in known) for part in ids.split(".."))


def _with_content(change: FileChange, sections: list[Section], problem: str | None) -> FileChange:
    if problem is not None:
        return replace(change, unreadable=problem)
    if not any(section.hunks or section.binary for section in sections):
        return change  # a name or a mode: 200,000 of them stand in 20 MB, and a copy takes a third of the time
    return replace(
        change,
        binary=any(section.binary for section in sections),
        hunks=tuple(hunk for section in sections for hunk in section.hunks),
        added=sum(section.added for section in sections),
        deleted=sum(section.deleted for section in sections),
    )


# -- from headers alone -----------------------------------------------------------------------------------------------


def _normalise(patch: bytes) -> bytes:
    """Undo what transports do to a whole diff: a byte order mark, and CRLF on every line."""
    if patch.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SourceError(
            "the diff is UTF-16 text (byte 0), as PowerShell's `>` writes it",
            hint="let git write the file: `git diff --output=change.diff BASE HEAD`",
            slug="diff-unreadable",
        )
    patch = patch.removeprefix(b"\xef\xbb\xbf")
    if not patch.partition(b"\n")[0].endswith(b"\r"):
        return patch
    if patch.count(b"\r\n") != patch.count(b"\n"):
        raise SourceError(
            "some lines of the diff end in CRLF, its first one too, others in LF: it was altered on its way",
            hint="transfer it as binary, or make it again with `git diff`",
            slug="diff-unreadable",
        )
    return patch.replace(b"\r\n", b"\n")


def _from_headers(sections: Iterator[Section]) -> ParsedDiff:
    files: dict[str, FileChange] = {}
    unread: list[Unread] = []
    inside: list[str] = []  # submodules whose own files follow (--submodule=diff): not files of this repository
    for section in sections:
        change = _submodule(section) if section.style == "submodule" else _change(section)
        if isinstance(change, Unread):
            unread.append(change)
            continue
        if section.style == "submodule":
            inside.append(change.path + "/")
        elif change.path.startswith(tuple(inside)):
            continue
        before = files.get(change.path)
        merged = change if before is None else _as_typechange(before, change)
        if merged is None:
            unread.append(Unread(change.path, "it stands more than once in the diff; only its first part was read"))
        else:
            files[change.path] = merged
    return ParsedDiff(tuple(files.values()), tuple(unread))


def _change(section: Section) -> FileChange | Unread:
    pair = _names(section)
    if pair is None:
        return Unread(None, f"the name of the file at byte {section.offset} of the diff cannot be made out")
    old, new = (decode_path(name) for name in pair)
    fields = section.fields
    status = _status(section)
    old_mode, new_mode, old_sha, new_sha = _modes_and_ids(section)
    change = FileChange(
        path=old if status == "deleted" else new,
        status=status,
        old_path=old if old != new and (b"rename from" in fields or b"copy from" in fields) else None,
        old_mode=old_mode,
        new_mode=new_mode,
        old_sha=old_sha,
        new_sha=new_sha,
    )
    return _with_content(change, [section], section.problem)


def _names(section: Section) -> tuple[bytes, bytes] | None:
    fields = section.fields
    match section.style:
        case "combined":
            return (names.unquote(section.line),) * 2
        case "name-only":
            return (names.unquote(section.line.replace(b": ", b"/")),) * 2
        case "plain" if b"+++" not in fields:
            return names.binary_line(section.line)
        case "plain":
            return names.plain_pair(fields[b"---"], fields[b"+++"])
    for kind in (b"rename", b"copy"):
        if kind + b" from" in fields and kind + b" to" in fields:
            return names.unquote(fields[kind + b" from"]), names.unquote(fields[kind + b" to"])
    pair = names.git_line(section.line)
    if pair is None and b"---" in fields and b"+++" in fields:  # prefixes of different lengths
        return names.plain_pair(fields[b"---"], fields[b"+++"])
    return pair


def _status(section: Section) -> Status:
    fields = section.fields
    if b"new file mode" in fields:
        return "added"
    if b"deleted file mode" in fields:
        return "deleted"
    if b"rename to" in fields:
        return "renamed"
    if b"copy to" in fields:
        return "copied"
    if section.style == "plain" and b"+++" in fields:
        return _plain_status(section)
    return "mode" if b"old mode" in fields and b"index" not in fields else "modified"


def _plain_status(section: Section) -> Status:
    lone = section.hunks[0] if len(section.hunks) == 1 else None
    if lone and lone.old_start == lone.old_count == 0 and names.dated_nowhere(section.fields[b"---"]):
        return "added"
    if lone and lone.new_start == lone.new_count == 0 and names.dated_nowhere(section.fields[b"+++"]):
        return "deleted"
    return "modified"


def _modes_and_ids(section: Section) -> tuple[str | None, str | None, str | None, str | None]:
    """Old and new mode, old and new id; None where the header does not say."""
    fields = {name: value.decode("ascii", "replace") for name, value in section.fields.items()}
    ids, _, mode = fields.get(b"index", "").partition(" ")
    old_sha, _, new_sha = ids.partition("..")
    old_mode = fields.get(b"old mode") or fields.get(b"deleted file mode") or mode
    new_mode = fields.get(b"new mode") or fields.get(b"new file mode") or mode
    return _known(old_mode), _known(new_mode), _known(old_sha), _known(new_sha)


def _as_typechange(old: FileChange, new: FileChange) -> FileChange | None:
    """A deletion and an addition of one path, of different types, as git prints `T`; None when they are not that."""
    types = (old.old_mode or "")[:3], (new.new_mode or "")[:3]
    if (old.status, new.status) != ("deleted", "added") or types[0] == types[1]:
        return None
    return replace(
        new,
        status="typechange",
        old_mode=old.old_mode,
        old_sha=old.old_sha,
        binary=old.binary or new.binary,
        hunks=old.hunks + new.hunks,
        added=old.added + new.added,
        deleted=old.deleted + new.deleted,
        unreadable=old.unreadable or new.unreadable,
    )


def _submodule(section: Section) -> FileChange:
    """`--submodule=log` and `=diff` say it in words; here it becomes the lines that git's short form prints."""
    old, new = (_known(section.fields[side].decode("ascii")) for side in (b"old", b"new"))
    lines = [sign + b"Subproject commit " + sha.encode() for sign, sha in ((b"-", old), (b"+", new)) if sha]
    hunk = Hunk(
        int(old is not None), int(old is not None), int(new is not None), int(new is not None), "", b"\n".join(lines)
    )
    status: Status = "added" if old is None else "deleted" if new is None else "modified"
    return FileChange(
        path=decode_path(section.line),
        status=status,
        old_mode=_GITLINK if old else None,
        new_mode=_GITLINK if new else None,
        old_sha=old,
        new_sha=new,
        hunks=(hunk,),
        added=hunk.new_count,
        deleted=hunk.old_count,
    )
