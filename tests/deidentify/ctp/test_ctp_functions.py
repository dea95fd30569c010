"""Each function of CTP on one patient, with its edge cases; the markers that decide what becomes of an attribute."""

from __future__ import annotations

import datetime
import hashlib

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from cohortium.deidentify import ctp
from cohortium.deidentify.ctp.functions import FUNCTIONS
from cohortium.deidentify.ctp.store import Store
from cohortium.keys import SiteKey
from cohortium.values import SetAside

LOOKUP = "ptid/P1=S1\nptid/P2=@ptid/P1\nloop/a=@loop/a\ncombo/P1|F=C\noffset/P1=-42\nbad/P1=x\nbase/P1=1/31/2024\n"
PARAMETERS = {"LEN": "6", "SITE": "7", "INC": "-3", "ORIGIN": "20000101", "WORD": "FRONT"}
NOW = datetime.datetime(2026, 3, 4, 5, 6, 7)


@pytest.fixture(scope="module")
def patient() -> Dataset:
    dataset = Dataset()
    dataset.PatientName = "Doe^Jane A.^"
    dataset.PatientID = "P1"
    dataset.PatientSex = "F"
    dataset.PatientAge = "047Y"
    dataset.PatientBirthDate = "19770230"
    dataset.StudyDate = "20240301"
    dataset.ContentDate = ""
    dataset.SeriesDate = "2024-03-01"
    dataset.add_new(0x0008002A, "DT", "20240301120000")
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.Rows = 512
    dataset.SeriesDescription = "a/b/c"
    dataset.PatientComments = "x"
    dataset.EthnicGroup = "y"
    dataset.add_new(0x00189073, "FD", 2.5)
    item = Dataset()
    item.PatientID = "OLD"
    dataset.OtherPatientIDsSequence = [item]
    block = dataset.private_block(0x0011, "HOSPITAL 1.0", create=True)
    block.add_new(0x02, "LO", "private")
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    return dataset


def result(patient: Dataset, expression: str, **tables) -> str:
    """What a rule for Patient Comments makes of the patient: text, or the outcome's kind in angle brackets."""
    parameters = "".join(f'<p t="{name}">{value}</p>' for name, value in PARAMETERS.items())
    text = expression.replace("&", "&amp;").replace("<", "&lt;")
    script = ctp.read(f'<s>{parameters}<e en="T" t="00104000" n="PatientComments">{text}</e></s>')
    given_tables = ctp.Tables(**{"lookup": ctp.read_lookup(LOOKUP), "now": lambda: NOW, **tables})
    outcome = ctp.evaluate(script, patient, 0x00104000, given_tables)
    if isinstance(outcome, SetAside):
        return "<aside>"
    assert outcome is not None
    return outcome.value if outcome.kind is ctp.Kind.REPLACE else f"<{outcome.kind}>"


def md5(text: str, length: int = 99) -> str:
    return str(int(hashlib.md5(text.encode()).hexdigest(), 16))[:length]


