"""How CTP reads an expression."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cohortium.deidentify.ctp import calls
from cohortium.deidentify.ctp.calls import Broken, Call, Cut


def test_text_and_calls_stand_side_by_side():
    assert calls.parse("pre-@hash(PatientID, 4)-post") == ("pre-", Call("hash", ("PatientID", "4")), "-post")


def test_a_backslash_makes_the_next_character_plain():
    assert calls.parse(r"a\@b\\c") == (r"a@b\c",)


def test_a_backslash_disappears_from_arguments_first():
    (call,) = calls.parse(r'@contents(this,"\d\\d")')
    assert call.argument(1) == r"d\d"


def test_quotes_brackets_and_parentheses_hide_commas():
    (call,) = calls.parse('@f("a,b",[c,d],(e,f) ,0009[X]02)')
    assert call.arguments == ('"a,b"', "[c,d]", "(e,f)", "0009[X]02")


def test_clauses_are_read_like_scripts_and_may_nest():
    (call,) = calls.parse("@if(A,isblank) { @select(){x}{y} } {z}")
    assert call == Call("if", ("A", "isblank"), (Call("select", (), ("x",), ("y",)),), ("z",))


def test_a_missing_clause_swallows_the_rest():
    assert calls.parse("@if(A,isblank){x} rest") == (Call("if", ("A", "isblank"), ("x",), ()),)
    assert calls.parse("@append() rest") == (Call("append"),)


def test_a_call_that_never_ends_is_forgotten_with_all_behind_it():
    assert calls.parse("x@hash(PatientID") == ("x", Cut())
    assert calls.parse('x@hash("PatientID)') == ("x", Cut())


def test_an_at_sign_without_a_function_stops_ctp():
    assert calls.parse("me@home") == ("me", Broken("an @ without a function"))


def test_names_forget_their_blanks():
    assert calls.parse("@ hash (this)") == (Call("hash", ("this",)),)


def test_calls_are_found_in_clauses_too():
    found = calls.calls(calls.parse("@if(A,isblank){@hash(this)}{@keep()}x@process()"))
    assert [call.name for call in found if isinstance(call, Call)] == ["if", "hash", "keep", "process"]


@given(st.text('@(){}[]",\\ifhasx ', max_size=40))
def test_any_text_is_an_expression(text):
    expression = calls.parse(text)
    assert all(isinstance(part, str | Call | Broken | Cut) for part in expression)
