"""De-identification: bytes in, bytes out, and nothing else: no network, no database, no clock.

What always holds: what is not understood does not come out. A file is either rewritten as its protocol says or set
aside with a reason; there is no third way and no exception for bad input.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from cohortium.deidentify import relative, standard
from cohortium.deidentify.ctp.ruling import Ruled, Ruling
from cohortium.deidentify.ctp.tables import Tables
from cohortium.deidentify.faces import may_show
from cohortium.deidentify.identifiers import Tokens, UidMap, Uids
from cohortium.deidentify.pixels import Hold, Reviewer, Rules, by_person, shipped
from cohortium.deidentify.plan import CLEAN_FEATURES, CLEAN_PIXELS, Aside, Compiler, OtherClass
from cohortium.deidentify.protocol import load as load_protocol
from cohortium.deidentify.subjects import Subjects
from cohortium.dicom import codecs, filemeta, scan, slow
from cohortium.dicom.filemeta import FileMeta
from cohortium.dicom.plan import Rewritten
from cohortium.dicom.redact import Areas, Rectangle, redact
from cohortium.errors import Malformed
from cohortium.keys import SiteKey
from cohortium.values import Finding, Protocol, Reason, SetAside, Severity

__all__ = ["Deidentified", "Deidentifier", "load_protocol"]

IDENTIFIERS = (0x00100020, 0x0020000D, 0x0020000E, 0x00080018)
TRUNCATED = "truncated: "
FACELESS = Finding("faces.looked-at", Severity.INFO, "a person says that no face can be drawn from its series")
PLANS = 64  # one for each SOP class in use; bounded


@dataclass(frozen=True, slots=True)
class Deidentified:
    """A de-identified file: slices to be written in order, some of them views of the input buffer.

    The identifiers are the new ones; `subject_mark` is a keyed digest of who the patient is in the project, `person`
    one that is the same in all projects of the site, for its `register` alone; `areas` is what was blanked. One with a
    `face` says that it has none any more, and must not go on before that is true of its whole series.
    """

    slices: list[bytes | memoryview]
    findings: tuple[Finding, ...]
    subject_mark: str
    person: str
    areas: Areas
    face: bool
    PatientID: str
    StudyInstanceUID: str
    SeriesInstanceUID: str
    SOPInstanceUID: str

    def digest(self) -> str:
        """SHA-256 of the file, hex: its name ever after."""
        hasher = hashlib.sha256()
        for piece in self.slices:
            hasher.update(piece)
        return hasher.hexdigest()

    def size(self) -> int:
        return sum(map(len, self.slices))


class Deidentifier:
    """One protocol, for one project of one site.

    `subjects` are needed where a key alone does not make them, `tables` where a CTP script looks up or numbers. Where
    faces are to be removed, what may show one is set aside, unless `by_series`: then the caller removes them.
    """

    def __init__(
        self,
        protocol: Protocol,
        key: SiteKey,
        project: str,
        subjects: Subjects | None = None,
        tables: Tables | None = None,
        *,
        by_series: bool = False,
    ) -> None:
        self.by_series = by_series
        self.protocol = protocol
        self.subjects = subjects or Subjects(protocol, key, project)
        issuer = self.subjects.own_issuer
        self._ruling = Ruling(protocol, key, project, issuer, tables or Tables()) if protocol.ctp else None
        uids: UidMap = Uids(key, project)
        self._uids = uids
        base = replace(protocol, ctp=None)
        tokens = Tokens(key, project, keyed=not protocol.compat)
        compiler = Compiler(base, self.subjects, self._ruling.uids(uids) if self._ruling else uids, tokens)
        self._plan = lru_cache(maxsize=PLANS)(compiler.plan)
        self._review = Reviewer(_rules(self._ruling)) if CLEAN_PIXELS in protocol.options else None

    def __call__(
        self, buffer: bytes | memoryview, looked: Sequence[Rectangle] | None = None, *, faceless: bool = False
    ) -> Deidentified | SetAside:
        """De-identify a whole Part 10 file. `buffer` must live until the slices are written.

        Where a person looked at the picture, `looked` is what they want blanked in each frame, which may be nothing:
        their word stands in for a rule's. It lets nothing on whose bytes are not understood. `faceless`: a person says
        that no face can be drawn from its series, so none is removed, and none is said to be.
        """
        result = self._result(buffer, looked, faceless)
        unknown = isinstance(result, SetAside) and result.reason is Reason.SUBJECT_UNKNOWN
        return self._result(buffer, looked, faceless) if unknown and self.subjects.meet(buffer) else result

    def series(self, buffer: bytes | memoryview) -> str:
        """What its SeriesInstanceUID becomes where UIDs are mapped, to tell what belongs together; empty if unknown."""
        try:
            return self._uids(slow.series(buffer).encode("ascii")).decode("ascii").rstrip("\0")
        except (Malformed, UnicodeEncodeError):
            return ""

    def _result(
        self, buffer: bytes | memoryview, looked: Sequence[Rectangle] | None, faceless: bool
    ) -> Deidentified | SetAside:
        try:
            return self._deidentified(buffer, looked, faceless)
        except Aside as aside:
            return aside.aside
        except Malformed as error:
            text = str(error)
            if text.startswith(TRUNCATED):
                return SetAside(Reason.TRUNCATED, text.removeprefix(TRUNCATED))
            return SetAside(Reason.MALFORMED, text)

    def _deidentified(
        self, buffer: bytes | memoryview, looked: Sequence[Rectangle] | None, faceless: bool
    ) -> Deidentified:
        try:
            meta = filemeta.read(buffer)
        except Malformed as error:
            raise Aside(Reason.NO_FILE_META, str(error)) from None
        if meta.TransferSyntaxUID not in standard.transfer_syntaxes():
            raise Aside(Reason.TRANSFER_SYNTAX_NOT_SUPPORTED)
        sop_class = _listed(meta.MediaStorageSOPClassUID)
        ruled = self._ruling.open(buffer) if self._ruling else None
        review = self._review(buffer) if self._review else ruled.review() if ruled else None
        by_hand = looked is not None and standard.shows_pictures(standard.iod(sop_class))
        if looked is not None and by_hand:
            review = by_person(buffer, looked, review)
        if isinstance(review, Hold):
            raise Aside(Reason.PIXELS_NOT_REVIEWED, str(review))
        suspect = CLEAN_FEATURES in self.protocol.options and may_show(codecs.read(bytes(buffer)))
        face = suspect and not faceless
        if face and not self.by_series:
            raise Aside(Reason.FACE, "only a whole series can be judged: `cohortium deidentify` does that, on a folder")
        done = {CLEAN_PIXELS: by_hand or bool(review and review.areas), CLEAN_FEATURES: face}
        cleaned = frozenset(option for option, yes in done.items() if yes)
        try:
            rewritten = self._rewritten(buffer, sop_class, cleaned, meta, ruled)
        except OtherClass as other:
            rewritten = self._rewritten(buffer, _listed(str(other)), cleaned, meta, ruled)
        context = rewritten.context
        identifiers = (str(context.sets[tag], "ascii").rstrip("\0 ") for tag in IDENTIFIERS)  # type: ignore[arg-type]
        slices = rewritten.slices
        if review:
            context.findings += review.findings
        if review and review.areas:
            redacted = redact(b"".join(slices), review.areas)
            slices = redacted.slices
            context.findings += redacted.findings
        findings = tuple(dict.fromkeys((*context.findings, *((FACELESS,) if suspect and faceless else ()))))
        areas = review.areas if review else {}
        return Deidentified(slices, findings, context.subject_mark, context.person, areas, face, *identifiers)

    def _rewritten(
        self, buffer: bytes | memoryview, sop_class: str, cleaned: frozenset[str], meta: FileMeta, ruled: Ruled | None
    ) -> Rewritten:
        plan = self._plan(sop_class, cleaned)
        if relative.tags(self.protocol.dates, sop_class):
            plan = relative.timed(plan, buffer)
        plan = ruled.plan(plan) if ruled else plan
        try:
            rewritten = scan.rewrite(buffer, plan, meta)
        except scan.NotScannable:
            rewritten = slow.rewrite(buffer, plan)
        return ruled.merged(rewritten, plan) if ruled else rewritten


def _rules(ruling: Ruling | None) -> Rules:
    """The rules that are shipped, and those of a hospital's pixel script."""
    own = ruling.pixels.signatures if ruling and ruling.pixels else ()
    return replace(shipped(), signatures=(*own, *shipped().signatures))


def _listed(sop_class: str) -> str:
    if sop_class not in standard.storage_sop_classes():
        raise Aside(Reason.SOP_CLASS_NOT_LISTED)
    return sop_class
