// Drives one socket.io-client against the server of `python -m tests.conformance.server socket` (or `socket4`, for
// clients 1 and 2), and prints one line of JSON: {check: null or what went wrong}.
//
//   node client_checks.mjs FOLDER_OF_THE_PACKAGE URL polling|websocket|upgrade [FOLDER_OF_SOCKET.IO-MSGPACK-PARSER]
//
// With the last one, the server is that of `socket-msgpack`.

import { createRequire } from "node:module";
import { deepStrictEqual as same, ok } from "node:assert";

const [folder, url, mode, parserFolder] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const client = require(folder);
const io = client.io ?? client;
const isLegacy = Number(require(`${folder}/package.json`).version.split(".")[0]) < 3; // Engine.IO v3, Socket.IO v4
const parser = parserFolder && require(parserFolder);

const GUARD = 20_000; // milliseconds after which a check that waits for ever has failed
const transports = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] }[mode];
const finalTransport = mode === "polling" ? "polling" : "websocket";
const checks = {};
const opened = new Set();

function open(namespace = "/", options = {}) {
  const socket = io(url + namespace, { transports, forceNew: true, reconnectionDelay: 10, parser, ...options });
  opened.add(socket);
  return socket;
}

// The arguments of the next `event`.
function next(emitter, event) {
  return new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
}

async function connect(namespace, options) {
  const socket = open(namespace, options);
  const auth = next(socket, "auth");
  await next(socket, "connect");
  await auth;
  return socket;
}

async function upgraded(socket) {
  const engine = socket.io.engine;
  if (engine.transport.name !== finalTransport) await next(engine, "upgrade");
  return engine.transport.name;
}

// Clients 1 and 2 may give an ArrayBuffer where later ones give a Buffer.
function buffered(value) {
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  if (Buffer.isBuffer(value) || value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(buffered);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, buffered(item)]));
}

// Connected, and where the client upgrades, by way of a finished upgrade.
async function settled(namespace, options) {
  const socket = await connect(namespace, options);
  same(await upgraded(socket), finalTransport);
  return socket;
}

async function echo(socket, ...args) {
  const answer = next(socket, "message-back");
  socket.emit("message", ...args);
  return buffered(await answer);
}

function ask(socket, event, ...args) {
  return new Promise((resolve) => socket.emit(event, ...args, (...answer) => resolve(buffered(answer))));
}

// Lets the server ask for an ack with `args`, answers it with `answer`; returns what the server asked and got.
async function beAsked(socket, args, answer) {
  const question = next(socket, "emit-with-ack");
  socket.emit("emit-with-ack", ...args);
  const asked = await question;
  const result = next(socket, "emit-with-ack");
  asked.pop()(...answer);
  return { asked: buffered(asked), got: buffered(await result) };
}

const VALUES = [1, "2", { 3: [true] }, null, -1.5, [], {}, "", [[1, [2]], "x"], false];
const UNICODE = ["€ 𝕊 日本語 é", "\u2028\u2029\u0000\u001e", { "ключ 🎉": "🎉🎉" }, "\"\\/"];
const BINARY = () => [
  { a: [Buffer.from([1, 2, 3]), { b: Buffer.from([255]) }], text: "x" },
  Buffer.from([4, 5, 6]),
  [Buffer.alloc(0), "y", [Buffer.from("€")]],
];

