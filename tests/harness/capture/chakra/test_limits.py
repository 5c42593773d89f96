"""A hostile execution trace is refused in one error, in bounded memory and time; a genuine one is read."""

import gzip
import io
import json
import subprocess
import sys
import tarfile
import time

import pytest

from accel_model.errors import TraceError
from harness.capture.chakra import file
from harness.settings.errors import CaptureError
from tests.helpers.execution_traces import changed, classifier, node_named, perceptron, record
from tests.helpers.program import ROOT


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return record(classifier(), tmp_path_factory.mktemp("et") / "et.json")


def refused(path, match):
    start = time.perf_counter()
    with pytest.raises(CaptureError, match=match) as caught:
        file.load(path)
    assert isinstance(caught.value, TraceError)
    assert time.perf_counter() - start < 5
    text = str(caught.value)
    assert len(text) < 600 + 3 * len(str(path))
    assert len(text.splitlines()) <= 12
    assert text.isprintable()


def test_a_packed_file_is_read_as_the_plain_one(recorded, tmp_path):
    data = recorded.read_bytes()
    plain = file.load(recorded)
    packed = {
        "et.json.gz": gzip.compress(data),
        "named_plain.json": gzip.compress(data),
        "two_members.json.gz": gzip.compress(data[:1000]) + gzip.compress(data[1000:]),
        "marked.json": b"\xef\xbb\xbf" + data,
    }
    for name, content in packed.items():
        (tmp_path / name).write_bytes(content)
        assert len(file.load(tmp_path / name)) == len(plain)


def test_torch_s_own_packing_is_read(tmp_path):
    assert len(file.load(record(perceptron(), tmp_path / "et.json.gz"))) > 10


def tar(data):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        entry = tarfile.TarInfo("et.json")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


