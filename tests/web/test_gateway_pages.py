"""The gateway's pages over HTTP: what each standing sees of what identifies, decisions, and what the audit says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import process_time

import httpx
import pytest
from pydicom import Dataset
from sqlalchemy import select

import gateway_site
import portal_site
from cohortium import gateway
from cohortium.govern import logins, users
from cohortium.spool import Decision, Item, Verdict, asides
from cohortium.store.schema import audit
from cohortium.values import Reason, State
from cohortium.web.looks import MOST_ITEMS, compared
from hospital import PLANTED
from portal_site import Served, form_of

UNREVIEWED, INSPECTION = Reason.PIXELS_NOT_REVIEWED, Reason.INSPECTION
PNG = b"\x89PNG"


@pytest.fixture
def site(tmp_path: Path, place: Path | str) -> Iterator[Served]:
    with portal_site.served(gateway_site.worked(tmp_path, place)) as served:
        gateway_site.people(served)
        yield served


def as_(site: Served, name: str) -> httpx.Client:
    with site.engine.begin() as connection:
        token = logins.open_login(connection, users.named(connection, name), 1)
    return httpx.Client(base_url=site.url, cookies={"cohortium": token})


def items(site: Served, reason: Reason) -> list[Item]:
    with site.engine.connect() as connection:
        return asides.heap(connection, reason)


def said(site: Served) -> list[tuple[str, str, str]]:
    with site.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(audit.c.who, audit.c.what, audit.c.object))]


def test_no_page_of_counts_names_anybody(site: Served) -> None:
    for name in ("manager", "administrator", "maintainer"):
        with as_(site, name) as client:
            for path in (
                "/gateway",
                "/gateway/log",
                "/gateway/settings",
                "/quarantine",
                f"/quarantine?reason={INSPECTION}",
            ):
                text = client.get(path).text
                assert not [value for value in PLANTED if value in text], (name, path)


def test_the_configuration_is_shown_as_it_is_in_force(site: Served) -> None:
    with as_(site, "manager") as client:
        text = client.get("/gateway/settings").text
    assert "<code>pipeline</code> straight" in text
    for name, value in (("sources", "pacs, ward"), ("quiet_seconds", "0"), ("hold", "true"), ("modalities", "MR, OT")):
        assert f'<code>{name}</code></th><td data-label="Value" class="object">{value}</td>' in text, name
    assert "Lung study" not in text


def test_only_who_may_identify_sees_values_and_pictures_as_they_came(site: Served) -> None:
    held = items(site, INSPECTION)[0]
    with as_(site, "administrator") as client:
        page = client.get(f"/inspect/{held.name}")
        assert not [value for value in PLANTED if value in page.text]
        assert "hidden" in page.text
        assert client.get(f"/inspect/{held.name}/before.png").status_code == 403
        assert client.get(f"/inspect/{held.name}/after.png").content.startswith(PNG)
    with as_(site, "manager") as client:
        page = client.get(f"/inspect/{held.name}")
        assert PLANTED[0] in page.text
        picture = client.get(f"/inspect/{held.name}/before.png")
        assert picture.content.startswith(PNG)
        for answer in (page, picture):
            assert answer.headers["cache-control"] == "no-store"
    rows = said(site)
    assert ("administrator", "look at header", f"item {held.name}") in rows
    assert ("manager", "look at identifying header", f"item {held.name}") in rows
    assert ("manager", "look at identifying picture", f"item {held.name}") in rows


def test_one_image_in_under_a_second(site: Served) -> None:
    item = items(site, UNREVIEWED)[0]
    with as_(site, "manager") as client:
        took = []
        for _ in range(5):
            started = process_time()
            client.get(f"/inspect/{item.name}")
            client.get(f"/inspect/{item.name}/before.png")
            took.append(process_time() - started)
    assert min(took) < 1, "of CPU time, for the machine may be busy with something else"


def test_of_a_long_sequence_some_items_are_shown_and_all_on_demand() -> None:
    before, after = Dataset(), Dataset()
    for dataset, count in ((before, 300), (after, 299)):
        dataset.PerFrameFunctionalGroupsSequence = [Dataset() for _ in range(count)]
        for number, each in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            each.InstanceNumber = number
    rows = list(compared(before, after))
    assert len(rows) == 1 + MOST_ITEMS + 1
    assert [row.before for row in rows[:4]] == ["300 items", "0", "1", "2"]
    assert (rows[-1].before, rows[-1].after, rows[-1].is_rest) == ("280 more items", "279 more items", True)
    whole = list(compared(before, after, 1000))
    assert len(whole) == 301
    assert [row.before for row in whole[1:]] == [str(number) for number in range(300)]
    assert whole[-1].change == "removed"


def test_a_decision_leads_to_the_next_and_says_who_and_why(site: Served) -> None:
    first, second = items(site, UNREVIEWED)
    with as_(site, "manager") as client:
        form = form_of(client.get(f"/inspect/{first.name}"))
        sent = {"verdict": "release", "why": "no name in it", "areas": "8,8,62,10", "form": form}
        answer = client.post(f"/inspect/{first.name}", data=sent)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/inspect/{second.name}")
        again = client.post(f"/inspect/{first.name}", data=sent)
        assert again.status_code == 422  # somebody decided already
    with site.engine.connect() as connection:
        found = asides.named(connection, first.name)
    assert found
    assert found.state is State.RECEIVED
    assert ("manager", "release quarantined", f"item {first.name}") in said(site)


def test_who_cannot_see_a_picture_cannot_release_it(site: Served) -> None:
    item = items(site, UNREVIEWED)[0]
    with as_(site, "administrator") as client:
        form = form_of(client.get(f"/inspect/{item.name}"))
        answer = client.post(f"/inspect/{item.name}", data={"verdict": "release", "why": "x", "form": form})
        assert answer.status_code == 422
        assert "data manager" in answer.text
    assert item in items(site, UNREVIEWED)


@pytest.mark.parametrize("areas", ["1,2,3", "a,b,c,d", ";".join(["1,1,1,1"] * 51), "-1,0,1,1"])
def test_areas_that_are_none_are_refused(site: Served, areas: str) -> None:
    item = items(site, UNREVIEWED)[0]
    with as_(site, "manager") as client:
        form = form_of(client.get(f"/inspect/{item.name}"))
        sent = {"verdict": "release", "why": "x", "areas": areas, "form": form}
        assert client.post(f"/inspect/{item.name}", data=sent).status_code == 422
    assert item in items(site, UNREVIEWED)


def test_a_whole_heap_is_decided_at_once_but_never_released_unseen(site: Served) -> None:
    with as_(site, "manager") as client:
        page = client.get(f"/quarantine?reason={UNREVIEWED}")
        upto = page.text.split('name="upto" value="')[1].split('"')[0]
        sent = {"reason": UNREVIEWED.value, "why": "no screenshots", "form": form_of(page), "upto": upto}
        assert client.post("/quarantine", data=sent | {"verdict": "release"}).status_code == 422
        assert len(items(site, UNREVIEWED)) == 2
        answer = client.post("/quarantine", data=sent | {"verdict": "reject"})
        assert "done=2" in answer.headers["location"]
    assert items(site, UNREVIEWED) == []
    assert len([what for _, what, _ in said(site) if what == "reject quarantined"]) == 2


def test_a_heap_says_of_which_kind_of_series_its_items_are(site: Served) -> None:
    with as_(site, "administrator") as client:
        assert ">OT 77<" in client.get(f"/quarantine?reason={UNREVIEWED}").text
        assert "Series: OT 77." in client.get(f"/inspect/{items(site, UNREVIEWED)[0].name}").text
        assert ">CT 1<" in client.get(f"/quarantine?reason={INSPECTION}").text


def test_what_came_after_the_page_was_made_is_not_decided(site: Served) -> None:
    first, second = items(site, UNREVIEWED)
    with as_(site, "manager") as client:
        form = form_of(client.get(f"/quarantine?reason={UNREVIEWED}"))
        sent = {"reason": UNREVIEWED.value, "why": "x", "verdict": "reject", "form": form, "upto": str(first.number)}
        client.post("/quarantine", data=sent)
    assert items(site, UNREVIEWED) == [second]


def test_what_cannot_be_drawn_says_so(site: Served) -> None:
    (broken,) = items(site, Reason.TRUNCATED)
    with as_(site, "manager") as client:
        page = client.get(f"/inspect/{broken.name}")
        assert page.status_code == 200
        assert client.get(f"/inspect/{broken.name}/after.png").status_code == 404
        assert client.get("/inspect/ffffffffffff").status_code == 404


def test_a_series_that_identifies_is_an_alarm_with_who_has_it_until_somebody_dealt_with_it(site: Served) -> None:
    held = items(site, INSPECTION)
    spool = site.app.state.looks.spool
    spool.decide(held, Decision(Verdict.RELEASE, "manager", "looked at"))
    gateway.run(site.app.state.config, lambda *_: None)
    with as_(site, "manager") as client:
        client.post("/inspections", data={"number": "1", "form": form_of(client.get("/inspections"))})
        page = client.get("/inspections/1")
        said_so = {"verdict": "identifies", "note": "a name at the top", "form": form_of(page)}
        assert client.post("/inspections/1", data=said_so).headers["location"] == "/inspections"
        series = client.get("/inspections/1").text.split("Series <code>")[1].split("<")[0]
        assert series == held[0].series
        for name in ("manager", "maintainer"):
            with as_(site, name) as looking:
                shown = looking.get("/gateway").text
                assert series in shown
                assert "which have 3 images" in shown
                assert ("a name at the top" in shown) is (name == "manager")
        assert "cohortium_identifying_series 1.0" in httpx.get(f"{site.url}/metrics").text
        form = form_of(client.get("/inspections"))
        assert client.post("/inspections/1/dealt", data={"note": "", "form": form}).status_code == 422
        assert client.post("/inspections/1/dealt", data={"note": "all were told", "form": form}).status_code == 303
        assert series not in client.get("/gateway").text
        assert "all were told" in client.get("/inspections").text
    assert ("manager", "deal with inspection", f"lung/{series}") in said(site)


def test_a_made_up_object_tries_a_destination_and_is_there_once(site: Served) -> None:
    share = site.app.state.config.destinations[0].path
    with as_(site, "maintainer") as client:
        for _ in range(2):
            sent = {"way": "share", "what": "send", "form": form_of(client.get("/gateway"))}
            answer = client.post("/gateway", data=sent)
            assert "share has the test object of patient COHORTIUM-TEST" in answer.text
        sent = {"way": "nowhere", "what": "echo", "form": form_of(client.get("/gateway"))}
        assert client.post("/gateway", data=sent).status_code == 400
        for what, way, words in (
            ("echo", "share", "share is there and can be written."),
            ("probe", "ward", "ward is there and can be read."),
            ("probe", "pacs", "pacs: it does not answer"),
        ):
            answer = client.post("/gateway", data={"way": way, "what": what, "form": form_of(client.get("/gateway"))})
            assert words in answer.text
    (file,) = [path for path in share.rglob("*") if path.is_file()]
    assert file.relative_to(share).parts[0] == "COHORTIUM-TEST"
    assert said(site).count(("maintainer", "test by send", "share")) == 2


def test_prometheus_hears_counts_and_nothing_else(site: Served) -> None:
    answer = httpx.get(f"{site.url}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    lines = set(answer.text.splitlines())
    assert 'cohortium_items{pipeline="looked-at",state="held"} 3.0' in lines
    assert f'cohortium_set_aside{{reason="{UNREVIEWED}",state="quarantined"}} 2.0' in lines
    assert "cohortium_gateway_up 0.0" in lines
    assert not [value for value in PLANTED if value in answer.text]


def test_from_elsewhere_prometheus_shows_the_token(site: Served, tmp_path: Path) -> None:
    token = tmp_path / "metrics.token"
    token.write_text("t" * 32)
    token.chmod(0o600)
    config = site.app.state.config
    site.app.state.config = replace(
        config, serve=replace(config.serve, public="https://site.example", metrics_token_file="metrics.token")
    )
    assert httpx.get(f"{site.url}/metrics").status_code == 403
    for shown, status in (("t" * 32, 200), ("u" * 32, 403)):
        headers = {"Authorization": f"Bearer {shown}"}
        assert httpx.get(f"{site.url}/metrics", headers=headers).status_code == status


def test_a_decision_may_be_about_the_rest_of_the_series_too(site: Served) -> None:
    held = items(site, INSPECTION)
    with as_(site, "manager") as client:
        page = client.get(f"/inspect/{held[0].name}")
        assert "the 2 others of its series" in page.text
        sent = {"verdict": "reject", "why": "not wanted", "series": "yes", "form": form_of(page)}
        assert client.post(f"/inspect/{held[0].name}", data=sent).status_code == 303
    assert items(site, INSPECTION) == []
    assert {("manager", "reject quarantined", f"item {each.name}") for each in held} <= set(said(site))


def test_a_table_is_shown_to_who_may_see_it_and_decided_about_as_an_image(tmp_path: Path, place: Path | str) -> None:
    (tmp_path / "ward").mkdir()
    hostile = b"USUBJID,Name\r\nPAT-0815,Ottilie <script>\x07\r\n" + b"\xff" * 5
    (tmp_path / "ward" / "OTTILIE.csv").write_bytes(hostile)
    with portal_site.served(gateway_site.worked(tmp_path, place)) as site:
        gateway_site.people(site)
        (held,) = items(site, Reason.NO_TABLE_RULE)
        with as_(site, "administrator") as client:
            page = client.get(f"/inspect/{held.name}").text
            assert "hidden" in page
            assert not [each for each in ("Ottilie", "PAT-0815", "USUBJID", "OTTILIE") if each in page]
            listed = client.get(f"/quarantine?reason={Reason.NO_TABLE_RULE.replace(' ', '+')}").text
            assert held.name in listed
            assert "OTTILIE" not in listed
        with as_(site, "manager") as client:
            answer = client.get(f"/inspect/{held.name}")
            assert "Ottilie &lt;script&gt;\\x07" in answer.text
            assert "\\xff" in answer.text
            picture = client.get(f"/inspect/{held.name}/before.png")
            assert picture.status_code == 422
            assert "Ottilie" not in picture.text
            form = {"verdict": "reject", "why": "nothing we need", "form": form_of(answer)}
            assert client.post(f"/inspect/{held.name}", data=form).status_code == 303
        assert items(site, Reason.NO_TABLE_RULE) == []
        assert ("administrator", "look at table", f"item {held.name}") in said(site)
        assert ("manager", "look at identifying table", f"item {held.name}") in said(site)
