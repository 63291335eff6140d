"""The lines of the boot test: each says what it saw, or raises Failed with it."""

import json
import time

from boottest.outside import FILES_PORT
from boottest.report import Failed

ENDED = ("completed", "dead", "cancelled", "expired")

def update_from(box, tries):
    """Points the box's transfers at this machine's server, and gives a new version so many tries."""
    box.shell(
        "mkdir -p /run/sysupdate.d && for f in /usr/lib/sysupdate.d/*.transfer; do "
        f"sed 's,^Path=file:.*,Path=http://10.0.2.2:{FILES_PORT},;s,^TriesLeft=.*,TriesLeft={tries},' $f "
        ">/run/sysupdate.d/${f##*/}; done"
    )


SYSUPDATE = "/usr/lib/systemd/systemd-sysupdate"


def first_boot(box):
    took = box.up()
    box.active("var.mount", 900)  # The shell is there before the disk is divided and encrypted.
    parts = box.shell("lsblk -nro NAME,PARTLABEL,MOUNTPOINTS /dev/vda; findmnt -nro SOURCE,FSTYPE /var")
    for part in ("_empty", "swarm-var", "/var"):
        if part not in parts:
            raise Failed(f"'{part}' is not among the partitions: {parts}")
    if "/dev/mapper/swarm-var" not in parts or "squashfs" not in box.shell("findmnt -nro FSTYPE /"):
        raise Failed(f"root or /var is not what it should be: {parts}")
    tokens = box.shell("cryptsetup luksDump /dev/disk/by-partlabel/swarm-var | grep -A3 -i '^tokens' | paste -sd' '")
    if "tpm2" not in tokens:
        raise Failed(f"/var has no TPM token: {tokens}")
    return f"root shell after {took:.0f} s; /var on dm-crypt with a TPM token; slot B is there and empty"


def ready(box):
    queen, bee = box.active("swarm-queen.service"), box.active("swarm-bee@cpu.service", 900)
    userspace = box.shell("systemd-analyze time 2>/dev/null | head -1 || true")
    return f"queen {queen} and bee {bee} are active (READY=1 came); {userspace}"


def keys(box, outside):
    public = json.loads(box.shell("cat /var/lib/swarm/box.json"))
    outside.fingerprint = public["fingerprint"]
    said = box.said()
    if public["fingerprint"] not in said or public["addresses"]["bee.key"] not in said:
        raise Failed("the console does not name fingerprint and addresses")
    plain = box.shell("grep -rlE '^[0-9a-f]{64}$' /var/lib/swarm /etc/swarm/ 2>/dev/null | head -3; true")
    if plain:
        raise Failed(f"a file looks like a key in the clear: {plain}")
    return f"configured from the SMBIOS credential; console names fingerprint {public['fingerprint'][:16]}… and the bee's key"


def job(box, outside):
    bee = json.loads(box.shell("cat /var/lib/swarm/box.json"))["addresses"]["bee.key"]
    payee = "0x00000000000000000000000000000000000000bb"
    end = time.monotonic() + 300
    while True:  # The bee registers by itself, some seconds after it is READY.
        try:
            outside.swarm("operator", "bee", "approve", bee, "--payee", payee)
            break
        except Failed:
            if time.monotonic() > end:
                raise
            time.sleep(3)
    outside.swarm("client", "deposit", "5")
    done = outside.submit("--wait", "--out", str(outside.work / "result"))
    if not (outside.work / "result/mask.nii.gz").exists():
        raise Failed(f"no mask came back: {json.dumps(done)[:300]}")
    return f"{done['job_id']} submitted from this machine over TLS, computed in the guest, mask here"


def killed(box, unit):
    before = box.active(unit)
    box.shell(f"kill -9 {before}")
    began = time.monotonic()
    time.sleep(1)
    after = box.active(unit, 600)
    if after == before:
        raise Failed("the same process is still there")
    return f"process {before} killed, {after} READY {time.monotonic() - began:.0f} s later"


def hung(box, unit):
    before = box.active(unit)
    limit = box.shell(f"systemctl show -p WatchdogUSec --value {unit}")
    box.shell(f"kill -STOP {before}")
    began, end = time.monotonic(), time.monotonic() + 400
    while time.monotonic() < end:
        log = box.shell(f"journalctl -b -u {unit} --no-pager -o cat | grep -i 'watchdog timeout' | tail -1; true")
        if log:
            noticed = time.monotonic() - began
            time.sleep(1)
            after = box.active(unit, 600)
            if after != before:
                return f"stopped; after {noticed:.0f} s systemd said '{log}' (limit {limit}); {after} READY {time.monotonic() - began:.0f} s after the hang"
        time.sleep(3)
    raise Failed(f"the watchdog ({limit}) did not act in 400 s")


def cut_in_job(box, outside):
    job_id = outside.submit("--again")["job_id"]
    end, status = time.monotonic() + 600, ""
    while status != "processing":
        if time.monotonic() > end or status in ENDED:
            raise Failed(f"{job_id} is '{status}', not seen at work")
        time.sleep(0.5)
        status = outside.swarm("client", "job", "show", job_id)["status"]
    box.cut()
    box.start()
    took = box.up()
    box.active("swarm-queen.service", 900)
    end, shown = time.monotonic() + 1800, {"status": "not seen"}
    while time.monotonic() < end:
        try:
            shown = outside.swarm("client", "job", "show", job_id)
            if shown["status"] in ENDED:
                break
        except Failed:
            pass
        time.sleep(5)
    check = ledger(box)
    if shown["status"] != "completed":
        raise Failed(f"power cut while {job_id} was '{status}': it is '{shown['status']}' now; {check}")
    return f"power cut while {job_id} was '{status}'; up again in {took:.0f} s; the job completed; {check}"


