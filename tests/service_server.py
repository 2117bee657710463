"""A loopback server that replays the services' replies, and misbehaves as required."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KGML = """<?xml version="1.0"?>
<!DOCTYPE pathway SYSTEM "https://www.kegg.jp/kegg/xml/KGML_v0.7.2_.dtd">
<pathway name="path:{pathway}" org="hsa" number="{number}" title="{title}" image="x" link="x">
  <entry id="1" name="hsa:{one}" type="gene"><graphics name="{one_name}" type="rectangle"/></entry>
  <entry id="2" name="hsa:{two}" type="gene"><graphics name="{two_name}" type="rectangle"/></entry>
  <entry id="3" name="cpd:C00575" type="compound"><graphics name="C00575"/></entry>
  <relation entry1="1" entry2="2" type="PPrel">
    <subtype name="activation" value="--&gt;"/><subtype name="phosphorylation" value="+p"/>
  </relation>
  <relation entry1="3" entry2="1" type="PCrel"><subtype name="inhibition" value="--|"/></relation>
</pathway>
"""

KEGG_REPLIES = {
    "/info/pathway": "pathway   KEGG Pathway Database\npath      Release 116.0, Oct 26\n",
    "/list/pathway/hsa": "hsa00001\tFirst - Homo sapiens (human)\nhsa00002\tSecond - Homo sapiens\n"
    "hsa00003\tThird - Homo sapiens (human)\n",
    "/list/hsa": "hsa:207\tCDS\t14:complement(1..2)\tAKT1, AKT, PKB; AKT kinase 1\n"
    "hsa:5594\tCDS\t22:1..2\tMAPK1, ERK2; mitogen-activated protein kinase 1\n"
    "hsa:5604\tCDS\t15:1..2\tMAP2K1, MEK1; kinase\nhsa:5894\tCDS\t3:1..2\tRAF1; kinase\n",
    "/conv/chebi/compound": "cpd:C00575\tchebi:17489\n",
    "/get/hsa00001/kgml": KGML.format(
        pathway="hsa00001", number="00001", title="First", one=207, one_name="AKT1, AKT...",
        two=5594, two_name="MAPK1, ERK...",
    ),
    "/get/hsa00002/kgml": KGML.format(
        pathway="hsa00002", number="00002", title="Second", one=5894, one_name="RAF1",
        two=5604, two_name="MAP2K1",
    ),
    "/get/hsa00003/kgml": KGML.format(
        pathway="hsa00003", number="00003", title="Third", one=5604, one_name="MAP2K1",
        two=5594, two_name="MAPK1",
    ),
}  # fmt: skip

_SPECIES = """<species id="{id}" name="{name}" compartment="c" metaid="m_{id}" sboTerm="{sbo}"
 hasOnlySubstanceUnits="false" boundaryCondition="false" constant="false">
 <notes><p xmlns="http://www.w3.org/1999/xhtml">Derived from a Reactome {sort}.</p></notes>
 <annotation><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
  xmlns:bqbiol="http://biomodels.net/biology-qualifiers/"><rdf:Description rdf:about="#m_{id}">
  <bqbiol:{how}><rdf:Bag>{parts}</rdf:Bag></bqbiol:{how}>
 </rdf:Description></rdf:RDF></annotation></species>"""


def _species(identifier: str, name: str, sort: str, *accessions: str) -> str:
    parts = "".join(
        f'<rdf:li rdf:resource="http://identifiers.org/uniprot/{accession}"/>'
        for accession in accessions
    )
    return _SPECIES.format(
        id=identifier,
        name=f"{name} [cytosol]",
        sbo="SBO:0000253" if sort == "Complex" else "SBO:0000297",
        sort=sort,
        how="hasPart" if len(accessions) > 1 else "is",
        parts=parts,
    )


def reactome_sbml(identifier: str) -> str:
    """A pathway of two reactions: EGF binds EGFR; the complex phosphorylates SHC1, CBL inhibits."""
    species = "\n".join(
        [
            _species("s1", "EGF", "EntityWithAccessionedSequence", "P01133"),
            _species("s2", "EGFR", "EntityWithAccessionedSequence", "P00533"),
            _species("s3", "EGF:EGFR", "Complex", "P01133", "P00533"),
            _species("s4", "SHC1", "EntityWithAccessionedSequence", "P29353"),
            _species("s5", "p-SHC1", "EntityWithAccessionedSequence", "P29353"),
            _species("s6", "CBL", "EntityWithAccessionedSequence", "P22681"),
        ]
    )
    return f"""<?xml version='1.0' encoding='utf-8' standalone='no'?>
