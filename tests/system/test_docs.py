#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Help texts, man pages and completions tell the same story."""

import os
import re
import subprocess

import hw

COMMANDS = ["record", "report", "script", "flame", "stats", "export", "doctor", "daemon"]
NOT_IN_MAN = {"--help"}


def help_options(command):
    """The long options that a subcommand's help lists."""
    text = hw.run(command, "--help").stdout
    return set(re.findall(r"^ +(?:-[A-Za-z], )?(--[a-z][a-z-]*)", text, re.MULTILINE))


def man_options(command):
    """The long options that a man page gives an item of its own."""
    with open(os.path.join(hw.SOURCE, "man", f"homeward-{command}.1"), encoding="utf-8") as page:
        items = [line for line in page if line.startswith(".It Fl ")]
    return {"-" + word for line in items for word in re.findall(r"(?<= )-[a-z][a-z-]*", line.replace(",", " "))}


def test_every_option_is_in_its_man_page_and_no_other():
    for command in COMMANDS:
        told = help_options(command) - NOT_IN_MAN
        described = man_options(command)
        assert told == described, (command, "only in --help:", told - described, "only in man:", described - told)


def test_every_subcommand_is_listed_and_has_examples_or_a_short_help():
    listed = hw.run("--help").stdout
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", listed, re.MULTILINE), command
        assert hw.run("help", command).stdout == hw.run(command, "--help").stdout


def complete(*words):
    """What bash offers for the last of these words."""
    script = (f'PATH={os.path.dirname(hw.HOMEWARD)}:$PATH; source "$1"; shift; COMP_WORDS=("$@"); '
              "COMP_CWORD=$(($# - 1)); compopt() { :; }; _homeward; printf '%s\\n' \"${COMPREPLY[@]}\"")
    completion = os.path.join(hw.SOURCE, "completions", "homeward.bash")
    done = subprocess.run(["bash", "-c", script, "bash", completion, "homeward", *words], text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, timeout=hw.PATIENCE, check=True)
    assert done.stderr == "", done.stderr
    return set(done.stdout.split())


def test_bash_completes_subcommands_options_and_values():
    assert set(COMMANDS) < complete("")
    assert complete("rep") == {"report"}
    for command in COMMANDS:
        assert help_options(command) <= complete(command, "-"), command
    assert complete("record", "--walk", "") == {"auto", "deferred"}
    assert complete("help", "doc") == {"doctor"}


WORDS = {"--backend": "record", "--walk": "record", "--event": "record", "--color": "report", "--group": "report",
         "--sort": "report", "--to": "export", "--prefix": "export", "--weight": "export"}


def offered(name, option):
    """The words that a completion file (of a shell that may not be here) has for the value of an option."""
    with open(os.path.join(hw.SOURCE, "completions", name), encoding="utf-8") as file:
        text = file.read()
    pattern = (rf"__homeward_after [^;']*{option}\b[^']*' -f -a '([^'(]+)'" if name.endswith(".fish")
               else rf"^\t(?:-\w ?\| ?)?{option}(?:\|-\w)?\).*?compadd ([a-z -]+)")
    found = re.search(pattern, text, re.MULTILINE)
    assert found, (name, option)
    return set(found.group(1).replace(" ;;", "").replace("; fi", "").split())


def test_every_shell_completes_the_same_words_and_all_of_them_are_taken():
    for option, command in WORDS.items():
        words = complete(command, option, "")
        assert len(words) > 1, option
        for name in "_homeward", "homeward.fish":
            assert offered(name, option) == words, (name, option)
        for word in words:
            hw.run(command, option, word, "--help")
        hw.run(command, option, "nonsense", "--help", status=2)
    assert "root" in complete("daemon", "--group", "")


def test_docs_name_only_files_that_are_there():
    for name in "README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/where-the-idea-comes-from.md":
        with open(os.path.join(hw.SOURCE, name), encoding="utf-8") as file:
            text = file.read()
        for target in re.findall(r"\]\(([^)#:]+)\)", text) + re.findall(r"`((?:src|tests|scripts)/[\w./-]+)`", text):
            base = hw.SOURCE if target.startswith(("src/", "tests/", "scripts/")) else \
                os.path.dirname(os.path.join(hw.SOURCE, name))
            assert os.path.exists(os.path.join(base, target)), (name, target)


def test_the_commands_of_the_readme_work_as_written():
    hw.need_recording()
    with open(os.path.join(hw.SOURCE, "README.md"), encoding="utf-8") as file:
        tour = re.search(r"^## Tour\n+```\n(.*?)```", file.read(), re.MULTILINE | re.DOTALL).group(1)
    lines = [line.split("#")[0].strip() for line in tour.splitlines()]
    assert len(lines) >= 7, lines
    for line in lines:
        words = line.removeprefix("sudo ").replace("-d 10", "-d 1").replace("make -j4", "sleep 1").split()
        assert words[0] == "homeward", line
        said = hw.run(*words[1:], timeout=hw.PATIENCE)
        assert said.stdout or words[1] in ("record", "flame", "export"), line
    assert os.path.getsize("flame.html") > 10000


if __name__ == "__main__":
    hw.main(globals())
