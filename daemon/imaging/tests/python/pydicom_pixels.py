"""Decodes every DICOM file that pydicom and pydicom-data ship: an index as JSON on the standard output, the stored values of
grey images as files of little-endian int64 in the folder given."""
import json, pathlib, sys, warnings

import data_store
import numpy as np
import pydicom

warnings.simplefilter("ignore")
out = pathlib.Path(sys.argv[1])
roots = [
    (pathlib.Path(pydicom.__file__).parent / "data", "pydicom"),
    (pathlib.Path(data_store.__file__).parent / "data", "pydicom-data"),
]
# What else lies there: sources, notes, dumps, profiles.
OTHER = {".py", ".pyc", ".txt", ".json", ".dump", ".md", ".icc"}
files = []
for root, package in roots:
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.suffix in OTHER or path.name == "README":
            continue
        entry = {"name": f"{package}/{path.relative_to(root)}", "path": str(path), "syntax": "", "pixels": None, "why": None}
        files.append(entry)
        try:
            ds = pydicom.dcmread(path)
            entry["syntax"] = ds.file_meta.TransferSyntaxUID.name
            if ds.get("SamplesPerPixel") == 1 and ds.PhotometricInterpretation.startswith("MONOCHROME"):
                target = out / f"{len(files)}.raw"
                ds.pixel_array.astype("<i8").tofile(target)
                entry["pixels"] = str(target)
            else:
                entry["why"] = "not a grey image"
        except Exception as error:
            entry["why"] = f"{type(error).__name__}: {error}"
json.dump(files, sys.stdout)