<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1">
<model id="pathway_1" name="{identifier}">
<listOfCompartments><compartment id="c" name="cytosol" constant="true"/></listOfCompartments>
<listOfSpecies>{species}</listOfSpecies>
<listOfReactions>
<reaction id="r1" name="EGF binds EGFR" reversible="false" fast="false" compartment="c">
 <listOfReactants><speciesReference species="s1" stoichiometry="1" constant="true"/>
 <speciesReference species="s2" stoichiometry="1" constant="true"/></listOfReactants>
 <listOfProducts><speciesReference species="s3" stoichiometry="1" constant="true"/></listOfProducts>
</reaction>
<reaction id="r2" name="EGFR phosphorylates SHC1" reversible="false" fast="false" compartment="c">
 <listOfReactants><speciesReference species="s4" stoichiometry="1" constant="true"/>
 </listOfReactants>
 <listOfProducts><speciesReference species="s5" stoichiometry="1" constant="true"/></listOfProducts>
 <listOfModifiers><modifierSpeciesReference species="s3" sboTerm="SBO:0000013"/>
 <modifierSpeciesReference species="s6" sboTerm="SBO:0000020"/></listOfModifiers>
</reaction>
</listOfReactions></model></sbml>
"""


_ENTITIES = """[
 {"dbId": 1, "databaseName": "UniProt", "identifier": "P01133", "geneName": ["EGF"],
  "displayName": "UniProt:P01133 EGF", "className": "ReferenceGeneProduct"},
 {"dbId": 2, "databaseName": "UniProt", "identifier": "P00533",
  "displayName": "UniProt:P00533 EGFR"},
 {"dbId": 3, "databaseName": "UniProt", "identifier": "P29353", "geneName": ["SHC1", "SHC"],
  "displayName": "UniProt:P29353 SHC1"},
 {"dbId": 4, "databaseName": "UniProt", "identifier": "P22681", "displayName": "UniProt:P22681 CBL"}
]"""

REACTOME_REPLIES = {
    "/data/database/version": "94",
    "/data/eventsHierarchy/9606": """[{"stId": "R-HSA-1", "name": "Signal Transduction",
 "species": "Homo sapiens", "type": "TopLevelPathway", "children": [
  {"stId": "R-HSA-2", "name": "Signaling by EGFR", "species": "Homo sapiens", "type": "Pathway",
   "children": [{"stId": "R-HSA-3", "name": "EGF binds EGFR", "type": "Reaction"}]},
  {"stId": "R-HSA-4", "name": "SHC1 events", "species": "Homo sapiens", "type": "Pathway",
   "children": [{"stId": "R-HSA-5", "name": "EGFR phosphorylates SHC1", "type": "Reaction"}]}]}]""",
    "/data/participants/R-HSA-2/referenceEntities": _ENTITIES,
    "/data/participants/R-HSA-4/referenceEntities": _ENTITIES,
    "/exporter/event/R-HSA-2.sbml": reactome_sbml("Signaling by EGFR"),
    "/exporter/event/R-HSA-4.sbml": reactome_sbml("SHC1 events"),
}


class ServiceServer:
    """Replies by path, and faults: what to do to the next requests of a path, in order.

    Faults: a number is a status; `503 2` one with Retry-After in seconds; `cut` half the body under
    the full length; `half` half the body as if it were whole; `html` a web page; `drop` closes the
    connection; `hang` sends nothing for ever; `trickle` a byte now and then; `garbage` other text.
    """

    def __init__(self, replies: dict[str, str]) -> None:
        self.replies = dict(replies)
        self.faults: dict[str, list[str]] = defaultdict(list)
        self.requests: Counter[str] = Counter()
        self.times: list[float] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.split("?")[0]
        with self.lock:
            self.requests[path] += 1
            self.times.append(time.monotonic())
            fault = self.faults[path].pop(0) if self.faults[path] else ""
        body = self.replies.get(path, "").encode()
        status = 200 if path in self.replies else 404
        retry_after = ""
        if fault[:3].isdecimal():
            status, _, retry_after = int(fault[:3]), "", fault[4:]
            body = b"an error"
        elif fault == "half":
            body = body[: len(body) // 2]
        elif fault == "html":
            body = b"<!DOCTYPE html><html><body>Under maintenance</body></html>"
        elif fault == "garbage":
            body = b"all is well"
        elif fault == "hang":
            self.closing.wait(30)
            return
        elif fault == "drop":
            return
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        if retry_after:
            handler.send_header("Retry-After", retry_after)
        handler.end_headers()
        if fault == "cut":
            handler.wfile.write(body[: len(body) // 2])
        elif fault == "trickle":
            for byte in body:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                if self.closing.wait(0.1):
                    return
        else:
            handler.wfile.write(body)


@contextmanager
def serving(server: ServiceServer) -> Iterator[str]:
    """Run the server; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                server.answer(self)
            except (BrokenPipeError, ConnectionResetError):
                pass
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        server.closing.set()
        http.shutdown()
        http.server_close()
        thread.join(5)
