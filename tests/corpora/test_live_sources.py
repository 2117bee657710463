"""Reactome and KEGG over HTTP, with bioservices as the client and a server that misbehaves."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

import pytest

pytest.importorskip("bioservices")

from service_server import KEGG_REPLIES, REACTOME_REPLIES, ServiceServer, serving

from hmlm_fm.corpora.client import ClientSettings
from hmlm_fm.corpora.records import Harvest
from hmlm_fm.corpora.sources import kegg, reactome
from hmlm_fm.formats.identifiers import Identifiers

LIST, PATHWAY = "/list/pathway/hsa", "/get/hsa00002/kgml"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(kegg, "REQUESTS_PER_SECOND", 200.0)
    monkeypatch.setattr(reactome, "REQUESTS_PER_SECOND", 200.0)
    return ServiceServer(KEGG_REPLIES | REACTOME_REPLIES)


def ask_kegg(url: str, cache: Path, **settings: object) -> Harvest:
    values = {"timeout_seconds": 0.5, "pause_seconds": 0.01, "attempts": 4} | settings
    client = ClientSettings(cache=cache, url=url, **values)  # type: ignore[arg-type]
    return kegg.fetch("hsa", (), client, Identifiers.shipped(), lambda _: None)


def ask_reactome(url: str, cache: Path, **settings: object) -> Harvest:
    values = {"timeout_seconds": 0.5, "pause_seconds": 0.01, "attempts": 3} | settings
    client = ClientSettings(cache=cache, url=url, **values)  # type: ignore[arg-type]
    return reactome.fetch("9606", (), client, Identifiers.shipped(), lambda _: None)


def contents(harvest: Harvest) -> list[str]:
    return [record.network.content_hash for record in harvest.records]


def test_kegg_pathways_come_with_symbols_and_signs(server, tmp_path):
    with serving(server) as url:
        harvest = ask_kegg(url, tmp_path)
    assert not harvest.missing
    assert not harvest.skipped
    assert harvest.release == "116.0"
    assert [r.network.name for r in harvest.records] == ["hsa00001", "hsa00002", "hsa00003"]
    first = harvest.records[0]
    members = [m.members for m in first.network.molecules]
    assert ("AKT1",) in members
    assert ("MAPK1",) in members
    assert ("CHEBI:17489",) in members
    rules = {(i.rule, i.kind) for i in first.network.interactions}
    assert ("AKT1 => MAPK1", "phosphorylation") in rules
    assert any(rule.startswith("!") and rule.endswith("=> AKT1") for rule, _ in rules)
    assert "academic" in first.network.licence
    assert first.provenance.retrieved
    assert len(first.provenance.sha256) == 64


def test_reactome_pathways_come_with_reactions_members_and_hierarchy(server, tmp_path):
    with serving(server) as url:
        harvest = ask_reactome(url, tmp_path)
    assert not harvest.missing
    assert not harvest.skipped
    # The second export holds the same reactions under another name, which is a network of its own.
    assert [r.network.name for r in harvest.records] == ["R-HSA-2", "R-HSA-4"]
    network = harvest.records[0].network
    assert network.pathways[0].source == "Reactome: Signal Transduction / Signaling by EGFR"
    members = {m.label.split(" [")[0]: set(m.members) for m in network.molecules}
    assert members["EGF:EGFR"] == {"EGF", "EGFR"}
    assert members["p-SHC1"] == {"SHC1"}
    name_of = {m.label.split(" [")[0]: m.name for m in network.molecules}
    signs_of = {i.target: dict(zip(i.sources, i.signs, strict=True)) for i in network.interactions}
    assert signs_of[name_of["EGF:EGFR"]] == {name_of["EGF"]: 0, name_of["EGFR"]: 0}
    assert signs_of[name_of["p-SHC1"]] == {
        name_of["SHC1"]: 0,
        name_of["EGF:EGFR"]: 1,
        name_of["CBL"]: -1,
    }
    assert network.logic_known


@pytest.mark.parametrize("path", [LIST, PATHWAY, "/list/hsa"])
@pytest.mark.parametrize(
    "fault", ["500", "503", "429 0", "cut", "html", "garbage", "drop", "hang", "trickle"]
)
def test_a_passing_fault_changes_nothing(server, tmp_path, path, fault):
    with serving(server) as url:
        expected = contents(ask_kegg(url, tmp_path / "calm"))
        server.faults[path] = [fault, fault]
        harvest = ask_kegg(url, tmp_path / "stormy")
    assert not harvest.missing
    assert contents(harvest) == expected
    assert server.requests[path] == 1 + 3


def test_half_a_file_of_full_status_is_never_taken(server, tmp_path):
    server.faults[PATHWAY] = ["half"]
    with serving(server) as url:
        harvest = ask_kegg(url, tmp_path)
    assert not harvest.missing
    assert len(harvest.records[1].network.interactions) == 2


def test_a_service_that_asks_for_patience_gets_it(server, tmp_path):
    server.faults[PATHWAY] = ["429 1"]
    with serving(server) as url:
        ask_kegg(url, tmp_path)
    gaps = [b - a for a, b in zip(server.times, server.times[1:], strict=False)]
    assert max(gaps) >= 1.0


def test_what_stays_broken_is_listed_and_the_rest_is_there(server, tmp_path):
    server.faults[PATHWAY] = ["500"] * 100
    with serving(server) as url:
        harvest = ask_kegg(url, tmp_path)
        assert [r.network.name for r in harvest.records] == ["hsa00001", "hsa00003"]
        (missing,) = harvest.missing
        assert "hsa00002" in missing.location
        assert "500" in missing.reason
        server.faults.clear()
        before = dict(server.requests)
        again = ask_kegg(url, tmp_path)
    assert not again.missing
    new = {path: n - before.get(path, 0) for path, n in server.requests.items()}
    assert {path for path, n in new.items() if n} == {PATHWAY}, "only what was missing is requested"


def test_what_does_not_exist_is_requested_once(server, tmp_path):
    del server.replies[PATHWAY]
    with serving(server) as url:
        harvest = ask_kegg(url, tmp_path)
    assert server.requests[PATHWAY] == 1
    assert "404" in harvest.missing[0].reason


def test_a_connection_that_is_lost_for_good_ends_the_asking(server, tmp_path):
    for path in ("/get/hsa00001/kgml", PATHWAY, "/get/hsa00003/kgml"):
        server.faults[path] = ["drop"] * 100
    server.replies[LIST] += "".join(f"hsa{i:05}\tMore\n" for i in range(10, 40))
    with serving(server) as url:
        harvest = ask_kegg(url, tmp_path, attempts=2)
    assert len(harvest.missing) == 33
    assert "stopped answering" in harvest.missing[-1].reason
    assert server.requests["/get/hsa00039/kgml"] == 0


def test_a_lost_list_is_the_only_thing_missing(server, tmp_path):
    server.faults[LIST] = ["503"] * 100
    with serving(server) as url:
        harvest = ask_kegg(url, tmp_path)
    assert not harvest.records
    assert "list of pathways" in harvest.missing[0].location


def test_offline_uses_the_cache_alone(server, tmp_path):
    with serving(server) as url:
        expected = ask_kegg(url, tmp_path)
        count = sum(server.requests.values())
    offline = ask_kegg(url, tmp_path, offline=True)
    assert contents(offline) == contents(expected)
    assert sum(server.requests.values()) == count
    assert [r.provenance for r in offline.records] == [r.provenance for r in expected.records]
    empty = ask_kegg(url, tmp_path / "empty", offline=True)
    assert "offline" in empty.missing[0].reason


@pytest.mark.parametrize("damage", ["text", "truncate", "other"])
def test_a_cache_entry_that_does_not_match_is_fetched_again(server, tmp_path, damage):
    with serving(server) as url:
        expected = contents(ask_kegg(url, tmp_path))
        (entry,) = [p for p in tmp_path.rglob("*.json") if "hsa00002" in p.read_text()
                    and "<pathway" in p.read_text()]  # fmt: skip
        text = entry.read_text()
        content = json.loads(text)
        if damage == "text":
            entry.write_text(json.dumps(content | {"text": content["text"].replace("RAF1", "X")}))
        elif damage == "truncate":
            entry.write_text(text[: len(text) // 2])
        else:
            entry.write_text(json.dumps(content | {"url": "http://elsewhere"}))
        assert contents(ask_kegg(url, tmp_path)) == expected
    assert server.requests[PATHWAY] == 2


def test_two_builds_at_once_share_a_cache(server, tmp_path):
    found: list[Harvest] = []
    with serving(server) as url:
        threads = [
            threading.Thread(target=lambda: found.append(ask_kegg(url, tmp_path))) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len({tuple(contents(harvest)) for harvest in found}) == 1
    assert not any(harvest.missing for harvest in found)
    assert not list(tmp_path.rglob(".*")), "no half-written entries are left"
    offline = ask_kegg(url, tmp_path, offline=True)
    assert contents(offline) == contents(found[0])


def test_kegg_has_a_request_at_most_three_times_a_second(tmp_path):
    server = ServiceServer(KEGG_REPLIES)
    with serving(server) as url:
        ask_kegg(url, tmp_path)
    times = server.times
    assert len(times) == 7
    assert all(b - a >= 1.0 for a, b in zip(times, times[3:], strict=False))


@pytest.mark.parametrize("fault", ["500", "cut", "html", "garbage", "half"])
@pytest.mark.parametrize(
    "path", ["/data/eventsHierarchy/9606", "/exporter/event/R-HSA-4.sbml", "/data/database/version"]
)
def test_reactome_survives_the_same(server, tmp_path, fault, path):
    if fault == "half" and path.endswith("version"):
        pytest.skip("half a number is a number; its length would have shown it")
    server.faults[path] = [fault]
    with serving(server) as url:
        harvest = ask_reactome(url, tmp_path)
    assert not harvest.missing
    assert [r.network.name for r in harvest.records] == ["R-HSA-2", "R-HSA-4"]
    assert harvest.release == "94"


def test_asking_leaves_everybody_elses_log_alone(server, tmp_path, caplog):
    server.faults[PATHWAY] = ["500"]
    with serving(server) as url:
        threads = [
            threading.Thread(target=lambda i=i: ask_kegg(url, tmp_path / str(i))) for i in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert logging.root.manager.disable == logging.NOTSET
    assert not caplog.text, "a fault that passed is not worth a line"
