#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What `make install` puts where; man pages, completions and examples that do what they should.

TAP, on this machine, in directories of its own: needs no privilege, no kernel module and no VM.
"""
import contextlib
import glob
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.path.insert(0, os.path.join(TOP, "selftests"))
from tap import Skip, case, equal, main  # pylint: disable=wrong-import-position  # noqa: E402

TOOLS = os.path.join(TOP, "build/tools")
COMMANDS = re.findall(r"^  ([a-z]+) ", subprocess.run(
    [os.path.join(TOOLS, "lqctl"), "--help"], capture_output=True, text=True, check=True
).stdout.split("Subcommands:")[1], re.M)
MAN_PAGES = ("tools/listenq.7", "tools/lqctl/lqctl.8", "tools/lqrun/lqrun.1")


def run(*command, check=True, env=None, text=None):
    """Its standard output and error."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          cwd=TOP, env={**os.environ, **(env or {})}, check=False,
                          **({"input": text} if text else {"stdin": subprocess.DEVNULL}))
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}")
    return done.stdout


def make(*words):
    """Without what an outer make told us."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")
           and name != "MFLAGS"}
    done = subprocess.run(["make", "-s", *words], stdout=subprocess.PIPE, text=True, cwd=TOP,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env, check=False)
    if done.returncode:
        raise AssertionError(f"make {words}: {done.returncode}\n{done.stdout}")


def files_below(directory):
    """Of every kind but directories."""
    return sorted(os.path.relpath(os.path.join(path, name), directory)
                  for path, _, names in os.walk(directory) for name in names)


@contextlib.contextmanager
def installed(prefix="/usr/local"):
    """Where tools and documents are installed."""
    with tempfile.TemporaryDirectory() as directory:
        make("install-tools", "install-doc", f"DESTDIR={directory}", f"PREFIX={prefix}")
        yield directory


# --- make install ---


@case
def install_and_uninstall():
    """What install puts there uninstall takes away, and nothing else."""
    if not os.path.exists(os.path.join(TOP, "build/kernels/6.12/kdir")):
        raise Skip("build/kernels/6.12 is not unpacked")
    # As everybody names it: Kbuild builds all anew for another name.
    kdir = run("scripts/kernels", "--kdir", "6.12").strip()
    with tempfile.TemporaryDirectory() as directory:
        words = (f"DESTDIR={directory}", "PREFIX=/opt/listenq", f"KDIR={kdir}")
        other = os.path.join(directory, "opt/listenq/bin/other")
        os.makedirs(os.path.dirname(other))
        with open(other, "w", encoding="ascii") as file:
            file.write("another's\n")
        make("install", "install-dkms", *words)
        names = files_below(directory)
        (module,) = [name for name in names if name.endswith("/updates/listenq.ko")]
        assert module.startswith("lib/modules/6.12"), module
        assert "net-pf-18" in run("modinfo", "-F", "alias", os.path.join(directory, module))
        for name in ("bin/lqctl", "bin/lqrun", "lib/listenq/liblqrun.so",
                     "include/linux/listenq.h", "share/man/man7/listenq.7",
                     "share/man/man8/lqctl.8", "share/man/man1/lqrun.1",
                     "share/zsh/site-functions/_lqctl", "share/listenq/bpftrace/lqdrop.bt",
                     "share/doc/listenq/README.md", "share/doc/listenq/docs/semantics.md",
                     "share/doc/listenq/examples/sysctl.conf",
                     "share/doc/listenq/examples/monitoring/listenq-exporter.service",
                     "share/doc/listenq/examples/servers/Makefile"):
            assert f"opt/listenq/{name}" in names, f"{name} is missing"
        assert "etc/apparmor.d/abstractions/listenq" in names, "no abstraction for AppArmor"
        assert any(re.match(r"usr/src/listenq-[0-9.]+/dkms.conf", name) for name in names)
        for name in names:
            path = os.path.join(directory, name)
            with open(path, "rb") as file:
                assert directory.encode() not in file.read(), f"{name} names where it is staged"
        make("uninstall", *words)
        equal(files_below(directory), ["opt/listenq/bin/other"], "left")
        # A second time: nothing to do.
        make("uninstall", *words)


@case
def installed_tools_find_each_other():
    """lqrun its library, wherever the tree stands."""
    with installed() as directory:
        tools = os.path.join(directory, "usr/local/bin")
        equal(run(os.path.join(tools, "lqrun"), "sh", "-c", "echo $LD_PRELOAD").strip(),
              os.path.realpath(os.path.join(directory, "usr/local/lib/listenq/liblqrun.so")))
        assert run(os.path.join(tools, "lqctl"), "--version").startswith("lqctl ")


@case
def one_version():
    """Of the tools, the packages and what they say."""
    version = run(os.path.join(TOOLS, "lqctl"), "--version").split()[1]
    assert version in run(os.path.join(TOOLS, "lqrun"), "--version")
    with open(os.path.join(TOP, "debian/changelog"), encoding="utf-8") as file:
        equal(re.match(r"listenq \((.*)\)", file.readline())[1], version)
    with open(os.path.join(TOP, "module/shim/main.c"), encoding="ascii") as file:
        equal(re.search(r'^MODULE_VERSION\("(.*)"\)', file.read(), re.M)[1], version)


@case
def links_of_the_installed_documents():
    """Each leads to a file that is installed, too."""
    with tempfile.TemporaryDirectory() as directory:
        make("install-doc", f"DESTDIR={directory}", "PREFIX=/usr")
        pages = glob.glob(os.path.join(directory, "usr/share/doc/listenq/**/*.md"), recursive=True)
        assert len(pages) > 10, pages
        lost = []
        for page in pages:
            with open(page, encoding="utf-8") as file:
                links = re.findall(r"\]\(([^)#]+)[^)]*\)", file.read())
            lost += [(os.path.basename(page), link) for link in links if "://" not in link and
                     not os.path.exists(os.path.join(os.path.dirname(page), link))]
        equal(lost, [])


@case
def an_upgrade_says_that_the_old_module_runs():
    """And nothing else does."""
    with open(os.path.join(TOP, "debian/listenq-dkms.postinst"), encoding="utf-8") as file:
        script = file.read()
    assert script.count("/sys/module/listenq") == 1
    with tempfile.TemporaryDirectory() as directory:
        def said(loaded, *words):
            here = directory if loaded else os.path.join(directory, "none")
            return run("sh", "-c", script.replace("/sys/module/listenq", here), "sh", *words)

        text = said(True, "configure", "0.0.9")
        assert "the upgrade (0.0.9) is still loaded" in text, text
        assert all(line.startswith("listenq: ") for line in text.splitlines()), text
        equal([said(False, "configure", "0.0.9"), said(True, "configure"),
               said(True, "configure", ""), said(True, "abort-upgrade", "0.0.9")], [""] * 4)


# --- man pages ---


@case
def dkms_builds_for_known_kernels():
    """dkms.conf, read as DKMS does it: 3.2 in a function that has the kernel; 3.0, when it asks
    what to install, in one that has hidden it behind an empty variable."""
    kernels = run("sed", "-n", r"s/^| [^ ]* | \([0-9][^ ]*\) | x86_64 .*/\1/p",
                  "docs/kernels.md").split()
    assert len(kernels) > 3, kernels
    reader = """
        read_conf() { local kernelver=$1 arch=$2; safe_source; }
        safe_source() {
            (. ./dkms.conf >/dev/null
             [[ $kernel =~ $BUILD_EXCLUSIVE_KERNEL && $cpu =~ $BUILD_EXCLUSIVE_ARCH ]] && echo -n builds
             echo " $AUTOINSTALL")
        }
        kernel=$1 cpu=$2
        kernelver[0]=$kernel arch[0]=$cpu
        read_conf "" ""
        read_conf "$kernel" "$cpu"
    """
    def read(kernel, cpu="x86_64"):
        return run("bash", "-c", reader, "dkms", kernel, cpu).splitlines()

    for kernel in kernels:
        equal(read(kernel), ["builds yes"] * 2, kernel)
    for kernel in ("5.10.0-30-amd64", "6.5.0-1-amd64", "6.10.11-amd64", "6.120.1-amd64", "7.1.7-amd64",
                   "16.1.0-amd64"):
        said = f"listenq: skipped for {kernel}: not known to build there (docs/kernels.md)"
        equal(read(kernel), [said, " "] * 2, kernel)
    equal(read(kernels[0], "aarch64")[1::2], [" "] * 2, "aarch64")
    # dkms status: no kernel at all.
    equal(run("bash", "-c", ". ./dkms.conf; echo $AUTOINSTALL"), "yes\n")


@case
def man_pages_without_warnings():
    """As man(1) renders them, also in a narrow terminal, and as groff alone does."""
    for page in MAN_PAGES:
        texts = set()
        for width in ("40", "80", "120"):
            # With -T, man would not look at the width. groff can loop for ever, and is not
            # man's direct child: timeout(1) ends them all.
            done = subprocess.run(
                ["timeout", "60", "man", "--warnings", "-E", "UTF-8", "-l", page], cwd=TOP,
                env={**os.environ, "MANWIDTH": width}, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, check=False)
            equal(done.returncode, 0, f"{page} at {width} columns (124: not within a minute)")
            equal(done.stderr, "", f"{page} at {width} columns")
            texts.add(done.stdout)
        # Each with SEE ALSO, so it did not end early.
        equal((len(texts), all("SEE ALSO" in text for text in texts)), (3, True), page)
        done = subprocess.run(["groff", "-mdoc", "-ww", "-Tutf8", "-z", page], cwd=TOP,
                              capture_output=True, text=True, check=True)
        equal(done.stderr, "", page)


def sysctls():
    """The names below net.listenq that can be written, from the module's sources."""
    with open(os.path.join(TOP, "module/shim/sysctl.c"), encoding="ascii") as file:
        names = ["policy"] + re.findall(r"^\tLQ_SYSCTL_INT\((?!name,)(\w+),", file.read(), re.M)
    with open(os.path.join(TOP, "module/bridge/overload.h"), encoding="ascii") as file:
        listed = re.search(r"LQ_OVERLOAD_SETTINGS\(X\)(.*?)\n/\*", file.read(), re.S)[1]
        names += re.findall(r"X\([A-Z_]+, +(\w+),", listed)
    assert len(names) > 7, names
    return names


