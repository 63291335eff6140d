"""Compares Slither's findings with those that are explained.

usage: explained.py REPORT EXPLAINED

EXPLAINED is a list of {check, at: [what the finding is about], reason}. Every finding must be explained, and
every explanation must have its finding, so that none outlives its cause.
"""

import json
import sys


def place(finding):
    """What a finding is about: contract.function, contract.function.variable, contract.event."""
    element = finding["elements"][0]
    names = [element["name"]]
    parent = element.get("type_specific_fields", {}).get("parent")
    while parent and parent["type"] in ("function", "contract"):
        names.append(parent["name"])
        parent = parent.get("type_specific_fields", {}).get("parent")
    return ".".join(reversed(names))


def main(report_path, explained_path):
    with open(report_path, encoding="utf-8") as file:
        report = json.load(file)
    with open(explained_path, encoding="utf-8") as file:
        explanations = json.load(file)
    if not report["success"]:
        sys.exit(f"Slither did not finish: {report['error']}")
    findings = {}
    for finding in report["results"].get("detectors", []):
        findings[(finding["check"], place(finding))] = finding
    explained = set()
    for entry in explanations:
        if len(entry["reason"]) < 20:
            sys.exit(f"{entry['check']}: a suppression gives its reason")
        explained.update((entry["check"], at) for at in entry["at"])
    for key in sorted(findings.keys() - explained):
        print(f"not explained: {key[0]} at {key[1]}\n{findings[key]['description']}", file=sys.stderr)
    for check, at in sorted(explained - findings.keys()):
        print(f"explained, but no longer found: {check} at {at}", file=sys.stderr)
    if findings.keys() != explained:
        sys.exit(1)
    print(f"Slither: {len(findings)} findings, each explained in analysis/slither.json")


main(*sys.argv[1:])
