#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# series.py REPO SRC PRISTINE WANTED OUT VERSION: write this repository's kernel part as a
# numbered patch series into OUT. Called by series.sh.
#
# SRC is the prepared kernel tree, PRISTINE has the originals of the files in it that hooks
# change, WANTED lists all paths that the tree differs in. REPO/tools/series has a file for
# each patch, taken in the order of their names, and cover.txt for the cover letter:
#
#   # comment
#   x86/slaunch: What the patch does
#
#   Why, in lines of at most 75 columns.
#
#   ---
#   large: why it has more than 800 added lines      (only then)
#   arch/x86/slaunch/core/*.rs                       whole files
#   arch/x86/Kconfig  only /re/                      lines of a file, as below
#
# What a path is followed by chooses among the lines that the prepared tree has and the
# original does not; a new file consists of such lines alone.
#
#   only /RE/             each line that matches
#   only /RE/,/RE/        from each line that matches the first to the next one that
#                         matches the second; "+1" after it is one line more
#   only /RE/,$           to the end of the file
#   except ...            all that is left but these; "only" and "except" may be repeated
#
# Lines that replace others come together with the removal of those, all or none of them.
# Each line is in exactly one patch: one that is taken twice or left over is an error. In
# the end what the patches add up to is compared with the prepared tree.
#
# New entries of MAINTAINERS name nobody: whoever sends the series stands for them.

import datetime
import email.utils
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tempfile

LARGE = 800
WIDTH = 75
SELECTOR = re.compile(r"(only|except)\s+/((?:[^/\\]|\\.)+)/(?:,(?:/((?:[^/\\]|\\.)+)/|(\$))(?:\+(\d+))?)?\s*")


class Wrong(Exception):
    """Something in the description of the series."""


def lines_of(path):
    with open(path, "rb") as file:
        return file.read().splitlines(keepends=True)


class Piece:
    """Lines of the prepared file, and the lines of the original that they replace."""

    def __init__(self, old, new):
        self.old, self.new = old, new