def rendered(page):
    """As a reader sees it, without bold."""
    return re.sub(".\b", "", run("man", "-E", "UTF-8", "-l", "-Tutf8", page,
                                 env={"MANWIDTH": "100", "MAN_KEEP_FORMATTING": ""}))


def lqrun_options():
    """The long ones."""
    options = re.findall(r"^  -[a-zA-Z],(--[a-z-]+)", run(os.path.join(TOOLS, "lqrun"), "--help"),
                         re.M)
    assert len(options) > 6, options
    return options


@case
def man_pages_name_everything():
    """Each command and option of lqctl and lqrun, each socket option and sysctl."""
    text = rendered("tools/lqctl/lqctl.8")
    for command in COMMANDS:
        assert f"lqctl {command}" in text, f"lqctl.8 lacks {command}"
        usage = run(os.path.join(TOOLS, "lqctl"), command, "--help")
        for option in re.findall(r"--([a-z][a-z-]+)", usage):
            if option != "help":
                assert f"--{option}" in text, f"lqctl.8 lacks {command} --{option}"
    text = rendered("tools/lqrun/lqrun.1")
    for option in lqrun_options():
        assert option in text, f"lqrun.1 lacks {option}"
    text = rendered("tools/listenq.7")
    with open(os.path.join(TOP, "uapi/linux/listenq.h"), encoding="ascii") as file:
        for option in re.findall(r"^\t(LQ_[A-Z_]+) = ", file.read(), re.M):
            assert option in text, f"listenq.7 lacks {option}"
    for name in sysctls():
        assert name in text, f"listenq.7 lacks {name}"


