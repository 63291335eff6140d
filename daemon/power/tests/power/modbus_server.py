"""A Modbus TCP device for the tests: `modbus_server.py sunspec|gx PORT`. Reads JSON lines from stdin that set values
by name, and answers each with "ok" on stdout.

`sunspec` lays its registers out from the SunSpec Alliance's model definitions that pysunspec2 ships, so that our
offsets are held against theirs. `gx` is unit 100 of a Victron GX with the registers of its published list."""

import asyncio
import json
import os
import sys

import sunspec2
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

MODELS = os.path.join(os.path.dirname(sunspec2.__file__), "models", "json")
NOTHING = {"int16": 0x8000, "uint16": 0xFFFF, "enum16": 0xFFFF, "sunssf": 0x8000, "count": 0, "acc16": 0, "bitfield16": 0xFFFF}


class Map:
    """Registers, and where each named point is."""

    def __init__(self):
        self.base = 40000
        self.words = [0x5375, 0x6E53]
        self.places = {}

    def model(self, number, repeats=0):
        with open(os.path.join(MODELS, f"model_{number}.json"), encoding="utf-8") as file:
            group = json.load(file)["group"]
        start = len(self.words)
        self._points(group["points"], str(number))
        for inner in group.get("groups", []):
            for place in range(repeats):
                self._points(inner["points"], f"{number}.{place}")
        self.set(f"{number}.ID", number)
        self.set(f"{number}.L", len(self.words) - start - 2)

    def _points(self, points, prefix):
        for point in points:
            self.places[f"{prefix}.{point['name']}"] = len(self.words)
            nothing = NOTHING.get(point["type"], 0)
            self.words.extend([nothing] * point["size"])

    def set(self, name, value):
        self.words[self.places[name]] = value & 0xFFFF


def sunspec():
    device = Map()
    device.model(1)
    device.model(103)
    device.model(160, repeats=2)
    device.model(203)
    device.model(802)
    device.words += [0xFFFF, 0]
    device.set("160.N", 2)
    return device, 1


def gx():
    device = Map()
    device.base = 800
    device.words = [0] * 60
    names = {
        "pv_output_l1": 808, "pv_input_l2": 812, "use_l1": 817, "use_l2": 818, "use_l3": 819,
        "grid_l1": 820, "grid_l2": 821, "grid_l3": 822,
        "battery_v": 840, "battery_w": 842, "soc": 843, "pv_dc": 850,
    }
    device.places = {name: register - 800 for name, register in names.items()}
    return device, 100


async def main():
    device, unit = {"sunspec": sunspec, "gx": gx}[sys.argv[1]]()
    failing = False

    async def action(_function, _start, _address, _count, registers, _values):
        registers[:] = device.words
        return ExcCodes.DEVICE_FAILURE if failing else None

    data = SimData(device.base, values=device.words, datatype=DataType.REGISTERS)
    server = ModbusTcpServer(SimDevice(unit, simdata=[data], action=action), address=("127.0.0.1", int(sys.argv[2])))
    await server.serve_forever(background=True)
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        for name, value in json.loads(line).items():
            if name == "failing":
                failing = value
            else:
                device.set(name, value)
        print("ok", flush=True)


asyncio.run(main())
