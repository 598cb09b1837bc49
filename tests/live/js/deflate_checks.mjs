// Exchanges compressed messages with the servers of `python -m tests.conformance.server`, and prints one line of JSON:
// {check: null or what went wrong}.
//
//   node deflate_checks.mjs ws FOLDER_OF_WS URL negotiated|plain
//   node deflate_checks.mjs socket.io FOLDER_OF_SOCKET.IO-CLIENT URL negotiated|plain

import { createRequire } from "node:module";
import { deepStrictEqual as same, ok } from "node:assert";

const [client, folder, url, outcome] = process.argv.slice(2);
const library = createRequire(import.meta.url)(folder);
const negotiated = outcome === "negotiated";

const TEXT = JSON.stringify(Array.from({ length: 2000 }, (_, number) => ({ number, text: "€uro and more" })));
const MESSAGES = [TEXT, Buffer.from(TEXT), "short", "", Buffer.alloc(0), Buffer.alloc(500_000, "geventsio"), "x".repeat(1024)];

// Everything that arrives on a ws connection counts, with the frames as they came.
async function echo(options, query = "") {
  const socket = new library.WebSocket(url.replace("http", "ws") + query, options);
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  same(socket.extensions.includes("permessage-deflate"), negotiated && options.perMessageDeflate !== false);
  for (const message of MESSAGES) {
    const before = socket._socket.bytesRead;
    const answer = new Promise((resolve, reject) => {
      socket.once("message", (data, isBinary) => resolve(isBinary ? data : data.toString()));
      socket.once("close", (code, reason) => reject(new Error(`closed: ${code} ${reason}`)));
    });
    socket.send(message);
    same(await answer, message);
    const received = socket._socket.bytesRead - before;
    if (message.length > 2000 && socket.extensions) ok(received < message.length / 4, `${received} bytes`);
    socket.removeAllListeners("close");
  }
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.close(1000);
  same(await closed, 1000);
}

async function events(transports) {
  const socket = library.io(url, { transports, forceNew: true, reconnection: false, perMessageDeflate: { threshold: 0 } });
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject));
  const engine = socket.io.engine;
  if (engine.transport.name !== "websocket") await new Promise((resolve) => engine.once("upgrade", resolve));
  same(engine.transport.ws.extensions.includes("permessage-deflate"), negotiated);
  for (const message of [...MESSAGES, { nested: [TEXT, Buffer.from(TEXT), Buffer.from("x")] }]) {
    const answer = new Promise((resolve) => socket.once("message-back", (...args) => resolve(args)));
    socket.emit("message", message);
    same(await answer, [message]);
  }
  socket.disconnect();
}

const checks =
  client === "ws"
    ? {
        default: () => echo({}),
        everything_compressed: () => echo({ perMessageDeflate: { threshold: 0 } }),
        no_takeover: () => echo({ perMessageDeflate: { serverNoContextTakeover: true, clientNoContextTakeover: true } }),
        small_windows: () => echo({ perMessageDeflate: { serverMaxWindowBits: 9, clientMaxWindowBits: 9, threshold: 0 } }),
        declined: () => echo({ perMessageDeflate: false }),
      }
    : { websocket: () => events(["websocket"]), upgrade: () => events(["polling", "websocket"]) };

const results = {};
for (const [name, check] of Object.entries(checks)) {
  let timer;
  const guard = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error("nothing happened")), 20_000)));
  results[name] = await Promise.race([check(), guard]).then(() => null, (error) => String(error.stack));
  clearTimeout(timer);
}
process.stdout.write(JSON.stringify(results) + "\n");
process.exit(0);