# --- completions ---


@contextlib.contextmanager
def listening():
    """A PATH whose lqctl lists two listeners, and is the one that was built for all else."""
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(directory, "lqctl"), "w", encoding="utf-8") as file:
            file.write(f'''#!/bin/sh
[ "$1" = list ] && [ "$2" != --help ] || exec {TOOLS}/lqctl "$@"
echo "LISTEN 0 5 0/16 0 5 0 linux 127.0.0.1:8000"
echo "LISTEN 0 5 0/16 0 5 0 linux      [::]:8080"
echo "LISTEN 0 5 0/16 0 5 0 linux   0.0.0.0:8080"
''')
        os.chmod(os.path.join(directory, "lqctl"), 0o755)
        yield f"{directory}:{TOOLS}:{os.environ['PATH']}"


@case
def bash_completes():
    """Commands, options, values, ports, and lqrun's programs."""
    with listening() as path:
        bash_completes_with(path)


def bash_completes_with(path):
    """The same."""
    def complete(script, function, *words):
        line = " ".join(f"'{word}'" for word in words)
        return run("bash", "-c", f"""
            compopt() {{ :; }}
            source {script}
            COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}
            {function} 2>&1
            printf '%s\\n' "${{COMPREPLY[@]}}" """, env={"PATH": path})

    lqctl, lqrun = "tools/lqctl/lqctl.bash", "tools/lqrun/lqrun.bash"
    equal(complete(lqctl, "_lqctl", "lqctl", "mo"), "monitor\n")
    offered = complete(lqctl, "_lqctl", "lqctl", "").split()
    for command in COMMANDS:
        assert command in offered, f"lqctl.bash lacks {command}"
        options = complete(lqctl, "_lqctl", "lqctl", command, "--").split()
        for option in re.findall(r"--[a-z-]+", run(os.path.join(TOOLS, "lqctl"), command,
                                                   "--help")):
            assert option in options, f"lqctl.bash lacks {command} {option}"
    # bash makes words of ":" and "=".
    equal(complete(lqctl, "_lqctl", "lqctl", "show", ":"), "8000\n8080\n")
    equal(complete(lqctl, "_lqctl", "lqctl", "show", ":", "808"), "8080\n")
    assert ":8000" in complete(lqctl, "_lqctl", "lqctl", "list", "").split()
    equal(complete(lqctl, "_lqctl", "lqctl", "list", "policy", "=", "wi"), "windows\n")
    equal(complete(lqctl, "_lqctl", "lqctl", "set", "policy", "=", "so"), "solaris\n")
    equal(complete(lqctl, "_lqctl", "lqctl", "set", "accept_order", "="), "fifo\nlifo\nadaptive\n")
    equal(complete(lqctl, "_lqctl", "lqctl", "set", "grace_ms", "=").strip(), "")
    equal(complete(lqrun, "_lqrun", "lqrun", "--str"), "--strict\n")
    equal(sorted(complete(lqrun, "_lqrun", "lqrun", "--").split()), sorted(lqrun_options()))
    assert "sed" in complete(lqrun, "_lqrun", "lqrun", "se").split()


