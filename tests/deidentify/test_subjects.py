"""Subjects: each kind gives a patient one pseudonym, and says nothing of who they are."""

from __future__ import annotations

import hashlib
import io
import sqlite3
import stat
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import factory
from cohortium.deidentify import Deidentified, Deidentifier, load_protocol, secret, subjects
from cohortium.deidentify.identifiers import Hashes
from cohortium.deidentify.lookup import read_list
from cohortium.deidentify.names import name_keys, sound
from cohortium.deidentify.subjects import Known, NotKnown, Patient, Subjects
from cohortium.deidentify.table import Table
from cohortium.deidentify.tree import Task, run
from cohortium.errors import ConfigError, Corrupt, Malformed, Refused
from cohortium.keys import SiteKey
from cohortium.values import Protocol, Reason, SetAside, State

KEY = SiteKey(bytes(32))
HEAD = 'name = "p"\nversion = "1"\ntitle = "t"\nedition = "2026c"\nbase = "basic"\n'
MODIFIED = 'options = ["Retain Longitudinal Temporal Information Modified Dates"]\n'
Kind = Callable[..., Protocol]


@pytest.fixture
def kind(tmp_path: Path) -> Kind:
    """`kind("random", "length = 8")`: a protocol with such subjects."""

    def load(name: str, more: str = "", before: str = "", after: str = "") -> Protocol:
        path = tmp_path / "p.toml"
        path.write_text(f'{HEAD}{before}[subject]\nkind = "{name}"\n{more}\n{after}', "utf-8")
        return load_protocol(path)

    return load


def table(folder: Path, protocol: Protocol, project: str = "project", key: SiteKey = KEY) -> Table:
    anchored = protocol.dates.rule == "anchor"
    return Table(folder / "subjects.sqlite", key, project, protocol.subject, "berlin", anchored=anchored)


def pseudonym(of: Table, patient: Patient) -> str:
    (known,) = of.admit(patient).values()
    return known.pseudonym


# --- hash ---------------------------------------------------------------------------------------------------------


def test_sha_512_256_is_that_of_fips_180_4() -> None:
    assert Hashes(b"").pseudonym("abc") == "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"
    assert Hashes(b"").pseudonym("abc") != hashlib.sha512(b"abc").hexdigest()[:64], "not SHA-512 cut short"


def test_the_hash_is_over_secret_then_id_and_an_issuer_counts() -> None:
    def expected(text: str) -> str:
        return hashlib.new("sha512_256", f"SECRET{text}".encode()).hexdigest()

    hashes = Hashes(b"SECRET")
    assert hashes.pseudonym(" 1001 ") == expected("1001")
    assert hashes.pseudonym("10  01") == expected("10  01"), "trimmed, and no more"
    assert hashes.pseudonym("1001", "WEST") == expected("WEST\x1f1001")
    assert hashes.pseudonym("Mu\u0308ller") == expected("M\u00fcller")


def test_the_hospitals_own_issuer_is_none(tmp_path: Path, kind: Kind) -> None:
    """Some devices of a hospital name it as the issuer, others do not: their patients are the same people."""
    hashed = kind("hash")
    people = Subjects(hashed, KEY, "project", secret.Secret(b"SECRET"), own_issuer="Charité ")
    assert people("1001", "Charite\u0301") == people("1001")
    assert people("1001", "WEST") != people("1001")
    random = kind("random")
    one = Table(tmp_path / "subjects.sqlite", KEY, "project", random.subject, "berlin", "Charité")
    assert (
        pseudonym(one, Patient("1001", "Charité"))
        == pseudonym(one, Patient("1001"))
        != pseudonym(one, Patient("1001", "W"))
    )
    by = Deidentifier(random, KEY, "project", Subjects(random, KEY, "project", None, one, "Charité"))
    made = [by(factory.ct(IssuerOfPatientID=name, PatientName="X")) for name in ("Charité", "")]
    assert len({each.PatientID for each in made if isinstance(each, Deidentified)}) == 1


def test_hashed_subjects_reach_the_file(kind: Kind) -> None:
    protocol = kind("hash")
    with pytest.raises(ConfigError, match="cohortium subject secret"):
        Deidentifier(protocol, KEY, "project")
    by = Deidentifier(protocol, KEY, "project", Subjects(protocol, KEY, "project", secret.Secret(b"s" * 64, weak=True)))
    made = by(factory.ct())
    assert isinstance(made, Deidentified)
    assert made.PatientID == hashlib.new("sha512_256", b"s" * 64 + factory.ID.encode()).hexdigest()
    assert "subject.weak-secret" in {finding.rule for finding in made.findings}


