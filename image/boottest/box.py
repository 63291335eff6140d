"""A box: a virtual machine in the tools tree's qemu, with a disk, a TPM and a watchdog that stay over restarts."""

import base64
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

from boottest.report import Failed, wait

IMAGE = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("SWARM_CACHE", pathlib.Path.home() / ".cache/swarmos"))
DISK_BYTES = 12 << 30
BOOT_SECONDS = 900
BANNER = b"swarm-dev-shell"  # image/mkosi.profiles/dev
QUEEN_PORT = 18443


class Box:
    """A virtual machine whose disk, TPM and watchdog stay over restarts. `config` is its swarm.toml: an SMBIOS credential,
    or a file on the ESP when `on_esp`."""

    def __init__(self, work, image, config, kvm, memory, tpm=True, on_esp=False):
        self.work, self.kvm, self.memory, self.tpm = work, kvm, memory, tpm
        self.disk, self.console = work / "disk.raw", work / "console.log"
        self.credential = None if on_esp else config
        self.process, self.swtpm, self.shell_socket, self.boots = None, None, None, 0
        work.mkdir(exist_ok=True)
        subprocess.run(["cp", "--sparse=always", image, self.disk], check=True)
        os.truncate(self.disk, DISK_BYTES)
        shutil.copy(CACHE / "image-tools/usr/share/OVMF/OVMF_VARS_4M.fd", work / "vars.fd")
        if tpm:
            (work / "tpm").mkdir()
        if on_esp:
            (work / "swarm.toml").write_text(config)
            with open(self.disk, "rb") as disk:  # The ESP is the first partition: where GPT's first entry says that it starts.
                disk.seek(2 * 512 + 32)
                offset = int.from_bytes(disk.read(8), "little") * 512
            copied = self.tools("mcopy", "-i", f"{self.disk}@@{offset}", work / "swarm.toml", "::/swarm.toml").wait(60)
            if copied:
                raise Failed("swarm.toml does not get onto the ESP")

    def tools(self, *command, **options):
        return subprocess.Popen([IMAGE / "tools/enter", str(self.work), *map(str, command)], **options)

    def start(self):
        work = self.work
        for stale in ("shell", "monitor", "tpm/sock"):
            (work / stale).unlink(missing_ok=True)
        tpm = []
        if self.tpm:
            self.swtpm = self.tools("swtpm", "socket", "--tpm2", "--tpmstate", f"dir={work}/tpm", "--ctrl",
                                    f"type=unixio,path={work}/tpm/sock", "--terminate")
            wait(lambda: (work / "tpm/sock").exists(), 60, "swtpm does not start")
            tpm = ["-chardev", f"socket,id=tpm,path={work}/tpm/sock", "-tpmdev", "emulator,id=tpm0,chardev=tpm",
                   "-device", "tpm-tis,tpmdev=tpm0"]
        accelerator = ["-accel", "kvm", "-cpu", "host"] if self.kvm else ["-accel", "tcg,thread=multi", "-cpu", "max"]
        smbios = []
        if self.credential is not None:
            encoded = base64.b64encode(self.credential.encode()).decode()
            (work / "credential").write_text(f"io.systemd.credential.binary:swarm.config={encoded}")
            smbios = ["-smbios", f"type=11,path={work}/credential"]
        self.console.touch()
        self.seen = self.console.stat().st_size
        self.process = self.tools(
            "qemu-system-x86_64", *accelerator, "-M", "q35", "-smp", "2", "-m", self.memory, "-nodefaults",
            "-display", "none", "-uuid", "5f0b1e5c-9c4b-4b44-9a3e-7a1f0c6b1d01",
            "-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd",
            "-drive", f"if=pflash,format=raw,file={work}/vars.fd",
            "-drive", f"if=virtio,format=raw,file={self.disk},cache=writeback",
            "-device", "virtio-rng-pci", "-nic",
            f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{QUEEN_PORT}-:8000",
            *tpm, "-device", "i6300esb", "-action", "watchdog=reset",
            "-chardev", f"file,id=console,path={self.console},append=on", "-serial", "chardev:console",
            "-chardev", f"socket,id=shell,path={work}/shell,server=on,wait=off", "-serial", "chardev:shell",
            "-monitor", "none", *smbios)
        wait(lambda: (work / "shell").exists(), 120, "qemu does not start")
        self.connect()

    def connect(self):
        if self.shell_socket:
            self.shell_socket.close()
        self.shell_socket = socket.socket(socket.AF_UNIX)
        self.shell_socket.connect(str(self.work / "shell"))

    def said(self):
        """What the console said since the machine was started."""
        with open(self.console, "rb") as file:
            file.seek(self.seen)
            return file.read().decode(errors="replace")

    def shell(self, command, seconds=120):
        """A command in the root shell of the second serial port: its output, or Failed."""
        mark = f"@{time.monotonic_ns()}"
        # The mark is put together by the shell, so that an echo of the line is not taken for its end.
        text = f"stty -echo; {{ {command}\n}} 2>&1; echo '{mark[:4]}''{mark[4:]}'=$?=\n"
        self.shell_socket.settimeout(1)
        self.shell_socket.sendall(text.encode())
        got, end = b"", time.monotonic() + seconds
        while True:
            if self.process.poll() is not None:
                raise Failed(f"the machine is gone during: {command}")
            if time.monotonic() > end:
                raise TimeoutError(f"no answer in {seconds} s to: {command}; got {got[-300:]!r}")
            try:
                got += self.shell_socket.recv(65536)
            except TimeoutError:
                continue
            found = re.search(re.escape(mark).encode() + rb"=(\d+)=", got)
            if found:
                out = got[: found.start()].decode(errors="replace").replace("\r", "")
                out = out.rsplit("=$?=\n", 1)[-1].strip()
                if int(found[1]) != 0:
                    raise Failed(f"{command}: exit status {found[1].decode()}: {out[-500:]}")
                return out

    def up(self, seconds=BOOT_SECONDS):
        """Waits until a boot's shell says that it is there; the seconds it took. Nothing is typed before: firmware and boot
        menu would take it for theirs."""
        began, got = time.monotonic(), b""
        self.shell_socket.settimeout(1)
        while BANNER not in got:
            if time.monotonic() - began > seconds:
                raise Failed(f"no shell after {seconds} s; the console's end: {self.said()[-1500:]}")
            if self.process.poll() is not None:
                raise Failed("the machine is gone during its boot")
            try:
                got = got[-64:] + self.shell_socket.recv(65536)
            except TimeoutError:
                continue
        self.shell("true", 120)
        self.boots += 1
        return time.monotonic() - began

    def reboot(self):
        self.shell("systemctl reboot --no-block; true")
        return self.up()

    def active(self, unit, seconds=600):
        """Waits until systemd calls the unit active, which Type=notify is after READY=1; its main process."""
        end, state = time.monotonic() + seconds, ""
        while time.monotonic() < end:
            state = self.shell(f"systemctl show -p ActiveState --value {unit}", 60)
            if state == "active":
                return int(self.shell(f"systemctl show -p MainPID --value {unit}") or 0)
            if state == "failed":
                break
            time.sleep(3)
        log = self.shell(f"journalctl -b -u {unit} -o cat -n 12 --no-pager")
        raise Failed(f"{unit} is '{state}' after {seconds} s; its log ends: {log}")

    def version(self):
        return self.shell("sed -n s/^IMAGE_VERSION=//p /etc/os-release").strip('"')

    def cut(self):
        """The power is gone: no signal that qemu could handle."""
        self.shell_socket.close()
        self.shell_socket = None
        kill_tree(self.process)
        if self.swtpm:
            self.swtpm.wait(30)

    def end(self):
        if self.process and self.process.poll() is None:
            self.cut()


def kill_tree(process):
    """Kills a process that we started and its children (tools/enter is a wrapper)."""
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True)
    for pid in [*map(int, children.stdout.split()), process.pid]:
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass
    process.wait(30)