@case
def fish_completes():
    """The same."""
    if not shutil.which("fish"):
        raise Skip("no fish")
    with tempfile.TemporaryDirectory() as home, listening() as path:
        def complete(line):
            out = run("fish", "-c", f"""
                source tools/lqctl/lqctl.fish; source tools/lqrun/lqrun.fish
                complete -C '{line}'""", env={
                    "HOME": home, "PATH": path})
            return [one.split("\t")[0] for one in out.splitlines()]

        equal(complete("lqctl mo"), ["monitor"])
        equal(sorted(complete("lqctl ")), sorted(COMMANDS))
        for command in COMMANDS:
            options = complete(f"lqctl {command} --")
            for option in re.findall(r"--[a-z-]+", run(os.path.join(TOOLS, "lqctl"), command,
                                                       "--help")):
                assert option in options, f"lqctl.fish lacks {command} {option}: {options}"
        assert "windows" in complete("lqctl probe w"), complete("lqctl probe w")
        equal(complete("lqctl show :80"), [":8000", ":8080"])
        equal(complete("lqctl set policy=wi"), ["policy=windows"])
        equal(complete("lqctl set accept_order=l"), ["accept_order=lifo"])
        equal(complete("lqrun --str"), ["--strict"])
        options = complete("lqrun --")
        for option in lqrun_options():
            assert option in options, f"lqrun.fish lacks {option}: {options}"
        equal(complete("lqrun --accept-filter ht"), ["httpready"])
        assert "--expression" in complete("lqrun sed --e"), complete("lqrun sed --e")


