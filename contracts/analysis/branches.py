"""Prints the branch coverage of src/ out of an lcov file, names what is not covered, and fails under a limit.

usage: branches.py LCOV PERCENT_MIN
"""

import sys


def main(lcov_path, percent_min):
    taken, total, missed, current = {}, {}, [], None
    with open(lcov_path, encoding="utf-8") as file:
        for line in file.read().splitlines():
            key, _, value = line.partition(":")
            if key == "SF":
                current = value if value.startswith("src/") else None
            elif key == "BRDA" and current:
                number, _, _, hits = value.split(",")
                total[current] = total.get(current, 0) + 1
                if hits in ("-", "0"):
                    missed.append(f"{current}:{number}")
                else:
                    taken[current] = taken.get(current, 0) + 1
    if not total:
        sys.exit("no branch of src/ in the report")
    for name in sorted(total):
        print(f"{taken.get(name, 0):4} of {total[name]:4} branches  {name}")
    percent = 100 * sum(taken.values()) / sum(total.values())
    print(f"{percent:.1f} % of the branches of src/; at least {percent_min} % is asked for")
    for place in missed:
        print(f"not taken: {place}")
    if percent < float(percent_min):
        sys.exit(1)


main(*sys.argv[1:])
