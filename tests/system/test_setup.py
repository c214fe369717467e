#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""scripts/setup, on pretended machines: dpkg-query, apt-get and their kin are scripts that write down how they
were called."""

import os
import shutil
import subprocess

import hw

SETUP = os.path.join(hw.SOURCE, "scripts", "setup")
TOOLS = ["bash", "env", "grep", "tail", "mktemp", "rm", "cat", "sed", "touch"]


class Machine:
    """A PATH with only the tools given, in the current directory."""

    def __init__(self, missing=(), dpkg=True, sudo=None, install_fails=0):
        self.home = os.path.abspath(f"machine{len(os.listdir('.'))}")
        os.makedirs(self.home)
        # A copy, because nobody may not be let into the directory of the sources.
        self.program = shutil.copy(SETUP, self.home)
        for tool in TOOLS:
            os.symlink(subprocess.run(["which", tool], check=True, capture_output=True, text=True).stdout.strip(),
                       os.path.join(self.home, tool))
        if dpkg:
            self.script("dpkg-query", f'''shift 3
for name; do case " {' '.join(missing)} " in *" $name "*) ;; *) printf '%s:installed ' "$name" ;; esac; done''')
            self.script("apt-cache", 'echo "  Candidate: 1.0"')
            self.script("apt-get", f'''echo "$@" >>{self.home}/calls
case "$*" in *install*)
	count=$(grep -c install {self.home}/calls)
	if [[ $count -le {install_fails} ]]; then echo "E: no such package"; exit 100; fi ;;
esac''')
        if sudo is not None:
            self.script("sudo", f'echo "sudo $*" >>{self.home}/calls; [[ $1 == -n ]] && shift; {sudo} && "$@"')

    def script(self, name, body):
        path = os.path.join(self.home, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/usr/bin/env bash\n" + body + "\n")
        os.chmod(path, 0o755)

    def setup(self, *arguments, **options):
        return subprocess.run([self.program, *arguments], env={"PATH": self.home, **options.pop("env", {})}, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=hw.PATIENCE, check=False, **options)

    def calls(self):
        path = os.path.join(self.home, "calls")
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()


def as_nobody(machine, *arguments):
    hw.need_root()
    os.chmod(".", 0o755)
    os.chmod(machine.home, 0o777)
    return machine.setup(*arguments, user=hw.NOBODY, group=hw.NOBODY, extra_groups=[])


def test_when_nothing_is_missing_nothing_is_said_or_asked_of_apt():
    machine = Machine()
    done = machine.setup("check", "lint")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
    assert machine.calls() == []


def test_only_what_is_missing_is_installed_without_an_update():
    hw.need_root()
    machine = Machine(missing=["meson", "libdw-dev", "shellcheck"])
    done = machine.setup("build")
    assert done.returncode == 0, done
    assert len(machine.calls()) == 1 and machine.calls()[0].endswith(" meson libdw-dev"), machine.calls()
    assert "installing meson libdw-dev" in done.stdout


def test_a_failed_install_is_tried_again_after_one_update():
    hw.need_root()
    machine = Machine(missing=["meson"], install_fails=1)
    assert machine.setup("build").returncode == 0
    assert [("update" in call) for call in machine.calls()] == [False, True, False], machine.calls()


def test_an_install_that_fails_for_good_is_told():
    hw.need_root()
    done = Machine(missing=["meson"], install_fails=2).setup("build")
    assert done.returncode == 1 and "E: no such package" in done.stderr and "install failed" in done.stderr, done


def test_any_alternative_satisfies():
    machine = Machine(missing=["pkg-config"])
    assert machine.setup("build").returncode == 0 and machine.calls() == []


def test_without_apt_one_line_says_what_to_install():
    done = Machine(dpkg=False).setup("build")
    assert done.returncode == 1
    line = hw.one_line(done.stderr)
    assert "no apt-get" in line and "libdw-dev" in line and "HW_SETUP=no" in line, line


def test_setup_can_be_turned_off():
    done = Machine(dpkg=False).setup("build", env={"HW_SETUP": "no"})
    assert (done.returncode, done.stderr) == (0, "")


def test_without_root_and_sudo_one_line_says_what_to_run():
    done = as_nobody(Machine(missing=["meson"]), "build")
    line = hw.one_line(done.stderr)
    assert done.returncode == 1 and "needs root" in line and "apt-get install meson" in line, done


def test_a_sudo_that_refuses_is_told():
    done = as_nobody(Machine(missing=["meson"], sudo="false"), "build")
    assert done.returncode == 1 and "sudo refuses" in hw.one_line(done.stderr), done


def test_without_root_sudo_installs():
    machine = Machine(missing=["meson"], sudo="true")
    done = as_nobody(machine, "build")
    assert done.returncode == 0, done
    assert machine.calls()[0] == "sudo -n true" and machine.calls()[-1].endswith("install -y --no-install-recommends meson")


if __name__ == "__main__":
    hw.main(globals())