def test_a_secret_is_made_once_private_and_strong(tmp_path: Path) -> None:
    path = secret.path_of(tmp_path / "keys" / "site.key", "study")
    made = secret.create(path)
    assert secret.load(path) == made
    assert not made.weak
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(bytes.fromhex(made.value.decode())) == 32
    assert made.value.decode() not in repr(made)
    with pytest.raises(Refused, match="never overwritten"):
        secret.create(path)
    path.chmod(0o640)
    with pytest.raises(Refused, match="others can read"):
        secret.load(path)
    assert secret.load(tmp_path / "none") is None


@pytest.mark.parametrize("text", ["summer2020", "0" * 64, "ab" * 40, "1234567890" * 6, "correct horse battery staple"])
def test_a_weak_secret_needs_an_accepting_word(tmp_path: Path, text: str) -> None:
    with pytest.raises(Refused, match="weak"):
        secret.create(tmp_path / "a", text)
    assert not (tmp_path / "a").exists()
    assert secret.create(tmp_path / "a", text, accept_weak=True).weak
    loaded = secret.load(tmp_path / "a")
    assert loaded == secret.Secret(text.encode(), weak=True)
    secret.keys.write_once(tmp_path / "b", text + "\n", "secret")
    with pytest.raises(Refused, match="nobody accepted"):
        secret.load(tmp_path / "b")


# --- the table ----------------------------------------------------------------------------------------------------


def test_a_random_pseudonym_is_remembered(tmp_path: Path, kind: Kind) -> None:
    protocol = kind("random", "length = 10")
    first = pseudonym(table(tmp_path, protocol), Patient("1001"))
    assert len(first) == 10
    assert pseudonym(table(tmp_path, protocol), Patient(" 1001 ")) == first
    others = {
        pseudonym(table(tmp_path, protocol), Patient("1002")),
        pseudonym(table(tmp_path, protocol), Patient("1001", "WEST")),
        pseudonym(table(tmp_path, protocol, "other"), Patient("1001")),
        pseudonym(table(tmp_path / "else", protocol), Patient("1001")),
    }
    assert len(others | {first}) == 5, "issuer, project and chance tell them apart"


def test_the_table_alone_says_nothing(tmp_path: Path, kind: Kind) -> None:
    protocol = kind("context")
    patient = Patient(factory.ID, "WESTSTADT", factory.NAME, "19610203", "M", date(2020, 3, 4))
    given = pseudonym(table(tmp_path, protocol), patient)
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.suffix != ".toml")
    assert factory.planted_in(content, [*factory.PLANTED, given, "2020-03-04"]) == []
    assert stat.S_IMODE((tmp_path / "subjects.sqlite").stat().st_mode) == 0o600
    with sqlite3.connect(tmp_path / "subjects.sqlite") as connection:
        connection.execute("UPDATE subject SET sealed = zeroblob(60)")
    with pytest.raises(Corrupt, match="another key"):
        table(tmp_path, protocol).look(patient)


def test_a_convention_numbers_in_order_of_arrival(tmp_path: Path, kind: Kind) -> None:
    protocol = kind("convention", 'pattern = "{project}-{site}-{number}"\ndigits = 3')
    made = [pseudonym(table(tmp_path, protocol, "inc"), Patient(name)) for name in ("b", "a", "b", "c")]
    assert made == ["inc-berlin-001", "inc-berlin-002", "inc-berlin-001", "inc-berlin-003"]


@pytest.mark.parametrize(
    "pattern", ["{number}{number}", "x", "{patient}-{number}", "{number:5}", "{number!r}", "{", "a/{number}"]
)
def test_a_pattern_that_makes_no_names(kind: Kind, pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"subject\.pattern"):
        kind("convention", f'pattern = "{pattern}"')