Object.assign(checks, {
  async auth() {
    const token = { token: "123", nested: { list: [1, "€"] } };
    const socket = open("/", { auth: token });
    const auth = next(socket, "auth");
    await next(socket, "connect");
    same(await auth, [token]);
    ok(socket.connected);
    same(typeof socket.id, "string");
  },

  async auth_from_a_function() {
    const socket = open("/", { auth: (answer) => answer({ late: true }) });
    same(await next(socket, "auth"), [{ late: true }]);
  },

  async no_auth() {
    same(await next(open(), "auth"), [{}]);
  },

  async transport() {
    const socket = await connect();
    same(await upgraded(socket), finalTransport);
    same(await echo(socket, "over", finalTransport), ["over", finalTransport]);
  },

  async socket_ids_differ() {
    const [first, second] = await Promise.all([connect(), connect()]);
    ok(first.id !== second.id);
    ok(isLegacy || first.id !== first.io.engine.id);
  },

  async event() {
    const socket = await settled();
    same(await echo(socket, ...VALUES), VALUES);
    same(await echo(socket), []);
  },

  async unicode() {
    const socket = await settled();
    same(await echo(socket, ...UNICODE), UNICODE);
    // As msgpack has no form for it, that parser writes another character.
    if (!parser) same(await echo(socket, "\ud800"), ["\ud800"]);
  },

  async binary() {
    const socket = await settled();
    same(await echo(socket, ...BINARY()), BINARY());
    for (const size of [1, 2, 8, 16, 300, 70_000]) {
      const bytes = new Uint8Array(size).fill(7);
      same(await echo(socket, isLegacy ? bytes.buffer : bytes), [Buffer.alloc(size, 7)]);
    }
  },

  async binary_as_base64() {
    const socket = await settled("/", { forceBase64: true });
    same(await echo(socket, ...BINARY()), BINARY());
  },

  async undefined_and_dates() {
    const socket = await settled();
    // As msgpack knows dates, the server does; either way it sends text.
    const [, text] = await echo(socket, undefined, new Date(1234567890123), [undefined], { x: undefined });
    same(new Date(text).getTime(), 1234567890123);
    same(await ask(socket, "message-with-ack", undefined, 1), [null, 1]);
  },

  async ack() {
    const socket = await settled();
    same(await ask(socket, "message-with-ack", ...VALUES), VALUES);
    same(await ask(socket, "message-with-ack"), []);
  },

  async binary_ack() {
    const socket = await settled();
    same(await ask(socket, "message-with-ack", ...BINARY()), BINARY());
  },

  async asked_by_the_server() {
    const socket = await settled();
    same(await beAsked(socket, [1, "2"], ["got", { x: [null] }]), { asked: [1, "2"], got: ["got", { x: [null] }] });
    same(await beAsked(socket, [], [7]), { asked: [], got: [7] });
    same(await beAsked(socket, [], []), { asked: [], got: [] });
  },

  async asked_by_the_server_with_binary() {
    const socket = await settled();
    same(await beAsked(socket, BINARY(), [Buffer.from([9]), "x"]), { asked: BINARY(), got: [Buffer.from([9]), "x"] });
  },

  async custom_namespace() {
    // What later clients send as auth is the query of a namespace for clients 1 and 2.
    const custom = open("/custom", { [isLegacy ? "query" : "auth"]: { token: "a b,c&€" } });
    same(await next(custom, "auth"), [{ token: "a b,c&€" }]);
    same(await echo(custom, "x", Buffer.from([1])), ["x", Buffer.from([1])]);
    same(await ask(custom, "message-with-ack", 1, 2), [1, 2]);
  },

  async namespaces_share_a_connection() {
    const main = await settled();
    const custom = main.io.socket("/custom");
    await next(custom, "auth");
    ok(isLegacy || main.id !== custom.id);
    const strayed = [];
    custom.on("message-back", (...args) => strayed.push(args));
    same(await echo(main, "main"), ["main"]);
    same(await echo(custom, "custom"), ["custom"]);
    same(strayed, [["custom"]]);
    custom.disconnect();
    same(await echo(main, "still here"), ["still here"]);
  },

  async unknown_namespace() {
    const main = await settled();
    const unknown = main.io.socket("/unknown");
    unknown.on("connect", () => ok(false, "connected"));
    const [error] = await next(unknown, isLegacy ? "error" : "connect_error");
    ok(isLegacy || error instanceof Error);
    same(error.message, "Invalid namespace");
    same(error.data, undefined);
    same(await echo(main, "still here"), ["still here"]);
  },

  async disconnect_by_the_client() {
    const socket = await settled();
    const first = socket.id;
    const gone = next(socket, "disconnect");
    socket.disconnect();
    same((await gone)[0], "io client disconnect");
    const again = next(socket, "connect");
    socket.connect();
    await again;
    ok(socket.id !== first);
    same(await echo(socket, "again"), ["again"]);
  },

  async reconnect_after_a_close_by_the_server() {
    const socket = await settled();
    const first = socket.id;
    const gone = next(socket, "disconnect");
    const again = next(socket, "connect");
    socket.io.engine.write("no packet of Socket.IO");
    const [reason] = await gone;
    // Over polling either may be first: the error that answers the POST, or the close packet that answers the poll.
    ok(reason === "transport close" || (mode === "polling" && reason === "transport error"), reason);
    await again;
    ok(socket.id !== first);
    same(await echo(socket, "again"), ["again"]);
  },

  async large_text() {
    const socket = await settled();
    const text = "€".repeat(100_000) + "x".repeat(200_000);
    same((await echo(socket, text))[0] === text, true);
  },

  async large_binary() {
    const socket = await settled();
    const data = Buffer.alloc(500_000, "geventsio");
    same(Buffer.compare((await echo(socket, { data }))[0].data, data), 0);
  },

  // From the moment of the connection on, so that an upgrade happens meanwhile.
  async order() {
    const socket = open();
    const expected = [];
    const received = [];
    await new Promise((resolve) => {
      socket.on("message-back", (number, data) => {
        received.push([number, buffered(data)]);
        if (received.length === 200) resolve();
      });
      const send = (until) => {
        for (let number = expected.length; number < until; number++) {
          const data = number % 10 ? "text" : Buffer.from([number]);
          expected.push([number, data]);
          socket.emit("message", number, data);
        }
      };
      send(50); // waits in the client for the connection
      socket.once("connect", () => setImmediate(send, 100)); // not at once: client 3 sends what waits only then
      socket.once("message-back", () => send(150));
      socket.io.engine.once(mode === "upgrade" ? "upgrade" : "packet", () => setImmediate(send, 200));
    });
    same(received, expected);
  },

  async heartbeat() {
    const socket = await settled();
    let lost = null;
    socket.on("disconnect", (reason) => (lost = reason));
    await new Promise((resolve) => {
      let pings = 0;
      const sign = isLegacy ? "pong" : "ping"; // what comes from the server
      socket.io.engine.on("packet", ({ type }) => type === sign && ++pings === 3 && resolve());
    });
    same(await echo(socket, "alive"), ["alive"]);
    same(lost, null);
  },
});

async function run(check) {
  let timer;
  const guard = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing happened for ${GUARD} ms`)), GUARD);
  });
  try {
    await Promise.race([check(), guard]);
    return null;
  } catch (error) {
    return String(error.stack);
  } finally {
    clearTimeout(timer);
    for (const socket of opened) socket.disconnect();
    opened.clear();
  }
}

// Those that need what clients 1 and 2 don't have.
if (isLegacy) for (const name of ["auth", "auth_from_a_function"]) delete checks[name];

const results = {};
for (const [name, check] of Object.entries(checks)) results[name] = await run(check);
process.stdout.write(JSON.stringify(results) + "\n");
// The clients' reconnection timers would keep the process.
process.exit(0);