class Zsh:
    """An interactive zsh without a user's settings, in a terminal of its own."""

    def __init__(self, functions, path):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="dumb", PATH=path, LC_ALL="C.UTF-8")
            os.chdir(TOP)
            os.execvp("zsh", ["zsh", "-f", "-i"])
        self.text = ""
        self.say("PS1='ready> '; unsetopt zle_bracketed_paste; LISTMAX=0\n")
        self.say(f"fpath=({functions} $fpath); autoload -Uz compinit; compinit -u -D; "
                 "echo comp''lete\n")
        self.wait("complete\r")

    def say(self, words):
        """Type it."""
        os.write(self.fd, words.encode())

    def wait(self, words, seconds=60):
        """Until it shows."""
        end = time.monotonic() + seconds
        while words not in self.text:
            if time.monotonic() > end:
                raise AssertionError(f"{words!r} does not show: {self.text!r}")
            if select.select([self.fd], [], [], 1)[0]:
                self.text += os.read(self.fd, 65536).decode(errors="replace")

    def completes(self, line, words):
        """What stands there after the line and a tab."""
        self.text = ""
        self.say(line + "\t")
        self.wait(words)
        # Ctrl-U, for the next.
        self.say("\x15")

    def end(self):
        """Whatever it does."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


@case
def zsh_completes():
    """The same."""
    if not shutil.which("zsh"):
        raise Skip("no zsh")
    with installed() as directory, listening() as path:
        zsh = Zsh(os.path.join(directory, "usr/local/share/zsh/site-functions"), path)
        try:
            zsh.completes("lqctl moni", "lqctl monitor ")
            zsh.completes("lqctl monitor --nume", "--numeric")
            zsh.completes("lqctl record --inter", "--interval")
            zsh.completes("lqctl probe wind", "windows")
            zsh.completes("lqctl show :800", "lqctl show :8000")
            zsh.completes("lqctl set accept_filter=ht", "accept_filter=httpready")
            zsh.completes("lqctl report tools/Makef", "tools/Makefile")
            zsh.completes("lqrun --stri", "--strict")
            zsh.completes("lqrun --accept-filter=ht", "httpready")
            zsh.completes("lqctl ", "monitor")
            for command in COMMANDS:
                zsh.wait(command)
        finally:
            zsh.end()


# --- examples ---


@case
def systemd_takes_the_drop_in():
    """Over the unit that Debian's nginx has, or one like it."""
    if not shutil.which("systemd-analyze"):
        raise Skip("no systemd-analyze")
    with installed(prefix="/usr") as directory, tempfile.TemporaryDirectory() as units:
        (example,) = glob.glob(f"{directory}/usr/share/doc/listenq/examples/lqrun.conf")
        os.mkdir(f"{units}/nginx.service.d")
        # A program that is here: systemd looks whether it can be run.
        with open(example, encoding="utf-8") as file:
            text = file.read()
        assert "ExecStart=/usr/bin/lqrun /usr/sbin/nginx" in text, text
        text = text.replace("/usr/bin/lqrun", os.path.join(directory, "usr/bin/lqrun"))
        with open(f"{units}/nginx.service.d/lqrun.conf", "w", encoding="utf-8") as file:
            file.write(text)
        with open(f"{units}/nginx.service", "w", encoding="utf-8") as file:
            file.write("[Unit]\nDescription=A server\n[Service]\nType=forking\n"
                       "ExecStart=/usr/sbin/nginx -g 'daemon on; master_process on;'\n")
        equal(run("systemd-analyze", "verify", "--man=no", f"{units}/nginx.service"), "")
        # A drop-in that it would not take, to see that it looks at it.
        with open(f"{units}/nginx.service.d/lqrun.conf", "a", encoding="utf-8") as file:
            file.write("ExecStart=no/absolute/path\n")
        assert run("systemd-analyze", "verify", "--man=no", f"{units}/nginx.service", check=False)


@case
def examples_name_what_there_is():
    """Each sysctl is listenq's or the kernel's; the module's name is right."""
    with open(os.path.join(TOP, "examples/sysctl.conf"), encoding="ascii") as file:
        text = file.read()
    names = re.findall(r"^-net\.listenq\.(\w+) = ", text, re.M)
    assert len(names) >= 3, names
    equal(sorted(set(names) - set(sysctls())), [])
    for path in re.findall(r"^-?(net\.(?!listenq)[\w.]+) = ", text, re.M):
        assert os.path.exists("/proc/sys/" + path.replace(".", "/")), path
    with open(os.path.join(TOP, "examples/modules-load.conf"), encoding="ascii") as file:
        equal([line for line in file.read().splitlines() if not line.startswith("#")],
              ["listenq"])


main()