def test_a_lookup_list_as_csv_and_as_ctp_writes_it(tmp_path: Path, kind: Kind) -> None:
    protocol = kind("lookup")
    (tmp_path / "list.csv").write_text("patient_id;subject;issuer\n1001;S-1;\n1001;S-2;WEST\n")
    (tmp_path / "list.properties").write_text("# CTP\nptid/2002 = S-3\n")
    people = table(tmp_path, protocol)
    assert people.take(read_list(tmp_path / "list.csv")) == 2
    assert people.take(read_list(tmp_path / "list.properties")) == 1
    assert people.take(read_list(tmp_path / "list.csv")) == 0, "again is no mistake"
    assert pseudonym(people, Patient("1001")) == "S-1"
    assert pseudonym(people, Patient("1001", "WEST")) == "S-2"
    assert pseudonym(people, Patient("2002")) == "S-3"
    assert people.admit(Patient("3003")) == {}
    for text, error in (
        ("patient_id,subject\n9,S-1\n", "to two patients"),
        ("patient_id,subject\n1001,S-9\n", "another"),
    ):
        (tmp_path / "bad.csv").write_text(text)
        with pytest.raises(Refused, match=error):
            people.take(read_list(tmp_path / "bad.csv"))
    for text in ("patient_id,subject\n1,\n", "a,b\n1,2\n", "", "patient_id,subject\n1,../x\n"):
        (tmp_path / "bad.csv").write_text(text)
        with pytest.raises(Malformed):
            read_list(tmp_path / "bad.csv")


def test_a_list_knows_nobody_whom_another_kind_assigned(tmp_path: Path, kind: Kind) -> None:
    assert pseudonym(table(tmp_path, kind("random")), Patient("1001"))
    assert table(tmp_path, kind("lookup")).admit(Patient("1001")) == {}


def test_who_is_not_in_the_list_is_quarantined(tmp_path: Path, kind: Kind) -> None:
    protocol = kind("lookup")
    people = table(tmp_path, protocol)
    people.take([(Patient(factory.ID), "S-1")])
    by = Deidentifier(protocol, KEY, "project", Subjects(protocol, KEY, "project", None, people))
    made = by(factory.ct())
    assert isinstance(made, Deidentified)
    assert made.PatientID == "S-1"
    assert by(factory.ct(PatientID="somebody")) == SetAside(Reason.SUBJECT_UNKNOWN)
    nothing = by(b"no DICOM")
    assert isinstance(nothing, SetAside)
    assert nothing.reason is Reason.NO_FILE_META


# --- contexts -----------------------------------------------------------------------------------------------------


def test_contexts_are_unlinkable_without_the_key_and_linked_by_the_person(tmp_path: Path, kind: Kind) -> None:
    """One patient in two contexts: unrelated pseudonyms, both from one person that only the key opens."""
    patient = Patient("1001", "", "Müller^Hans", "19610203", "M")
    made = {name: pseudonym(table(tmp_path, kind("context", f'context = "{name}"'), name), patient) for name in "ab"}
    assert made["a"] != made["b"]
    again = kind("context", 'context = "a"')
    assert pseudonym(table(tmp_path, again, "third"), patient) == made["a"], "the context counts, not the project"
    one, other = (table(tmp_path, kind("context", f'context = "{name}"'), name) for name in "ab")
    assert one.link(made["a"], other) == made["b"], "who holds the key can"
    assert one.link(made["b"], other) is None
    other_key = table(tmp_path / "else", again, "third", SiteKey(b"\1" * 32))
    assert pseudonym(other_key, patient) != made["a"]


HANS = Patient("1001", "WEST", "Müller^Hans", "19610203", "M")


def admitted(of: Table, patient: Patient) -> Known:
    (known,) = of.admit(patient).values()
    return known


@pytest.mark.parametrize(
    "name", ["MÜLLER^HANS", "Mueller^Hans", "Muller^Hans", "Mu\u0308ller^Hans^^Dr.", "Müller^Hans=x"]
)
def test_one_person_under_two_identifiers_is_found(tmp_path: Path, kind: Kind, name: str) -> None:
    people = table(tmp_path, kind("context"))
    first = pseudonym(people, HANS)
    known = admitted(people, Patient("77", "EAST", name, "19610203", "M"))
    assert (known.pseudonym, known.merged, known.like) == (first, "name", "")


@pytest.mark.parametrize("name", ["Miller^Hans", "Muller^Hanns", "Müller^Hans^Peter", "Muehler^Hans"])
def test_who_sounds_alike_is_a_candidate_and_no_more(tmp_path: Path, kind: Kind, name: str) -> None:
    protocol = kind("context")
    people = table(tmp_path, protocol)
    first = pseudonym(people, HANS)
    other = Patient("77", "EAST", name, "19610203", "M")
    known = admitted(people, other)
    assert known.pseudonym != first
    assert (known.merged, known.like) == ("", first)
    assert people.candidates() == [(first, known.pseudonym)]
    by = Deidentifier(protocol, KEY, "project", Subjects(protocol, KEY, "project", None, people))
    made = by(factory.ct(PatientID="77", IssuerOfPatientID="EAST", PatientName=name, charset="utf-8", **UTF_8))
    assert isinstance(made, Deidentified)
    assert "subject.candidate" in {finding.rule for finding in made.findings}


