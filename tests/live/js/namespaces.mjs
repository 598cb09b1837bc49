// Two clients in namespaces that they call into being, one of which is deleted; prints one line of JSON with what they saw.
//
//   node namespaces.mjs FOLDER_OF_THE_PACKAGE URL polling|websocket|upgrade

import { createRequire } from "node:module";

const [folder, url, mode] = process.argv.slice(2);
const { io } = createRequire(import.meta.url)(folder);
const transports = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] }[mode];
const next = (emitter, event) => new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
const ask = (socket, event, ...args) => new Promise((resolve) => socket.emit(event, ...args, resolve));

const first = io(url + "/client/1", { transports, forceNew: true });
await next(first, "connect");
const second = first.io.socket("/client/größe");
await next(second, "connect");

const seen = { params: [await ask(first, "params"), await ask(second, "params")] };
seen.exist = await ask(second, "namespaces");

const unknown = first.io.socket("/nowhere");
seen.unknown = (await next(unknown, "connect_error"))[0].message;
unknown.disconnect();

const told = next(first, "disconnect");
second.emit("delete", "/client/1");
seen.reason = (await told)[0];
seen.connected = [first.connected, second.connected];
seen.left = await ask(second, "namespaces");

first.connect(); // the pattern makes it anew
await next(first, "connect");
seen.again = await ask(first, "params");

first.disconnect();
second.disconnect();
process.stdout.write(JSON.stringify(seen) + "\n");
// A manager that still polls would keep the process.
process.exit(0);