CASES = [
    ("@always()x", "x"),
    ("@append(){z}", "x\\z"),
    ("@contents(this)", "x"),
    ("@contents(PatientName)", "Doe^Jane A."),
    ("@contents(ImageType)", "ORIGINAL\\PRIMARY"),
    ("@contents(Rows)", "512"),
    ("@contents(AcquisitionDuration)", "2.5"),
    ("@contents(OtherPatientIDsSeq)", ""),
    ("@contents(OtherPatientIDsSeq::PatientID)", "OLD"),
    ("@contents(root:OtherPatientIDsSeq::PatientID)", "OLD"),
    ("@contents(OtherPatientIDsSequence::PatientID)", ""),
    ("@contents(PatientID::PatientID)", ""),
    ("@contents(0011[HOSPITAL 1.0]02)", "private"),
    ("@contents(0011[NOBODY]02)", ""),
    ("@contents([0010,0020])", "P1"),
    ("@contents(00100020)", "P1"),
    ("@contents(FFFFFFFF)", ""),
    ("@contents(TransferSyntaxUID)", "1.2.840.10008.1.2.1"),
    ('@contents(PatientName,"[a-z]")', "D^J A."),
    ('@contents(PatientName,"(D)(o)","$2$1")', "oDe^Jane A."),
    ("@date()", "20260304"),
    ('@date("-")', "2026-03-04"),
    ("@time(:)", "05:06:07"),
    ("@dateinterval(StudyDate,base,PatientID)", "30"),
    ("@dateinterval(StudyDate,base,PatientID,@ORIGIN)", "20000131"),
    ("@dateinterval(ContentDate,base,PatientID)", "<aside>"),
    ("@dateinterval(StudyDate,none,PatientID)", "<aside>"),
    ("@hash(PatientID)", md5("P1")),
    ("@hash(PatientID,@LEN)", md5("P1", 6)),
    ("@hash(PatientID,0)", md5("P1")),
    ("@hash(PatientID,x)", md5("P1")),
    ("@hash(PatientID,@NONE)", "(PatientID,@NONE)"),
    ("@hash(ContentDate)", md5("")),
    ("@hash(MilitaryRank)", "<remove>"),
    ("@hashname(PatientName,6,1)", md5("DOE", 6)),
    ("@hashname(PatientName,6)", md5("DOEJANEA", 6)),
    ("@hashname(PatientName,x)", md5("DOEJANEA", 4)),
    ("@hashname(PatientName)", "(PatientName)"),
    ("@hashptid(@SITE,PatientID)", md5("[7]P1")),
    ("@hashptid(@NONE,PatientID,5)", md5("[]P1", 5)),
    ("@hashptid(x)", "(x)"),
    ("@hashuid(1.2,PatientID)", f"1.2.{md5('P1')}"),
    ("@hashuid(1.2.,PatientID)", f"1.2.{md5('P1')}"),
    (f"@hashuid({'1.' * 30},PatientID)", f"{'1.' * 30}{md5('P1', 4)}"),
    ("@hashuid(1.2,MilitaryRank)", "<remove>"),
    ("@hashuid(@NONE,PatientID)", "(@NONE,PatientID)"),
    ("@hashdate(AcquisitionDatetime,PatientID)", ""),
    ("@hashdate(ContentDate,PatientID)", ""),
    ("@hashdate(StudyDate,MilitaryRank)", "<remove>"),
    ("@incrementdate(StudyDate,@INC)", "20240227"),
    ("@incrementdate(StudyDate,366)", "20250302"),
    ("@incrementdate(SeriesDate,1)", "2024-03-02"),
    ("@incrementdate(PatientBirthDate,0)", "19770302"),
    ("@incrementdate(StudyDate,PatientID,offset)", "20240119"),
    ("@incrementdate(StudyDate,PatientID,bad)", ""),
    ("@incrementdate(StudyDate,PatientID,none)", ""),
    ("@incrementdate(StudyDate,x)", ""),
    ("@incrementdate(StudyDate)", ""),
    ("@incrementdate(AcquisitionDateTime,1)", "<remove>"),
    ("@modifydate(StudyDate,*,*,1)", "20240301"),
    ("@modifydate(StudyDate,2000,1,*)", "20000101"),
    ("@modifydate(StudyDate,*,14,*)", "20250201"),
    ("@modifydate(StudyDate,*)", ""),
    ("@if(PatientSex,equals,f){y}{n}", "y"),
    ("@if(PatientSex,equals,@NONE){y}{n}", "n"),
    ("@if(PatientSex,isblank){y}{n}", "n"),
    ("@if(ContentDate,isblank){y}{n}", "y"),
    ("@if(ContentDate,exists){y}{n}", "y"),
    ("@if(MilitaryRank,exists){y}{n}", "n"),
    ("@if(this,exists){y}{n}", "y"),
    ('@if(PatientName,contains,"JANE"){y}{n}', "y"),
    ('@if(PatientID,matches,"P\\\\d"){y}{n}', "y"),
    ('@if(PatientID,matches,"P\\d"){y}{n}', "n"),
    ("@if(PatientAge,greaterthan,46){y}{n}", "y"),
    ("@if(PatientAge,greaterthan,47){y}{n}", "n"),
    ("@if(PatientAge,resembles,47){y}{n}", "n"),
    ("@if(PatientAge){y}{n}", "n"),
    ("@if(PatientSex,equals,F){y}", "y"),
    ("@if(PatientSex,equals,M){y}", ""),
    ("@initials(PatientName)", "JAD"),
    ("@initials(PatientName,1)", "KBE"),
    ("@initials(PatientName,-27)", "IZC"),
    ("@initials(ContentDate)", "X"),
    ("@integer(PatientID,ptid,3)", "<aside>"),
    ("@lookup(PatientID,ptid)", "S1"),
    ("@lookup( PatientID | PatientSex ,combo)", "C"),
    ("@lookup(PatientID,loop)", "<aside>"),
    ("@lookup(PatientID,none)", "<aside>"),
    ("@lookup(PatientID,none,keep)", "<keep>"),
    ("@lookup(PatientID,none,remove)", "<remove>"),
    ("@lookup(PatientID,none,empty)", ""),
    ('@lookup(PatientID,none,default," d ")', "d"),
    ('@lookup(PatientID,none,ignore,"P.")', "P1"),
    ('@lookup(PatientID,none,ignore,"Q.")', "<aside>"),
    ("@lowercase(PatientName)", "doe^jane a."),
    ("@uppercase(PatientName)", "DOE^JANE A."),
    ("@param(@WORD)", "FRONT"),
    ("@param($WORD)", "FRONT"),
    ("@param(WORD)", "WORD"),
    ("@param(@NONE)", "null"),
    ("@pathelement(SeriesDescription,1)", "b"),
    ("@pathelement(SeriesDescription,-1)", "c"),
    ("@pathelement(SeriesDescription,9)", "a/b/c"),
    ("@pathelement(SeriesDescription,x)", "a/b/c"),
    ("@process()", "<enter>"),
    ("@quarantine()", "<aside>"),
    ("@skip()", "<aside>"),
    ("@require(PatientID)", "<keep>"),
    ("@round(PatientAge,10)", "050Y"),
    ("@round(PatientAge,0)", "0Y"),
    ("@round(PatientSex,10)", "(PatientSex,10)"),
    ("@round(PatientAge,x)", "(PatientAge,x)"),
    ("@round(MilitaryRank,5)", ""),
    ("@select(){root}{item}", "root"),
    ("@truncate(PatientName,3)", "Doe"),
    ("@truncate(PatientName,-2)", "A."),
    ("@truncate(PatientName,99)", "Doe^Jane A."),
    ("@truncate(PatientName,x)", "Doe^Jane A."),
    ("@value(MilitaryRank)", ""),
    ('@value(MilitaryRank,"none")', "none"),
    ("@value(PatientID,none)", "P1"),
    ("@keep()", "<keep>"),
    ("a @remove() b", "<remove>"),
    ("@empty()", ""),
    ("@blank(3)", "   "),
    ("@blank(999)", " " * 55),
    ("@blank()", ""),
    ("@nosuch(a, b)", "@nosuch(a,b)"),
    ("x@hash(PatientID,2)y", f"x{md5('P1', 2)}y"),
    ("@hash(PatientID", ""),
    # as CTP's source has them: arguments that are missing, odd or negative
    ("@hash(PatientID,-1)", md5("P1")),
    ("@hash(PatientID,99)", md5("P1")),
    ("@hash(Rows,4)", md5("512", 4)),
    ("@hash(ImageType,4)", md5("ORIGINAL\\PRIMARY", 4)),
    ("@hash(OtherPatientIDsSeq::PatientID,4)", md5("OLD", 4)),
    ("@hash(NoSuchName)", "<remove>"),
    ("@hash()", "<aside>"),
    ("@hashname(PatientName,0)", md5("DOEJANEA")),
    ("@hashname(PatientName,6,0)", md5("DOEJANEA", 6)),
    ("@hashname(PatientName,6,9)", md5("DOEJANEA", 6)),
    ("@hashname(PatientName,@LEN,1)", md5("DOE", 6)),
    ("@hashname(MilitaryRank,6)", md5("", 6)),
    ("@hashptid(@SITE,MilitaryRank)", md5("[7]")),
    ("@hashptid( 7 ,PatientID,4)", md5("[7]P1", 4)),
    ("@hashptid(@SITE,PatientID,0)", md5("[7]P1")),
    ("@hashuid(1.2,ContentDate)", f"1.2.{md5('')}"),
    ("@hashuid(1.2)", "(1.2)"),
    ("@encrypt(PatientID)", "(PatientID)"),
    ("@decrypt(PatientID)", "(PatientID)"),
    # dates: what follows the day stays, months and days run on, several values move together
    ("@incrementdate(StudyDate,0)", "20240301"),
    ("@incrementdate(StudyDate,-61)", "20231231"),
    ("@incrementdate(StudyDate, 31 )", "20240401"),
    ("@incrementdate(StudyDate,+1)", "20240302"),
    ("@incrementdate(StudyDate,1.5)", ""),
    ("@incrementdate(StudyDate,@NONE)", ""),
    ("@incrementdate(0008002A,1)", ""),
    ("@incrementdate(PatientSex,1)", ""),
    ("@incrementdate(NoSuchName,1)", "<remove>"),
    ("@modifydate(StudyDate,*,*,*)", "20240301"),
    ("@modifydate(StudyDate,*,2,31)", "20240302"),
    ("@modifydate(StudyDate,*,*,0)", "20240229"),
    ("@modifydate(SeriesDate,*,1,1)", "2024-01-01"),
    ("@modifydate(0008002A,2000,*,*)", ""),
    ("@modifydate(ContentDate,*,1,1)", ""),
    ("@dateinterval(StudyDate,base,MilitaryRank)", "<aside>"),
    ("@dateinterval(0008002A,base,PatientID)", "30"),
    ("@hashdate(StudyDate)", ""),
    # conditions look at text, blind to case; an absent element reads as empty
    ("@if(MilitaryRank,isblank){y}{n}", "y"),
    ('@if(MilitaryRank,contains,""){y}{n}', "y"),
    ('@if(MilitaryRank,equals,""){y}{n}', "y"),
    ("@if(MilitaryRank,greaterthan,0){y}{n}", "n"),
    ("@if(PatientID,greaterthan,0){y}{n}", "y"),
    ("@if(PatientName,contains,doe){y}{n}", "y"),
    ("@if(PatientName,equals,doe^jane a.){y}{n}", "y"),
    ('@if(PatientName,matches,"[a-z]+"){y}{n}', "n"),
    ('@if(PatientName,matches,"Doe.*"){y}{n}', "y"),
    ('@if(PatientID,matches," P1 "){y}{n}', "y"),
    ("@if(OtherPatientIDsSeq,exists){y}{n}", "y"),
    ("@if(PatientSex,equals,F){@if(PatientID,equals,P1){a}{b}}{c}", "a"),
    ("@if(PatientSex,equals,F){@hash(PatientID,3)-x}{c}", f"{md5('P1', 3)}-x"),
    ("@if(PatientSex,equals,F) {y} {n}", "y"),
    ("@if(PatientSex,equals,F){@keep()}{@remove()}", "<keep>"),
    ("@if(PatientSex,equals,M){@keep()}{@remove()}", "<remove>"),
    ("@select(){@if(PatientSex,equals,F){y}{n}}{item}", "y"),
    ("@append(){@param(@WORD)}", "x\\FRONT"),
    ("@append(){@hash(PatientID,2)}", f"x\\{md5('P1', 2)}"),
    # lookups, running text, markers
    ("@lookup(PatientID,ptid,keep)", "S1"),
    ("@lookup(MilitaryRank,ptid)", "<aside>"),
    ("@lookup(MilitaryRank,ptid,empty)", ""),
    ("@lookup(PatientID,none,default)", "<aside>"),
    ('@lookup(PatientID,none,other,"x")', "<aside>"),
    ("@lookup(PatientID)", "<aside>"),
    ("@pathelement(SeriesDescription,0)", "a"),
    ("@pathelement(SeriesDescription,-3)", "a"),
    ("@pathelement(SeriesDescription,-4)", "a/b/c"),
    ("@truncate(PatientName,0)", ""),
    ("@truncate(MilitaryRank,3)", ""),
    ("@round(PatientAge,5)", "045Y"),
    ("@round(PatientAge,100)", "0Y"),
    ("@contents(MilitaryRank)", ""),
    ('@contents(PatientName,"(\\\\w+)\\\\^(.*)","$2")', "Jane A."),
    ("@value(ContentDate,none)", "none"),
    ("@require(MilitaryRank,x)", "<keep>"),
    ("@param( @WORD )", "FRONT"),
    ("@empty()x", "@empty()x"),
    ("@keep()x", "@keep()x"),
    ("x@keep()", "x@keep()"),
    ("@blank(-4)", "    "),
    ("@blank(x)", ""),
    ("\\@hash(PatientID)", "@hash(PatientID)"),
    ("50\\% \\{x\\}", "50% {x}"),
    ('@date("")@time()', "20260304050607"),
    ("@ hash (PatientID,2)", md5("P1", 2)),
]