UTF_8 = {"SpecificCharacterSet": "ISO_IR 192"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Maier^Anna", "Meier^Anne"),
        ("Schmidt^Jan", "Schmidt^Jann"),
        ("Schulz^Marie", "Schulz^Maria"),
        ("Weiß^Eva", "Weiß^Efa"),
    ],
)
def test_twins_of_one_sex_stay_two(tmp_path: Path, kind: Kind, one: str, other: str) -> None:
    """The same sound, birth date and sex: as twins have them, and as misspelt names do. A person decides."""
    people = table(tmp_path, kind("context"))
    known = [admitted(people, Patient(name, "", name, "20101224", "F")) for name in (one, other)]
    assert known[0].pseudonym != known[1].pseudonym
    assert known[1].like == known[0].pseudonym


def test_a_name_that_two_people_bear_merges_with_neither(tmp_path: Path, kind: Kind) -> None:
    people = table(tmp_path, kind("context"))
    known = [
        admitted(people, Patient(name, "", f"{name}^Hans", "19610203", "M")) for name in ("Mueller", "Muller", "Müller")
    ]
    assert len({each.pseudonym for each in known}) == 3
    assert known[2].like in {known[0].pseudonym, known[1].pseudonym}


@pytest.mark.parametrize(
    ("name", "born"),
    [
        ("Müller^Knabe", "20101224"),
        ("MUELLER^BABY", "20101224"),
        ("Anonymous^Patient", "19610203"),
        ("Müller^Hans", "19000101"),
    ],
)
def test_what_stands_for_no_name_or_no_day_is_not_compared(tmp_path: Path, kind: Kind, name: str, born: str) -> None:
    people = table(tmp_path, kind("context"))
    known = [admitted(people, Patient(number, "", name, born, "M")) for number in ("1", "2")]
    assert known[0].pseudonym != known[1].pseudonym
    assert not known[1].like


def test_who_knows_makes_two_subjects_one(tmp_path: Path, kind: Kind) -> None:
    """After a merge both identifiers lead to one pseudonym and one anchor, here and in contexts that are met later."""
    protocol = kind("context", before=MODIFIED, after='[dates]\nrule = "anchor"\n')
    people = table(tmp_path, protocol)
    one = Patient("1001", "", "Maier^Anna", "20101224", "F", date(2020, 3, 4))
    other = Patient("77", "", "Meier^Anne", "20101224", "F", date(2021, 3, 4))
    stays, goes = pseudonym(people, one), pseudonym(people, other)
    assert people.merge(stays, goes) == 1
    later = table(tmp_path, protocol)
    assert admitted(later, other) == Known(stays, "2020-03-04", "hand")
    assert pseudonym(later, one) == stays
    assert later.candidates() == []
    elsewhere = table(tmp_path, kind("context", 'context = "second"'), "second")
    assert pseudonym(elsewhere, one) == pseudonym(elsewhere, other)
    for pair in ((stays, goes), (stays, stays), (stays, "nobody")):
        with pytest.raises(Refused, match="nothing was changed"):
            later.merge(*pair)


def test_random_subjects_are_merged_alike(tmp_path: Path, kind: Kind) -> None:
    people = table(tmp_path, kind("random"))
    stays, goes = pseudonym(people, Patient("1")), pseudonym(people, Patient("2"))
    assert people.merge(stays, goes) == 1
    assert pseudonym(table(tmp_path, kind("random")), Patient("2")) == stays


def test_what_was_pseudonymised_elsewhere_is_mapped_again(tmp_path: Path, kind: Kind) -> None:
    """A registry's identifiers are mapped like any other; its names, which may be everybody's, merge nobody."""
    protocol = kind("context", "elsewhere = true")
    assert protocol.digest != kind("context").digest
    assert protocol.subject.provenance == "pseudonymised elsewhere"
    people = table(tmp_path, protocol)
    by = Deidentifier(protocol, KEY, "project", Subjects(protocol, KEY, "project", None, people))
    same = {"PatientName": "Registry^Case", "PatientBirthDate": "19610203", "PatientSex": "M"}
    one, other = (by(factory.ct(PatientID=name, **same)) for name in ("REG-0001", "REG-0002"))
    assert isinstance(one, Deidentified)
    assert isinstance(other, Deidentified)
    assert one.PatientID != other.PatientID
    assert "subject.pseudonymised-elsewhere" in {finding.rule for finding in one.findings}
    assert b"REG-0001" not in factory.joined(one.slices)
    for name, wrong in (("context", 'elsewhere = "yes"'), ("hash", "elsewhere = true")):
        with pytest.raises(ConfigError, match=r"subject\.elsewhere"):
            kind(name, wrong)


