// The official msgpack parser, asked line by line: reads a JSON request on stdin, answers with a line of JSON.
//
//   node msgpack_peer.mjs FOLDER_OF_SOCKET.IO-MSGPACK-PARSER
//
//   {encode: VALUE} -> HEX    {decode: {$hex: HEX}} -> VALUE
//   {packet: {$hex: HEX}} -> PACKET    {samples: true} -> {name: HEX}
//
// In VALUE and PACKET {"$bytes": HEX} stands for a Buffer, {"$number": TEXT} for a number that JSON does not have.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(import.meta.url);
const { Decoder, Encoder } = require(process.argv[2]);
const notepack = createRequire(require.resolve(process.argv[2]))("notepack.io");

function untag(key, value) {
  if (value && typeof value === "object" && "$bytes" in value) return Buffer.from(value.$bytes, "hex");
  if (value && typeof value === "object" && "$number" in value) return Number(value.$number);
  return value;
}

function tag(value) {
  if (Buffer.isBuffer(value)) return { $bytes: value.toString("hex") };
  if (Array.isArray(value)) return value.map(tag);
  if (typeof value === "number" && !isFinite(value)) return { $number: String(value) };
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, tag(v)]));
  return value;
}

const EVENT = 2;
const event = (...data) => ({ type: EVENT, data, options: { compress: true }, nsp: "/" });
const SAMPLES = {
  connect: { type: 0, data: undefined, nsp: "/" },
  connect_with_auth: { type: 0, data: { token: "123" }, nsp: "/admin" },
  disconnect: { type: 1, nsp: "/" },
  event: event("name", 1, "2", { 3: [true] }),
  question: { ...event("name"), id: 7 },
  answer: { type: 3, nsp: "/", id: 7, data: ["ok"] },
  undefined: event("name", undefined, [undefined], { x: undefined }),
  numbers: event("name", 0, -0, 127, 128, 255, 256, 65535, 65536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1),
  negative_numbers: event("name", -1, -32, -33, -128, -129, -32768, -32769, -(2 ** 31), -(2 ** 31) - 1, 1 - 2 ** 53),
  floats: event("name", 0.5, -1.25, 5e-324, 2 ** 60, Infinity, -Infinity),
  nan: event("name", NaN),
  texts: event("name", "", "x".repeat(31), "x".repeat(32), "€".repeat(100), "🎉".repeat(30_000)),
  half_a_pair: event("name", "x".repeat(40) + "\ud800"),
  date: event("name", new Date(0), new Date(1234567890123), new Date(-1)),
  invalid_date: event("name", new Date(NaN)),
  buffers: event("name", Buffer.alloc(0), Buffer.from([1]), Buffer.alloc(8, 1), Buffer.alloc(300, 2), Buffer.alloc(70_000)),
  array_buffers: event("name", ...[0, 1, 2, 4, 8, 16, 300, 70_000].map((size) => new Uint8Array(size).fill(size).buffer)),
  typed_arrays: event("name", new Uint8Array([1]), new Float64Array([0.5]), new Uint16Array([1, 2, 3, 4])),
  among_others: event("name", Buffer.from([0xc7, 8, 0, 0xc7, 1, 0]), new Uint8Array(8), "Ç\u0008\u0000", [new Date(0)]),
  nested: event("name", [[[[{ a: { b: [Buffer.from("x")] } }]]]], {}),
  to_json: event("name", { toJSON: () => [1] }),
  long: event("name", Array.from({ length: 70_000 }, (_, i) => i), Object.fromEntries(Array.from({ length: 20 }, (_, i) => ["k" + i, i]))),
};

const answers = {
  encode: (value) => notepack.encode(value).toString("hex"),
  decode: (hex) => tag(notepack.decode(Buffer.from(hex.$hex, "hex"))),
  packet(hex) {
    const decoder = new Decoder();
    let packet;
    decoder.on("decoded", (decoded) => (packet = decoded));
    decoder.add(Buffer.from(hex.$hex, "hex"));
    return tag(packet);
  },
  samples: () =>
    Object.fromEntries(Object.entries(SAMPLES).map(([name, packet]) => [name, new Encoder().encode(packet)[0].toString("hex")])),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [[what, argument]] = Object.entries(JSON.parse(line, untag));
  let answer;
  try {
    answer = { ok: answers[what](argument) };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
