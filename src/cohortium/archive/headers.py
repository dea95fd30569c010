"""The headers of instances as DICOM JSON, so that searches and metadata are answered without opening an object.

The slices of a scan differ in a few values. So each header is compressed against the scan's first, its dictionary:
a fifth of the bytes, and still each can be read, and goes, alone. Those of a pack stand in one document, compressed
together: a third of that again, for a series that is read as a whole.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select, update

from cohortium.dicom import meta
from cohortium.errors import Unavailable
from cohortium.store.schema import header, header_dictionary, header_document, instance
from cohortium.wire import dicomjson

__all__ = ["attributes", "drop", "gather", "keep", "read"]

AT_ONCE = 500  # headers a query
PIECE = 1 << 18  # bytes of a document that are decompressed at a time


def keep(connection: Connection, project_id: int, documents: Mapping[str, dicomjson.Document]) -> None:
    """Store the headers of instances that have their rows, by SOPInstanceUID; each once."""
    uid = instance.c.SOPInstanceUID
    query = select(instance.c.scan_id, instance.c.id, uid).where(instance.c.project_id == project_id)
    uids = list(documents)
    rows = [
        row
        for at in range(0, len(uids), AT_ONCE)
        for row in connection.execute(query.where(uid.in_(uids[at : at + AT_ONCE])))
    ]
    for scan_id, of_scan in groupby(sorted(rows), key=lambda row: row[0]):
        _keep(connection, scan_id, {row[1]: documents[row[2]] for row in of_scan})


def drop(connection: Connection, scan_id: int, gone: Select[tuple[int]]) -> None:
    """Forget the headers of instances (`gone`: their ids), also where one of them was what the others lean on."""
    _drop_gathered(connection, scan_id, set(connection.scalars(gone)))
    packed = connection.scalar(select(header_dictionary.c.document).where(header_dictionary.c.scan_id == scan_id))
    if packed is None:
        return
    first = dicomjson.unpack(packed)
    of_scan = select(instance.c.id).where(instance.c.scan_id == scan_id)
    leaving = connection.execute(select(header.c.document).where(header.c.instance_id.in_(gone))).scalars()
    leans = any(dicomjson.unpack(document, first) == first for document in leaving)
    connection.execute(delete(header).where(header.c.instance_id.in_(gone)))
    if leans:
        rest = connection.scalars(select(header.c.instance_id).where(header.c.instance_id.in_(of_scan))).all()
        texts = list(read(connection, scan_id, rest))
        connection.execute(delete(header).where(header.c.instance_id.in_(rest)))
        connection.execute(delete(header_dictionary).where(header_dictionary.c.scan_id == scan_id))
        if rest:
            _keep(connection, scan_id, {each: json.loads(text) for each, text in zip(rest, texts, strict=True)})


def _drop_gathered(connection: Connection, scan_id: int, gone: set[int]) -> None:
    rows = connection.execute(select(header_document).where(header_document.c.scan_id == scan_id)).all()
    for row in rows:
        texts = dict(_apart(row.document))
        if texts.keys() & gone:
            rest = {id: text for id, text in texts.items() if id not in gone}
            mine = update(header_document).where(header_document.c.pack_id == row.pack_id)
            connection.execute(mine.values(document=_together(rest)))


def _keep(connection: Connection, scan_id: int, documents: Mapping[int, dicomjson.Document]) -> None:
    """Those of instances of one scan, by their ids, of which there is at least one."""
    of_scan = select(header_dictionary.c.document).where(header_dictionary.c.scan_id == scan_id)
    packed = connection.scalar(of_scan)
    if packed is None:
        packed = dicomjson.pack(next(iter(documents.values())))
        connection.execute(header_dictionary.insert().values(scan_id=scan_id, document=packed))
    first = dicomjson.unpack(packed)
    rows = [{"instance_id": id, "document": dicomjson.pack(each, first)} for id, each in documents.items()]
    connection.execute(header.insert(), rows)


def gather(connection: Connection, pack_id: int, scan_id: int, texts: Mapping[int, bytes]) -> None:
    """Keep the headers of a pack's instances (texts by id) as one document, in place of one for each."""
    row = {"pack_id": pack_id, "scan_id": scan_id, "document": _together(texts)}
    connection.execute(insert(header_document).values(**row))
    ids = list(texts)
    for at in range(0, len(ids), AT_ONCE):
        connection.execute(delete(header).where(header.c.instance_id.in_(ids[at : at + AT_ONCE])))
    alone = select(header.c.instance_id).join(instance).where(instance.c.scan_id == scan_id).limit(1)
    if connection.scalar(alone) is None:
        connection.execute(delete(header_dictionary).where(header_dictionary.c.scan_id == scan_id))