@pytest.mark.parametrize(
    "other",
    [
        Patient("2", "", "Müller^Hans", "19610204", "M"),
        Patient("2", "", "Müller^Hans", "19610203", "F"),
        Patient("2", "", "Maier^Hans", "19610203", "M"),
        Patient("2", "", "Müller", "19610203", "M"),
        Patient("2", "", "Müller^Hans", "", "M"),
        Patient("2", "", "", "", ""),
    ],
)
def test_who_differs_is_somebody_else(tmp_path: Path, kind: Kind, other: Patient) -> None:
    people = table(tmp_path, kind("context"))
    assert pseudonym(people, Patient("1", "", "Müller^Hans", "19610203", "M")) != pseudonym(people, other)


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("Wikipedia", "3412"),
        ("Müller-Lüdenscheidt", "65752682"),
        ("Breschnew", "17863"),
        ("Schmidt", "862"),
        ("Meyer", "67"),
        ("Maier", "67"),
        ("Phillip", "351"),
        ("Xaver", "4837"),
        ("Hans", "068"),
    ],
)
def test_cologne_phonetics(word: str, code: str) -> None:
    assert sound(word) == code


@given(st.text(max_size=30), st.text(max_size=10), st.text(max_size=3))
def test_any_name_is_compared_or_not_and_nothing_breaks(name: str, born: str, sex: str) -> None:
    assert [each for each, _ in name_keys(name, born, sex)] in ([], ["name", "sound"], ["name", "name", "sound"])


# --- anchored dates -----------------------------------------------------------------------------------------------


def test_the_first_examination_is_the_anchor_ever_after(tmp_path: Path, kind: Kind) -> None:
    protocol = kind("random", before=MODIFIED, after='[dates]\nrule = "anchor"\n')

    def dates(*, fresh: bool = True, **changes: object) -> str:
        by = Deidentifier(protocol, KEY, "project", Subjects(protocol, KEY, "project", None, table(tmp_path, protocol)))
        made = by(factory.ct(**changes))
        assert isinstance(made, Deidentified), made
        return str(factory.read(factory.joined(made.slices)).StudyDate)

    assert dates(StudyDate="20200304") == "20000101"
    assert dates(StudyDate="20200311") == "20000108"
    assert dates(StudyDate="20200303") == "19991231", "an earlier one does not anchor anew"
    by = Deidentifier(protocol, KEY, "project", Subjects(protocol, KEY, "project", None, table(tmp_path, protocol)))
    assert by(factory.ct(PatientID="other", StudyDate="")) == SetAside(Reason.SUBJECT_UNKNOWN)
    with pytest.raises(ConfigError, match="anchor"):
        kind("keyed", before=MODIFIED, after='[dates]\nrule = "anchor"\n')


def test_one_person_has_one_shift_and_one_anchor_under_two_identifiers(tmp_path: Path, kind: Kind) -> None:
    same = {"PatientName": "Meier^Anna", "PatientBirthDate": "19500102", "PatientSex": "F"}
    for rule in ("shift", "anchor"):
        protocol = kind("context", before=MODIFIED, after=f'[dates]\nrule = "{rule}"\n')
        people = table(tmp_path / rule, protocol)
        by = Deidentifier(protocol, KEY, "project", Subjects(protocol, KEY, "project", None, people))
        made = [
            by(factory.ct(PatientID=name, StudyDate=day, **same))
            for name, day in (("1", "20200304"), ("2", "20200311"))
        ]
        first, second = (factory.read(factory.joined(each.slices)) for each in made if isinstance(each, Deidentified))
        assert first.PatientID == second.PatientID
        days = [date.fromisoformat(each.StudyDate) for each in (first, second)]
        assert (days[1] - days[0]).days == 7, rule