def ledger(box):
    return box.shell("swarmd ledger check --config /etc/swarm/queen.toml", 300).splitlines()[-1]


def cut_in_update(box, before, tries):
    update_from(box, tries)
    box.shell(f"systemd-run --unit=cut-update {SYSUPDATE} update")
    end = time.monotonic() + 900
    while ".root.raw.gz" not in (log := box.shell("journalctl -b -u cut-update -o cat --no-pager | tail -5")):
        if time.monotonic() > end:
            raise Failed(f"the update does not come to the root: {log}")
    time.sleep(3)  # Into the writing, which takes longer.
    if box.shell("systemctl is-active cut-update; true") != "active":
        raise Failed(f"the update ended before the power went: {log}")
    written = log.splitlines()[-1]
    box.cut()
    box.start()
    took = box.up()
    if box.version() != before:
        raise Failed(f"after the cut the box runs {box.version()}, not {before}")
    box.active("swarm-queen.service", 900)
    return f"the update wrote ('{written}') when the power went; up again in {took:.0f} s with {before}; {ledger(box)}"


def update(box, version, tries):
    update_from(box, tries)
    began = time.monotonic()
    box.shell(f"{SYSUPDATE} update", 1800)
    fetched = time.monotonic() - began
    files = box.shell("ls $(bootctl -p)/EFI/Linux | paste -sd' '")
    box.reboot()
    if box.version() != version:
        raise Failed(f"the box runs {box.version()}, not {version}; ESP: {files}")
    box.active("swarm-queen.service", 900)
    box.active("swarm-bee@cpu.service", 900)
    end, blessed = time.monotonic() + 600, ""
    while time.monotonic() < end:
        blessed = box.shell("ls $(bootctl -p)/EFI/Linux | paste -sd' '")
        if f"swarm_{version}.efi" in blessed:
            return f"fetched in {fetched:.0f} s ({files}), rebooted into {version}, marked good ({blessed}); {ledger(box)}"
        time.sleep(5)
    raise Failed(f"{version} runs but was not marked good: {blessed}")


def falls_back(box, good, bad, tries):
    update_from(box, tries)
    checked = ledger(box)
    box.shell(f"{SYSUPDATE} update", 1800)
    mark = box.console.stat().st_size
    booted = []
    box.reboot()
    while True:
        booted.append(box.version())
        if booted[-1] == good:
            break
        if len(booted) > tries + 1:
            raise Failed(f"it does not come back to {good}: booted {booted}")
        box.up()  # It reboots by itself.
    names = box.shell("ls $(bootctl -p)/EFI/Linux | paste -sd' '")
    if bad not in booted or f"swarm_{bad}+0" not in names:
        raise Failed(f"booted {booted}; ESP: {names}")
    with open(box.console, "rb") as file:
        file.seek(mark)
        tries = file.read().count(b"did not prove itself")
    box.active("swarm-queen.service", 900)
    return f"booted {booted}, the console says {tries} times that {bad} did not prove itself; out of tries ({names}); the box runs {good}; ledger before: {checked}; after: {ledger(box)}"


def kernel_hangs(box):
    """A kernel that stands still after a crash: nobody feeds the machine's watchdog any more."""
    device = box.shell("cd /sys/class/watchdog/watchdog0; cat identity state timeout | paste -sd' '")
    box.shell("echo 0 >/proc/sys/kernel/panic; sync; (sleep 2; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &")
    took = box.up()
    box.active("swarm-queen.service", 900)
    return f"watchdog {device}; the kernel crashed and stood still; the root shell was there again after {took:.0f} s; {ledger(box)}"


def factory_reset(box):
    """The boot menu's second entry, chosen for one boot."""
    before = json.loads(box.shell("cat /var/lib/swarm/box.json"))
    entries = json.loads(box.shell("bootctl list --json=short --no-pager"))
    running = [e["id"] for e in entries if e["id"].endswith("factory-reset") and box.version() in e["id"]]
    if len(running) != 1:
        raise Failed(f"the boot menu has {[e['id'] for e in entries]}")
    box.shell(f"bootctl set-oneshot '{running[0]}'")
    box.reboot()
    box.active("swarm-queen.service", 900)
    box.active("swarm-bee@cpu.service", 900)
    after = json.loads(box.shell("cat /var/lib/swarm/box.json"))
    same = [name for name, address in after["addresses"].items() if before["addresses"].get(name) == address]
    if same or after["fingerprint"] == before["fingerprint"]:
        raise Failed(f"keys outlived the reset: {same}")
    return f"entry {running[0]}; {len(after['addresses'])} new addresses and a new certificate, queen and bee READY; {ledger(box)}"


def without_tpm(box):
    """A box without a TPM that finds swarm.toml on its ESP."""
    took = box.up()
    queen, bee = box.active("swarm-queen.service", 900), box.active("swarm-bee@cpu.service", 900)
    source = box.shell("findmnt -nro SOURCE /var")
    if "/dev/mapper" in source:
        raise Failed(f"/var is on {source}")
    if "NOT encrypted" not in box.said():
        raise Failed("the console does not say that nothing is encrypted")
    return f"root shell after {took:.0f} s; configured from the ESP; queen {queen} and bee {bee} READY; /var on {source}, and the console says that it is not encrypted"
