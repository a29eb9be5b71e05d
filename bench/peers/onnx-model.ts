// Writes ONNX models: the protobuf fields of onnx.proto3 that a graph of a few nodes needs.

type Bytes = readonly number[];

/** A protobuf varint, its least significant seven bits first; values are below 2^31. */
const varint = (value: number): Bytes => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)]);
const int = (field: number, value: number): Bytes => [...varint(field << 3), ...varint(value)];
const bytes = (field: number, value: Bytes): Bytes => [...varint((field << 3) | 2), ...varint(value.length), ...value];
const text = (field: number, value: string): Bytes => bytes(field, [...new TextEncoder().encode(value)]);

/** TensorProto.DataType */
const DATA_TYPES = { float32: 1, int32: 6, float64: 11 };

/** ValueInfoProto: a name, an element type, and a shape. */
export function value(name: string, type: keyof typeof DATA_TYPES, shape: readonly number[]): Bytes {
  const dimensions = shape.flatMap((dimension) => bytes(1, int(1, dimension)));
  return [...text(1, name), ...bytes(2, bytes(1, [...int(1, DATA_TYPES[type]), ...bytes(2, dimensions)]))];
}

/** NodeProto; attributes are integers. */
export function node(op: string, inputs: readonly string[], output: string, attributes: Readonly<Record<string, number>> = {}): Bytes {
  const INT = 2; // AttributeProto.AttributeType
  return [
    ...inputs.flatMap((input) => text(1, input)),
    ...text(2, output),
    ...text(4, op),
    ...Object.entries(attributes).flatMap(([name, value]) => bytes(5, [...text(1, name), ...int(3, value), ...int(20, INT)])),
  ];
}

/** ModelProto of IR version 8 and opset 13, the first one whose Softmax is over one axis. */
export function model(nodes: readonly Bytes[], inputs: readonly Bytes[], output: Bytes): Uint8Array {
  const graph = [
    ...nodes.flatMap((node) => bytes(1, node)),
    ...text(2, "graph"),
    ...inputs.flatMap((input) => bytes(11, input)),
    ...bytes(12, output),
  ];
  return Uint8Array.from([...int(1, 8), ...bytes(7, graph), ...bytes(8, [...text(1, ""), ...int(2, 13)])]);
}
