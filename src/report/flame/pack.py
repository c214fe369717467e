#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""pack.py OUTPUT.c page.html STYLE.css NOSCRIPT.css SCRIPT.js…: the flame graph page as a C array.

Style and script are put into the page together with their hashes, which is all that its content security
policy lets run: whatever a recording's names hold, nothing else does.
"""
import base64
import hashlib
import sys

LICENCE = "SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause"


def read(name):
    with open(name, encoding="utf-8") as file:
        return file.read()


def without_licence(text):
    return "".join(line for line in text.splitlines(keepends=True) if LICENCE not in line)


def digest(text):
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def main():
    target, page, style, noscript, *scripts = sys.argv[1:]
    code = "".join(without_licence(read(name)) for name in scripts)
    parts = {
        "STYLE": "\n" + without_licence(read(style)),
        "NOSCRIPT_STYLE": "\n" + without_licence(read(noscript)),
        # One scope of its own: nothing but window.homeward is seen from outside.
        "SCRIPT": '\n"use strict";\n(() => {\n' + code + "})();\n",
    }
    text = read(page)
    for name, part in parts.items():
        assert "</" not in part, f"{name} would end its element"
        text = text.replace(f"@@{name}_HASH@@", digest(part)).replace(f"@@{name}@@", part)
    for mark in ("@@TITLE@@", "@@SUMMARY@@", "@@DATA@@"):
        assert text.count(mark) == 1, f"{mark} must be in the page once"
    data = text.encode()
    with open(target, "w", encoding="ascii") as out:
        out.write('#include "report/flame.h"\n\nconst unsigned char hw_flame_page[] = {\n')
        for at in range(0, len(data), 24):
            out.write(",".join(map(str, data[at : at + 24])) + ",\n")
        out.write("};\nconst size_t hw_flame_page_size = sizeof(hw_flame_page);\n")


if __name__ == "__main__":
    main()
