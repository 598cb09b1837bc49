// What the official client reports when a site is set up wrongly. Prints one line of JSON, then leaves: the transport that
// it connected by, or null; then the first sign of trouble, or null if an echo of some size works.
//
//   node symptoms.mjs FOLDER_OF_THE_PACKAGE URL polling|websocket|upgrade connect|echo|idle

import { createRequire } from "node:module";

const [folder, url, mode, what] = process.argv.slice(2);
const { io } = createRequire(import.meta.url)(folder);
const transports = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] }[mode];
const socket = io(url, { transports, reconnection: false });
let connected = null;

function report(trouble) {
  console.log(JSON.stringify({ connected, trouble }));
  process.exit(0);
}

socket.on("connect_error", (error) => report([error.message, error.context?.status ?? null]));
socket.on("disconnect", (reason) => report([reason]));
socket.io.engine.on("error", (error) => connected === null && report([error.message, error.context?.status ?? null]));
socket.on("connect", () => {
  connected = socket.io.engine.transport.name;
  if (what === "connect") report(null);
  if (what === "echo") socket.emit("echo", "x".repeat(5000), () => report(null));
});
