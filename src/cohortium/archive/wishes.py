"""What a sender wishes the subject and the session of images to be called, as XNAT's clients do.

In a project that trusts its senders, images that are said to be another subject's than their own become that
subject's: PatientID and PatientName are the label, and every UID is mapped under the site's key, differently for each
subject, so that one package sent for two subjects is two. The same image for the same subject gives the same bytes,
and no sample changes. Where a check or a receipt vouches for bytes, none of them is changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_keyword, dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag
from sqlalchemy import Connection, RowMapping, exists, select

from cohortium.archive.typed import demand_label
from cohortium.dicom import elements, meta, uids
from cohortium.errors import Malformed, Refused
from cohortium.keys import SiteKey
from cohortium.store.schema import session, subject

__all__ = ["AS_THEY_ARE", "Relabelling", "Wish"]

DEFINITIONS = re.compile(
    "Class|TransferSyntax|CodingScheme|^ContextUID|MappingResource|Template|CreatorUID|CreatorVersion|Repository|^Home"
)  # in keywords of UIDs that name what things are, not things of a patient's


@dataclass(frozen=True, slots=True)
class Wish:
    """Labels, as somebody types them; empty: what the images say."""

    subject: str = ""
    session: str = ""


AS_THEY_ARE = Wish()


class Relabelling:
    """Images on their way into a project as their sender wishes; counts those that were made the wished subject's."""

    def __init__(self, connection: Connection, key: SiteKey, project: RowMapping, wish: Wish) -> None:
        self._wish = wish
        self._may = project["admit"] == "trusted"
        self._secret = key.derive("uids of relabelled images", project["name"], wish.subject)
        self._known = [
            connection.scalar(select(exists().where(column.table.c.project_id == project["id"], column == label)))
            for column, label in ((subject.c.PatientID, wish.subject), (session.c.label, wish.session))
        ]
        self.count = 0

    def __call__(self, images: Iterable[bytes]) -> Iterator[bytes]:
        """Each image as the wished subject's; `Refused` where one of another subject cannot become that.

        One that cannot be read stays as it is: whoever reads it next refuses it.
        """
        for content in images:
            if self._is_other(content):
                self.count += 1
                yield relabelled(content, self._wish.subject, self._secret)
            else:
                yield content

    def demanded(self, images: Iterable[bytes]) -> Iterator[bytes]:
        """Each image as it is, for later; `Refused` where labels could never become what is wished."""
        if self._wish.session and not self._known[1]:
            demand_label(self._wish.session, "session")
        for content in images:
            self._is_other(content)
            yield content

    def _is_other(self, content: bytes) -> bool:
        """Whether it has to be made the wished subject's, which may be done."""
        if not self._wish.subject:
            return False
        try:
            if meta.describe(content, digest="").PatientID == self._wish.subject:
                return False
            elements.read(content)
        except Malformed:
            return False
        if not self._may:
            raise Refused("nothing came in: the images are of another subject than the one that was named")
        if not self._known[0]:
            demand_label(self._wish.subject, "subject")
        return True


def relabelled(content: bytes, PatientID: str, secret: bytes) -> bytes:
    """The image as one of that subject; all else in it stays, byte for byte where it can."""
    dataset = dcmread(BytesIO(content))
    dataset.PatientID = PatientID
    if dataset.get("PatientName"):
        dataset.PatientName = PatientID
    _map(dataset, secret)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    out = BytesIO()
    dataset.save_as(out)
    return out.getvalue()


def _map(dataset: Dataset, secret: bytes) -> None:
    """Elements that are neither a UID nor a sequence are not decoded, so that they are written as they were read."""
    for tag in list(dataset.keys()):
        raw: Any = dataset.get_item(tag)
        vr = _vr(tag, raw.VR)
        if vr == "SQ":
            for item in dataset[tag].value or ():
                _map(item, secret)
        elif vr == "UI" and isinstance(raw, RawDataElement) and raw.value and not _is_definition(tag):
            value = uids.mapped(secret, raw.value)
            dataset[tag] = raw._replace(value=value, length=len(value))


def _vr(tag: BaseTag, said: str | None) -> str | None:
    """The VR that is said, or that of PS3.6 where it is not, or not understood."""
    if said in (None, "UN") and not tag.is_private:
        try:
            return dictionary_VR(tag)
        except KeyError:
            return said
    return said


def _is_definition(tag: BaseTag) -> bool:
    try:
        return not tag.is_private and DEFINITIONS.search(dictionary_keyword(tag)) is not None
    except KeyError:
        return False