class File:
    """A file on its way from the original (if there is one) to the prepared tree."""

    def __init__(self, path, original, prepared):
        self.path = path
        self.executable = os.access(prepared, os.X_OK)
        self.final = lines_of(prepared)
        self.old = lines_of(original) if os.path.exists(original) else None
        # Each with the line number in `old` that it stands before.
        self.pieces = []
        if self.old is None:
            self.pieces.append((0, Piece([], range(len(self.final)))))
        else:
            self.compare(original, prepared)
        # Which patch has taken a line of `final`; a removal goes by its place in `pieces`.
        self.taken = {}

    def compare(self, original, prepared):
        diff = subprocess.run(["diff", "-a", "-U0", original, prepared], stdout=subprocess.PIPE).stdout
        for head in re.finditer(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", diff, re.M):
            a, na, b, nb = (int(x) if x else 1 for x in head.groups())
            start = a - 1 if na else a
            self.pieces.append((start, Piece(range(start, start + na), range(b - 1, b - 1 + nb))))

    def units(self):
        """What can be taken: sets of keys into `taken`."""
        for at, (_, piece) in enumerate(self.pieces):
            if piece.old:
                yield [("old", at)] + list(piece.new)
            else:
                for line in piece.new:
                    yield [line]

    def chosen(self, selectors):
        """The lines of the file that these selectors match."""
        added = sorted(line for _, piece in self.pieces for line in piece.new)
        groups = {"only": set(), "except": set()}
        for kind, first, last, end, more in selectors:
            found, inside, extra = set(), False, 0
            for line in added:
                text = self.final[line].decode("utf-8", "replace").rstrip("\n")
                if inside:
                    found.add(line)
                    if last and re.search(last, text):
                        inside, extra = False, int(more or 0)
                elif re.search(first, text):
                    found.add(line)
                    inside = bool(last or end)
                elif extra:
                    found.add(line)
                    extra -= 1
            if not found:
                raise Wrong(f"{self.path}: nothing in it matches /{first}/")
            if inside and last:
                raise Wrong(f"{self.path}: nothing after /{first}/ matches /{last}/")
            groups[kind] |= found
        return groups["only"], groups["except"]

    def take(self, patch, selectors):
        only, left = self.chosen(selectors)
        # By name a line is taken once; a plain path and "except" mean what is left.
        strict = only or not selectors and not self.left()
        count = 0
        for unit in self.units():
            if only and not only & set(unit):
                continue
            if left & set(unit):
                continue
            for key in unit:
                other = self.taken.get(key)
                if other is not None and other is not patch:
                    if strict:
                        raise Wrong(f"{self.path}: in {other.name} and in {patch.name}")
                    break
                self.taken[key] = patch
                count += 1
        if not count:
            raise Wrong(f"{self.path}: nothing is left of it for {patch.name}")

    def left(self):
        """How much of it is in no patch yet."""
        return sum(key not in self.taken for unit in self.units() for key in unit)

    def content(self):
        """As it is with what has been taken so far; None if there is nothing yet."""
        if self.old is None and not self.taken:
            return None
        result, at = [], 0
        for number, (start, piece) in enumerate(self.pieces):
            result += (self.old or [])[at:start]
            at = start
            if piece.old:
                if ("old", number) in self.taken:
                    at = piece.old[-1] + 1
            result += [self.final[line] for line in piece.new if line in self.taken]
        return b"".join(result + (self.old or [])[at:])


class Patch:
    def __init__(self, path):
        self.name = os.path.basename(path)
        with open(path, encoding="utf-8") as file:
            text = "".join(line for line in file if not line.startswith("#"))
        try:
            message, self.wanted = re.split(r"^---\n", text, maxsplit=1, flags=re.M)
        except ValueError:
            raise Wrong(f"{self.name}: no line \"---\" between message and files") from None
        self.message = message.strip() + "\n"
        self.subject = self.message.splitlines()[0]
        self.large = None
        self.check()

    def check(self):
        lines = self.message.splitlines()
        if len(lines) < 3 or lines[1]:
            raise Wrong(f"{self.name}: a subject, an empty line and a reason are wanted")
        for line in lines:
            if len(line) > WIDTH and " " in line.strip():
                raise Wrong(f"{self.name}: more than {WIDTH} columns: {line}")

    def take(self, files):
        for line in self.wanted.splitlines():
            if not line.strip():
                continue
            if line.startswith("large:"):
                self.large = line[6:].strip()
                continue
            pattern, _, rest = line.strip().partition(" ")
            rest = rest.strip()
            selectors, at = [], 0
            while at < len(rest):
                match = SELECTOR.match(rest, at)
                if not match:
                    raise Wrong(f"{self.name}: not understood: {rest[at:]}")
                selectors.append(match.groups())
                at = match.end()
            found = [f for p, f in files.items() if fnmatch.fnmatchcase(p, pattern)]
            # A pattern does not go below its own directory.
            found = [f for f in found if f.path.count("/") == pattern.count("/")]
            if not found:
                raise Wrong(f"{self.name}: there is no {pattern}")
            for file in found:
                file.take(self, selectors)


def git(where, *words, **more):
    return subprocess.run(("git", "-C", where) + words, check=True, stdout=subprocess.PIPE,
                          text=True, **more).stdout


def write(work, file):
    content = file.content()
    if content is None:
        return
    path = os.path.join(work, file.path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(content)
    os.chmod(path, 0o755 if file.executable else 0o644)


def identity(repo):
    """The caller's: who signs off."""
    try:
        return [git(repo, "config", f"user.{what}").strip() for what in ("name", "email")]
    except subprocess.CalledProcessError:
        raise Wrong("git does not know who you are, and patches are signed off: "
                    "git config --global user.name ..., user.email ...") from None


def commit(work, who, date, message):
    env = dict(os.environ, GIT_AUTHOR_NAME=who[0], GIT_AUTHOR_EMAIL=who[1], GIT_COMMITTER_NAME=who[0],
               GIT_COMMITTER_EMAIL=who[1], GIT_AUTHOR_DATE=date, GIT_COMMITTER_DATE=date)
    git(work, "add", "-A", "-f")
    git(work, "commit", "-q", "-s", "--no-verify", "-F", "-", input=message, env=env)


def added_lines(work):
    """Lines that the last commit adds."""
    stat = git(work, "show", "--numstat", "--format=", "HEAD")
    return sum(int(line.split("\t")[0]) for line in stat.splitlines() if line[:1].isdigit())


def cover(repo, out, version, date, patches):
    """Fill in what git leaves open in the cover letter."""
    with open(os.path.join(repo, "tools/series/cover.txt"), encoding="utf-8") as file:
        text = "".join(line for line in file if not line.startswith("#")).strip()
    subject, _, body = text.partition("\n")
    body = body.strip() + f"\n\nThe series applies to Linux {version}.\n"
    large = [p for p in patches if p.large]
    if large:
        body += f"\nPatches with more than {LARGE} added lines:\n\n"
        body += "".join(f"  {p.subject}\n    {p.large}\n" for p in large)
    path = os.path.join(out, "0000-cover-letter.patch")
    with open(path, encoding="utf-8") as file:
        letter = file.read()
    for mark, words in (("*** SUBJECT HERE ***", subject), ("*** BLURB HERE ***\n", body)):
        if mark not in letter:
            raise Wrong(f"git's cover letter has no \"{mark.strip()}\"")
        letter = letter.replace(mark, words, 1)
    # Git has today's.
    stamp = email.utils.format_datetime(datetime.datetime.fromisoformat(date))
    letter = re.sub(r"^Date: .*$", "Date: " + stamp, letter, count=1, flags=re.M)
    with open(path, "w", encoding="utf-8") as file:
        file.write(letter)


def with_maintainer(pristine, src, work, who):
    """A copy of the prepared MAINTAINERS whose new entries that name nobody name the sender."""
    with open(pristine, encoding="utf-8") as file:
        known = set(file.read().splitlines())
    with open(src, encoding="utf-8") as file:
        lines = file.read().splitlines()
    result, before = [], ""
    for line, after in zip(lines, lines[1:] + [""]):
        result.append(line)
        # A title, and what comes first in an entry.
        if not before and line and line not in known and not after.startswith("M:"):
            result.append(f"M:\t{who[0]} <{who[1]}>")
        before = line
    path = os.path.join(work, "MAINTAINERS")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(result) + "\n")
    return path


def compare(work, prepared):
    """The sum of the patches against the prepared tree."""
    listed = set(git(work, "ls-files").splitlines())
    wrong = sorted(listed ^ set(prepared))
    for path in sorted(listed & set(prepared)):
        a, b = os.path.join(work, path), prepared[path]
        with open(a, "rb") as left, open(b, "rb") as right:
            if left.read() != right.read() or os.access(a, os.X_OK) != os.access(b, os.X_OK):
                wrong.append(path)
    if wrong:
        raise Wrong("the sum of the series is not the prepared tree: " + ", ".join(wrong))


def main():
    repo, src, pristine, wanted, out, version = sys.argv[1:]
    folder = os.path.join(repo, "tools/series")
    names = sorted(n for n in os.listdir(folder) if re.fullmatch(r"\d{3}-[a-z0-9-]+\.txt", n))
    patches = [Patch(os.path.join(folder, n)) for n in names]
    with open(wanted, encoding="utf-8") as file:
        paths = file.read().split()
    who = identity(repo)
    prepared = {p: os.path.join(src, p) for p in paths}
    made = tempfile.TemporaryDirectory()
    if "MAINTAINERS" in prepared:
        known = os.path.join(pristine, "MAINTAINERS")
        prepared["MAINTAINERS"] = with_maintainer(known, prepared["MAINTAINERS"], made.name, who)
    files = {p: File(p, os.path.join(pristine, p), prepared[p]) for p in paths}
    date = git(repo, "log", "-1", "--format=%cI").strip()

    work = out + ".work"
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    git(work, "init", "-q", "-b", "series")
    git(work, "config", "core.autocrlf", "false")
    git(work, "config", "gc.auto", "0")
    git(work, "config", "commit.gpgSign", "false")
    for file in files.values():
        write(work, file)
    commit(work, who, date, "Linux " + version + "\n")

    for patch in patches:
        patch.take(files)
        for file in files.values():
            if patch in file.taken.values():
                write(work, file)
        commit(work, who, date, patch.message)
        count = added_lines(work)
        if count > LARGE and not patch.large:
            raise Wrong(f"{patch.name}: {count} added lines, more than {LARGE}: split it, or say why (\"large:\")")
        if count <= LARGE and patch.large:
            raise Wrong(f"{patch.name}: not large, {count} added lines")
    left = sorted(f.path for f in files.values() if f.left())
    if left:
        raise Wrong("not in any patch, or not all of it: " + ", ".join(left))
    compare(work, prepared)

    shutil.rmtree(out, ignore_errors=True)
    root = git(work, "rev-list", "--max-parents=0", "HEAD").strip()
    git(work, "-c", f"user.name={who[0]}", "-c", f"user.email={who[1]}", "format-patch", "-q", "--cover-letter", "--zero-commit",
        "--no-signature", "-o", out, root)
    cover(repo, out, version, date, patches)
    shutil.rmtree(work)
    print(f"{len(patches)} patches, {len(files)} files")


try:
    main()
except Wrong as wrong:
    print(f"error: {wrong}", file=sys.stderr)
    sys.exit(1)