@pytest.mark.parametrize(("expression", "wanted"), CASES)
def test_function(patient, expression, wanted):
    assert result(patient, expression) == wanted


def test_every_function_has_a_case():
    tried = {name for name in FUNCTIONS if any(f"@{name}(" in expression for expression, _ in CASES)}
    assert set(FUNCTIONS) - tried == {"call"}
    assert len(FUNCTIONS) == 32


def test_a_date_moves_by_the_last_four_digits_of_the_hash(patient):
    days = int(md5("P1")[-4:]) % 3650
    wanted = datetime.date(2024, 3, 1) - datetime.timedelta(days=days)
    assert result(patient, "@hashdate(StudyDate,PatientID)") == wanted.strftime("%Y%m%d")


def test_what_is_enciphered_can_be_deciphered(patient):
    secret = Dataset()
    secret.PatientComments = result(patient, "@encrypt(PatientName,@WORD)")
    assert secret.PatientComments != "Doe^Jane A."
    assert result(secret, "@decrypt(this,@WORD)") == "Doe^Jane A."
    assert result(secret, "@decrypt(this,other)") != "Doe^Jane A."
    assert result(patient, "@decrypt(PatientName,x)") == "(PatientName,x)"


def test_running_numbers_are_remembered(patient, tmp_path):
    numbers = Store(tmp_path / "t.sqlite", SiteKey(bytes(32)), "p").integer
    assert result(patient, "@integer(PatientID,ptid,3)", integer=numbers) == "001"
    assert result(patient, "@integer(PatientName,ptid)", integer=numbers) == "2"
    assert result(patient, "@integer(PatientID,ptid)", integer=numbers) == "1"
    assert result(patient, "@integer(PatientID,other)", integer=numbers) == "1"