OTHER_FILES = {
    "protobuf": (b"\x2a\x12\x1f\n\x06schema\xea\x01\x131.1.0-chakra.0.0.4", "protobuf.*chakra_jsonizer"),
    "protobuf with a version": (b"\x09\x0a\x071.0.0-x", "protobuf.*chakra_converter's --input"),
    "packed tar": (tar(b"{}" * 1000), "tar archive; unpack it"),
    "zip": (b"PK\x03\x04" + bytes(40), "zip archive; unpack it"),
    "cut gzip": (gzip.compress(bytes(10**5))[:-20], "no JSON file packed by gzip"),
    "damaged gzip": (b"\x1f\x8b\x08\x00" + bytes(range(200)), "no JSON file packed by gzip"),
    "gzip bomb": (gzip.compress(bytes(file.LARGEST_FILE + 1)), r"unpacked, the largest.*task\.memory_mb"),
    "gzip of gzip of nothing": (gzip.compress(b"") * 2000, "unpacked, the largest|no JSON"),
    "lists": (b"[" + b"[]," * 8_000_000 + b"0]", r"MB in memory.*task\.memory_mb="),
    "mappings": (b"[" + b'{"a":0},' * 3_000_000 + b"0]", r"MB in memory.*task\.memory_mb="),
    "numbers": (b"[" + b"1000," * 5_000_000 * 3 + b"0]", r"MB in memory.*task\.memory_mb="),
    "depth": (b'{"a":' * 10**6, "nests deeper|MB in memory"),
    "depth in a node": (b'{"schema":"1.1.1","nodes":' + b"[" * 10**5 + b"]" * 10**5 + b"}", "nests deeper"),
    "NaN": (b'{"schema": NaN}', "NaN"),
    "Infinity": (b'{"schema": -Infinity}', "Infinity"),
    "a float beyond floats": (b'{"schema": 1e999}', "no float"),
    "a number of 10,000 digits": (b'{"schema": ' + b"9" * 10**4 + b"}", "no JSON file"),
    "a long schema": (b'{"schema": "' + b"x" * 10**6 + b'"}', "is of schema"),
    "surrogate bytes": (b'{"schema": "\xed\xa0\x80"}', "no JSON file"),
    "another encoding": ('{"schema": "1.1.1"}'.encode("utf-16"), "no JSON file"),
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_what_is_no_execution_trace_is_refused_with_what_it_is(name, tmp_path):
    content, match = OTHER_FILES[name]
    path = tmp_path / "file.json"
    path.write_bytes(content)
    refused(path, match)


def set_tensor(field, value):
    def change(document):
        side = node_named(document, "aten::convolution")["inputs"]
        if field in ("shapes", "strides", "types"):
            side[field][0] = value
        else:
            side["values"][0][field] = value

    return change


def set_node(**fields):
    return lambda document: node_named(document, "aten::convolution").update(fields) and None


def set_attribute(name, value):
    def change(document):
        for attribute in node_named(document, "aten::convolution")["attrs"]:
            if attribute["name"] == name:
                attribute["value"] = value

    return change


def twice(document):
    document["nodes"].append(json.loads(json.dumps(node_named(document, "aten::convolution"))))


def own_parent(name):
    def change(document):
        node = node_named(document, name)
        node["ctrl_deps"] = node["id"]

    return change


def cycle(document):
    inner = node_named(document, "aten::convolution")
    outer = next(node for node in document["nodes"] if node["id"] == inner["ctrl_deps"])
    outer["ctrl_deps"] = inner["id"]


def huge(count):
    def change(document):
        node = node_named(document, "aten::addmm")
        node["inputs"]["shapes"][1:3] = [[2**count, 2**count], [2**count, 2**count]]
        node["inputs"]["strides"][1:3] = [[1, 0], [0, 1]]
        node["outputs"]["shapes"][0], node["outputs"]["strides"][0] = [2**count, 2**count], [0, 0]

    return change


WRONG = {
    "an id twice": (twice, r"node \d+ is there twice"),
    "a call that is its own parent": (
        own_parent("aten::convolution"),
        r"node \d+, 'aten::convolution', is called by itself",
    ),
    "an inner call that is its own parent": (own_parent("aten::native_batch_norm"), "is called by itself"),
    "a mark that is its own parent": (own_parent("Optimizer.step#SGD.step"), "is called by itself"),
    "a cycle": (cycle, "which begins after it"),
    "20,000 axes": (set_tensor("shapes", [1] * 20_000), "64 sizes"),
    "20,000 strides": (set_tensor("strides", [1] * 20_000), "strides"),
    "a size that is true": (set_tensor("shapes", [True, 3, 8, 8]), "size True"),
    "a size that is a text": (set_tensor("shapes", ["2", 3, 8, 8]), "size '2'"),
    "a size that is a fraction": (set_tensor("shapes", [2.0, 3, 8, 8]), "size 2.0"),
    "a size of 4,000 digits": (set_tensor("shapes", [10**4000, 3, 8, 8]), "a number of"),
    "sizes whose product overflows": (set_tensor("shapes", [2**20, 2**20, 2**20, 2**20]), r"2\^53"),
    "strides that reach too far": (set_tensor("strides", [2**52] * 4), r"2\^53"),
    "an offset that is too far": (set_tensor(2, 2**60), "offset"),
    "an offset that is true": (set_tensor(2, True), "offset True"),
    "a storage below zero": (set_tensor(1, -4), "storage -4"),
    "a storage that is a list": (set_tensor(1, [3]), "storage"),
    "elements of a kilobyte": (set_tensor(4, 1024), "elements of 1024 bytes"),
    "a type that is a number": (set_tensor("types", 3), "a type is no text .*: 3"),
    "an id that is true": (set_node(id=True), "id is no whole number.*: True"),
    "an id beyond int64": (set_node(id=2**63), r"2\^63"),
    "a parent that is a text": (set_node(ctrl_deps="1"), "ctrl_deps is no whole number.*: '1'"),
    "a parent that is a list": (set_node(ctrl_deps=[1]), "ctrl_deps is no whole .* a list"),
    "a name without end": (set_node(name="x" * 10**5), "no text of at most"),
    "a lone surrogate": (set_node(name="\ud800"), "no text in UTF-8"),
    "inputs that are a list": (set_node(inputs=[]), "damaged at node"),
    "a sequence that is true": (set_attribute("seq_id", True), "seq_id is no whole number"),
    "a sequence beyond int64": (set_attribute("seq_id", 2**70), "seq_id"),
    "a schema that is a list": (set_attribute("op_schema", ["x"]), "op_schema is no text"),
    "MACs beyond int64": (huge(26), r"2\^53"),
    "bytes beyond int64": (huge(40), r"2\^53"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_means_nothing_is_refused_with_node_and_reason(name, recorded, tmp_path):
    change, match = WRONG[name]
    refused(changed(recorded, change, tmp_path / "wrong.json"), match)


def test_no_error_repeats_control_characters_of_the_file(recorded, tmp_path):
    change = set_node(name="\x1b[31m\u202eevil\n" * 50, ctrl_deps=2**40)
    refused(changed(recorded, change, tmp_path / "wrong.json"), "begins after it")


def test_a_limit_can_be_raised(tmp_path):
    path = tmp_path / "file.json"
    path.write_bytes(b'{"schema": "0", "nodes": [' + b"[]," * 100_000 + b"0]}")
    with pytest.raises(CaptureError, match=r"task\.memory_mb="):
        file.load(path, None, 4 << 20)
    with pytest.raises(CaptureError, match="is of schema"):
        file.load(path, None, 16 << 20)


def test_a_small_limit_refuses_a_genuine_file(recorded):
    with pytest.raises(CaptureError, match=r"task\.memory_mb="):
        file.load(recorded, None, 1 << 20)


def test_many_nodes_take_little_memory_and_time(tmp_path):
    """In a process of its own: 25 MB of the smallest nodes that are read."""
    node = '{"id":%d,"name":"a","ctrl_deps":1,"inputs":{"values":[],"types":[],"shapes":[]},'
    node += '"outputs":{"values":[],"types":[],"shapes":[]},"attrs":[]}'
    path = tmp_path / "many.json"
    nodes = ",".join(node % number for number in range(2, 190_000))
    path.write_text(f'{{"schema":"1.1.1","nodes":[{nodes}]}}')
    code = (
        "import time; from harness.capture.chakra import file; from harness.settings.errors import CaptureError\n"
        f"start = time.process_time()\ntry: file.load({str(path)!r})\nexcept CaptureError as error: print(error)\n"
        "peak = next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(time.process_time() - start, 1024 * int(peak))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, peak = map(float, done.stdout.splitlines()[-1].split())
    assert seconds < 5
    assert peak < 10**9