def read(connection: Connection, scan_id: int, instances: Sequence[int]) -> Iterator[bytes]:
    """The texts of the headers of a scan's instances, in the order asked; `Unavailable` where one is missing."""
    packed = connection.scalar(select(header_dictionary.c.document).where(header_dictionary.c.scan_id == scan_id))
    first = dicomjson.unpack(packed) if packed is not None else b""
    gathered: dict[int, bytes] | None = None
    for at in range(0, len(instances), AT_ONCE):
        some = instances[at : at + AT_ONCE]
        rows = connection.execute(select(header.c.instance_id, header.c.document).where(header.c.instance_id.in_(some)))
        found = {row.instance_id: dicomjson.unpack(row.document, first) for row in rows}
        if len(found) != len(set(some)):
            gathered = _gathered(connection, scan_id, set(instances)) if gathered is None else gathered
            found = gathered | found
        for each in some:
            if each not in found:
                raise Unavailable("headers of these instances were not read yet; run `cohortium archive reindex`")
            yield found[each]


def _gathered(connection: Connection, scan_id: int, wanted: set[int]) -> dict[int, bytes]:
    """The headers among those wanted that stand in documents of packs."""
    found: dict[int, bytes] = {}
    of_scan = header_document.c.scan_id == scan_id
    for document in connection.scalars(select(header_document.c.document).where(of_scan)):
        for instance_id, text in _apart(document):
            if instance_id in wanted:
                found[instance_id] = text
                if len(found) == len(wanted):
                    return found
    return found


def _together(texts: Mapping[int, bytes]) -> bytes:
    """A line for each: its id, a blank, its text. In the order of ids, so that the first is soon read."""
    return zlib.compress(b"".join(b"%d %s\n" % (id, texts[id]) for id in sorted(texts)), 6)


def _apart(document: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines, decompressed as far as they are asked for."""
    inflate, rest, line = zlib.decompressobj(), document, b""
    while rest:
        line += inflate.decompress(rest, PIECE)
        rest = inflate.unconsumed_tail
        *whole, line = line.split(b"\n")
        for each in whole:
            id, _, text = each.partition(b" ")
            yield int(id), text


def attributes(text: bytes) -> dict[str, Any]:
    """The attributes that `dicom.meta` lists, by keyword, as a header says them."""
    document = json.loads(text)
    places = [document, *(item for tag in meta.GROUPS for item in dicomjson.items(document, dicomjson.tag_of(tag))[:1])]
    found = {each.keyword: _said(each, places) for each in meta.attributes() if each.keyword not in meta.FIELDS}
    return {keyword: value for keyword, value in found.items() if value is not None}


def _said(attribute: meta.Attribute, places: Sequence[dicomjson.Document]) -> Any:
    """Its value where it stands, else in the first item of its sequence, here or in the functional groups."""
    sequence, tag = dicomjson.tag_of(attribute.sequence or 0), dicomjson.tag_of(attribute.tag)
    for place in (places[0], *(item for each in places for item in dicomjson.items(each, sequence)[:1])):
        values = dicomjson.values(place, tag)
        if any(value is not None for value in values):
            return values[0] if len(values) == 1 else values
    return None