def test_a_keyed_hash_is_another_one(patient):
    def keyed(text):
        return f"key {text}"

    assert result(patient, "@hash(PatientID)", keyed=keyed) == md5("key P1")
    assert result(patient, "@hashuid(1,PatientID)", keyed=keyed) == f"1.{md5('key P1')}"
    assert result(patient, "@hashptid(7,PatientID)", keyed=keyed) == md5("key [7]P1")


def test_a_uid_can_hang_on_the_result_of_another_rule(patient):
    script = ctp.read(
        '<s><e en="T" t="00100020" n="PatientID">new</e>'
        '<e en="T" t="00104000" n="PatientComments">@hashuid(1,PatientSex,PatientID)</e></s>'
    )
    assert ctp.evaluate(script, patient, 0x00104000).value == f"1.{md5('Fnew')}"


def test_rules_that_need_each_other_set_the_object_aside(patient):
    script = ctp.read(
        '<s><e en="T" t="00100020" n="PatientID">@hashuid(1,this,PatientComments)</e>'
        '<e en="T" t="00104000" n="PatientComments">@hashuid(1,this,PatientID)</e></s>'
    )
    assert isinstance(ctp.evaluate(script, patient, 0x00104000), SetAside)


WORDS = (
    "this PatientID PatientName StudyDate Rows @LEN @NONE x 3 -1 * 999999999999 ptid ignore matches isblank root: "
    'OtherPatientIDsSeq::PatientID 0011[HOSPITAL_1.0]02 "("'
)
ARGUMENTS = st.sampled_from([*WORDS.split(), ""])
CALLS = st.builds(
    lambda name, arguments, clauses: f"@{name}({','.join(arguments)}){clauses}",
    st.sampled_from([*FUNCTIONS, "keep", "blank", "other"]),
    st.lists(ARGUMENTS, max_size=5),
    st.sampled_from(["", "{a}{b}", "{@hash(this)}"]),
)
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(expression=CALLS, name=VALUES, date=st.from_regex("[-0-9]{0,16}", fullmatch=True) | VALUES, number=VALUES)
def test_no_value_makes_an_evaluation_fail(expression, name, date, number):
    dataset = Dataset()
    for tag, vr, value in (
        (0x00100010, "PN", name),
        (0x00100020, "LO", number),
        (0x00080020, "DA", date),
        (0x00104000, "LT", number),
    ):
        dataset[tag] = pydicom.DataElement(tag, vr, value, validation_mode=pydicom.config.IGNORE)
    dataset.Rows = 1
    script = ctp.read('<s><p t="LEN">6</p><e en="T" t="00104000" n="x">.</e></s>')
    rule = ctp.read(f"param.LEN=6\nset.[0010,4000]x={expression}").rules[0]
    script = ctp.Script((rule,), script.parameters, frozenset(), False, frozenset())
    tables = ctp.Tables(lookup=ctp.read_lookup(LOOKUP), integer=lambda _kind, _text: 1)
    assert isinstance(ctp.evaluate(script, dataset, 0x00104000, tables), ctp.Outcome | SetAside)
    assert isinstance(ctp.apply(script, dataset, tables), Dataset | SetAside)