def test_a_list_and_an_anchor_go_together(tmp_path: Path, kind: Kind) -> None:
    protocol = kind("lookup", before=MODIFIED, after='[dates]\nrule = "anchor"\n')
    people = table(tmp_path, protocol)
    people.take([(Patient(factory.ID), "S-1")])
    by = Deidentifier(protocol, KEY, "project", Subjects(protocol, KEY, "project", None, people))
    assert by(factory.ct(StudyDate="")) == SetAside(Reason.SUBJECT_UNKNOWN)
    made = by(factory.ct())
    assert isinstance(made, Deidentified)
    assert factory.read(factory.joined(made.slices)).StudyDate == "20000101"
    assert people.look(Patient(factory.ID)) == table(tmp_path, protocol).admit(Patient(factory.ID))


# --- many processes -----------------------------------------------------------------------------------------------


def _admit(folder: Path, path: Path, number: int) -> str:
    return pseudonym(table(folder, load_protocol(path)), Patient("new" if number % 2 else f"P{number}"))


def test_eight_processes_and_one_new_patient_give_one_pseudonym(tmp_path: Path, kind: Kind) -> None:
    kind("convention", 'pattern = "{site}-{number}"')
    with ProcessPoolExecutor(8) as pool:
        made = list(pool.map(_admit, [tmp_path] * 24, [tmp_path / "p.toml"] * 24, range(24)))
    assert len({name for number, name in enumerate(made) if number % 2}) == 1
    assert sorted(set(made)) == [f"berlin-{number:04}" for number in range(1, 14)], "no number twice, none left out"


@pytest.mark.parametrize("workers", [0, 4])
def test_a_tree_assigns_before_its_workers_see_a_file(tmp_path: Path, kind: Kind, workers: int) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for number in range(80):
        uids = {"SOPInstanceUID": f"{factory.INSTANCE}.{number}", "PatientID": f"P{number % 3}", "PatientName": "X"}
        (source / f"{number}").write_bytes(factory.ct(**uids))
    (source / "broken").write_bytes(bytes(128) + b"DICM" + b"\xff" * 40)
    protocol = kind("random")
    people = table(tmp_path, protocol)
    task, files = Task(protocol, KEY, "project", tmp_path / "out"), [(path, "") for path in sorted(source.iterdir())]
    if workers:
        with ProcessPoolExecutor(workers) as pool:
            outcomes = list(run(task, files, pool, people))
    else:
        outcomes = list(run(task, files, None, people))
    assert [outcome.state for outcome in outcomes].count(State.DEIDENTIFIED) == 80
    assert len(list((tmp_path / "out").iterdir())) == 3


# --- reading who a file is about ----------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", [factory.EXPLICIT, factory.IMPLICIT, factory.BIG_ENDIAN, factory.DEFLATED])
def test_the_writer_reads_the_same_patient_as_the_worker(tmp_path: Path, kind: Kind, syntax: str) -> None:
    protocol = kind("random")
    changes = {"PatientID": "Mü-1", "IssuerOfPatientID": "Köln", "SpecificCharacterSet": "ISO_IR 192"}
    content = factory.ct(syntax=syntax, charset="utf-8", **changes)
    patient = subjects.read(io.BytesIO(content))
    assert (patient.patient_id, patient.issuer, patient.examined) == ("Mü-1", "Köln", date(2020, 3, 4))
    assert "Mü-1" not in repr(patient)
    by = Deidentifier(protocol, KEY, "project", Subjects(protocol, KEY, "project", None, table(tmp_path, protocol)))
    made = by(content)
    assert isinstance(made, Deidentified)
    assert made.PatientID == pseudonym(table(tmp_path, protocol), patient)


def test_a_patient_without_an_identifier_is_its_study(tmp_path: Path, kind: Kind) -> None:
    protocol = kind("random")
    by = Deidentifier(protocol, KEY, "project", Subjects(protocol, KEY, "project", None, table(tmp_path, protocol)))
    one, same, other = (
        by(factory.ct(PatientID="", StudyInstanceUID=study, SOPInstanceUID=f"{study}.9{n}"))
        for n, study in enumerate(("1.2.3", "1.2.3", "1.2.4"))
    )
    assert isinstance(one, Deidentified)
    assert isinstance(same, Deidentified)
    assert isinstance(other, Deidentified)
    assert one.PatientID == same.PatientID != other.PatientID
    assert "subject.no-identifier" in {finding.rule for finding in one.findings}


def test_only_tables_can_fail_to_know(kind: Kind) -> None:
    with pytest.raises(NotKnown):
        Subjects(kind("random"), KEY, "project")("1001")
    assert Subjects(kind("keyed"), KEY, "project")("1001").pseudonym
