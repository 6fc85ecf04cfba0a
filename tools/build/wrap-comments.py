#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# wrap-comments.py FILE...: break comments of Rust sources at 100 columns, which is where
# checkpatch draws the line (rustfmt leaves comments alone). Only paragraphs with a line
# that is too long are touched; tables, code, lists of links and SAFETY lines keep their form.

import re
import sys
import textwrap

WIDTH = 100
COMMENT = re.compile(r"^(\s*)(//[/!]?)( .*)?$")
# What begins a paragraph of its own: list items, headings, tables, code.
START = re.compile(r"^\s*([-*] |\d+\. |#|\||```|\[[^]]+\]: |(SAFETY|INVARIANT|CAST|PANIC)\b)")


def columns(line):
    return len(line.expandtabs(8))


def wrap(prefix, words, hang):
    return textwrap.wrap(" ".join(words), WIDTH - len(prefix.expandtabs(8)) - 1, initial_indent=" " * hang[0],
                         subsequent_indent=" " * hang[1], break_long_words=False, break_on_hyphens=False)


def paragraph(prefix, lines):
    """One paragraph of a comment, its lines without the prefix."""
    if all(columns(prefix + line) <= WIDTH for line in lines):
        return [prefix + line for line in lines]
    first = lines[0][1:]
    if first.lstrip().startswith(("|", "#")):
        return [prefix + line for line in lines]
    indent = len(first) - len(first.lstrip())
    item = re.match(r"[-*] |\d+\. ", first.lstrip())
    hang = (indent, indent + (len(item.group()) if item else 0))
    words = " ".join(line.strip() for line in lines).split(" ")
    return [f"{prefix} {line}" for line in wrap(prefix, words, hang)]


def block(indent, mark, lines):
    """A run of comment lines with the same prefix."""
    prefix, out, para, code = indent + mark, [], [], False

    def flush():
        if para:
            out.extend(paragraph(prefix, para))
            para.clear()

    for line in lines:
        if line.strip().startswith("```"):
            flush()
            code = not code
            out.append(prefix + line)
        elif code or not line.strip():
            flush()
            out.append(prefix + line)
        else:
            if START.match(line):
                flush()
            para.append(line)
    flush()
    return out


def main():
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        out, run, key = [], [], None
        for line in text.split("\n") + [None]:
            match = line is not None and COMMENT.match(line)
            if match and key == match.groups()[:2]:
                run.append(match.group(3) or "")
                continue
            if run:
                out += block(*key, run)
                run, key = [], None
            if match:
                key, run = match.groups()[:2], [match.group(3) or ""]
            elif line is not None:
                out.append(line)
        new = "\n".join(out)
        if new != text:
            with open(path, "w", encoding="utf-8") as file:
                file.write(new)
            print(path)


main()
