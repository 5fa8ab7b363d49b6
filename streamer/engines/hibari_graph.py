"""Cut a stage out of an ONNX model: the nodes between some tensors, as a model of its own.

Works on the protobuf wire format (https://protobuf.dev/programming-guides/encoding/) with the field
numbers of onnx.proto, so that no ONNX library is needed. Knows nothing of speech.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Field numbers of onnx.proto.
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_NAME, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 2, 5, 11, 12
_NODE_INPUT, _NODE_OUTPUT = 1, 2
_TENSOR_NAME = 8
_FLOAT = 1

Shape = Sequence[int | str]
"""Sizes of a tensor; a name stands for a size that varies."""


class MissingTensor(LookupError):
    """The model has no tensor of that name: it is not the one whose names are known here."""


def extract_stage(model: bytes, inputs: Mapping[str, Shape], outputs: Sequence[str]) -> bytes:
    """A model with float `inputs` (inner tensors, with their shapes) and `outputs`, and of the given
    model the nodes and weights that lead from one to the other.

    An input that the model itself has keeps its declaration (its shape here is not looked at).
    Raises `MissingTensor`.
    """
    head = b"".join(raw for number, raw, _ in _fields(model) if number != _MODEL_GRAPH)
    graph = b"".join(body for number, _, body in _fields(model) if number == _MODEL_GRAPH)
    nodes: list[tuple[bytes, list[str], list[str]]] = []
    weights: dict[str, bytes] = {}
    declared: dict[str, bytes] = {}
    for number, raw, body in _fields(graph):
        if number == _GRAPH_NODE:
            nodes.append((raw, _strings(body, _NODE_INPUT), _strings(body, _NODE_OUTPUT)))
        elif number == _GRAPH_INITIALIZER:
            weights[_strings(body, _TENSOR_NAME)[0]] = raw
        elif number == _GRAPH_INPUT:
            declared[_strings(body, 1)[0]] = raw
    made = {name for _, _, names in nodes for name in names}
    for name in (*inputs, *outputs):
        if name not in made and name not in declared:
            raise MissingTensor(name)

    needed = set(outputs)
    kept: list[bytes] = []
    # Nodes are in topological order (a rule of ONNX), so one pass from the end finds all that is needed.
    for raw, node_inputs, node_outputs in reversed(nodes):
        if any(name in needed and name not in inputs for name in node_outputs):
            kept.append(raw)
            needed.update(node_inputs)
    unmet = sorted(needed & declared.keys() - inputs.keys())
    if unmet:
        raise MissingTensor(f"{unmet[0]} is needed, but not among the inputs")
    parts = [*reversed(kept), _field(_GRAPH_NAME, b"stage")]
    parts += [raw for name, raw in weights.items() if name in needed]
    parts += [
        declared.get(name) or _field(_GRAPH_INPUT, _value_info(name, shape))
        for name, shape in inputs.items()
    ]
    parts += [_field(_GRAPH_OUTPUT, _field(1, name.encode())) for name in outputs]
    return head + _field(_MODEL_GRAPH, b"".join(parts))


def _value_info(name: str, shape: Shape) -> bytes:
    sizes = b"".join(
        _field(1, _field(2, size.encode()) if isinstance(size, str) else b"\x08" + _varint(size))
        for size in shape
    )
    tensor = b"\x08" + _varint(_FLOAT) + _field(2, sizes)
    return _field(1, name.encode()) + _field(2, _field(1, tensor))


def _field(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(number, the whole field as it stands, its body) of each field of a message."""
    at = 0
    while at < len(data):
        start = at
        key, at = _read_varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _BYTES:
            length, at = _read_varint(data, at)
        elif kind == _VARINT:
            length = _read_varint(data, at)[1] - at
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"protobuf wire type {kind} at byte {start}")
        yield number, data[start : at + length], data[at : at + length]
        at += length


def _strings(message: bytes, number: int) -> list[str]:
    return [body.decode() for found, _, body in _fields(message) if found == number]
