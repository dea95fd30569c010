"""One peer's way through a folder, run in an environment of its own: `python peer.py NAME IN OUT TABLE`.

Each peer works as it ships, with no setting of ours, and writes the file under its number. fw-file is a library that
ships no rules, so it is given the Basic Profile of TABLE at the top level. Prints CPU seconds, start-up excluded, and
how many files it wrote.
"""

import csv
import json
import sys
import time
import warnings
from pathlib import Path

HEXADECIMAL = set("0123456789abcdef")


def dcmanon(_table):
    from dcmanon import Anonymizer

    anonymizer = Anonymizer()
    return lambda source, target: target.write_bytes(anonymizer.anonymize(str(source)))


def deid(_table):
    from deid.config import DeidRecipe
    from deid.dicom import get_identifiers, replace_identifiers

    recipe = DeidRecipe()

    def run(source, target):
        ids = get_identifiers([str(source)], expand_sequences=True)
        dataset = replace_identifiers([str(source)], deid=recipe, ids=ids, save=False, remove_private=True)[0]
        dataset.save_as(target)

    return run


def dicognito(_table):
    import pydicom
    from dicognito.anonymizer import Anonymizer

    anonymizer = Anonymizer()

    def run(source, target):
        dataset = pydicom.dcmread(source)
        anonymizer.anonymize(dataset)
        dataset.save_as(target)

    return run


def dicom_anonymizer(_table):
    from dicomanonymizer import anonymize_dicom_file

    return lambda source, target: anonymize_dicom_file(str(source), str(target))


def fw_file(table):
    from fw_file.dicom import DICOM
    from pydicom.uid import generate_uid

    with table.open() as file:
        rules = [(int(row["tag"], 16), row["basic"]) for row in csv.DictReader(file) if set(row["tag"]) <= HEXADECIMAL]
    uids = {}

    def run(source, target):
        dicom = DICOM(str(source))
        dataset = dicom.dataset.raw
        for tag, code in rules:
            if tag not in dataset:
                continue
            if code == "U" and dataset[tag].VR == "UI":
                dataset[tag].value = uids.setdefault(str(dataset[tag].value), generate_uid())
            elif code.startswith("X"):
                del dataset[tag]
            else:
                dataset[tag].value = None
        dataset.remove_private_tags()
        dicom.save(str(target))

    return run


def main():
    name, source, target, table = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
    warnings.simplefilter("ignore")
    run = globals()[name](table)
    target.mkdir()
    paths = sorted(path for path in source.rglob("*") if path.is_file())
    written(run, paths[:4], target)  # whatever is made once
    started = time.process_time()
    count = written(run, paths, target)
    print(json.dumps([time.process_time() - started, count]))


def written(run, paths, target):
    count = 0
    for number, path in enumerate(paths):
        try:
            run(path, target / f"{number:04d}.dcm")
            count += 1
        except Exception:  # noqa: BLE001 - a peer may raise anything; what it does not write is counted
            continue
    return count


if __name__ == "__main__":
    main()
