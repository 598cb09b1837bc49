// Clients that are left to themselves when their server stops. Prints a line of JSON when all are connected, and one when
// all are connected to another process: {reasons, pids}.
//
//   node reconnect.mjs FOLDER_OF_THE_PACKAGE URL COUNT polling|websocket|upgrade

import { createRequire } from "node:module";

const [folder, url, count, mode] = process.argv.slice(2);
const { io } = createRequire(import.meta.url)(folder);
const transports = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] }[mode];
const reasons = {};

// Resolves twice: with the process that serves first, and with the one after.
function client() {
  const socket = io(url, { transports, forceNew: true, reconnectionDelay: 100, reconnectionDelayMax: 500 });
  socket.on("disconnect", (reason) => (reasons[reason] = (reasons[reason] || 0) + 1));
  const settled = async () => {
    const engine = socket.io.engine;
    if (mode === "upgrade" && engine.transport.name !== "websocket") {
      await new Promise((resolve) => engine.once("upgrade", resolve));
    }
  };
  let before;
  const first = new Promise((resolve) => {
    socket.once("connect", () => settled().then(() => socket.emit("pid", (pid) => resolve((before = pid)))));
  });
  const second = new Promise((resolve) => {
    socket.on("connect", () => {
      if (before !== undefined) socket.emit("pid", (pid) => pid !== before && resolve(pid));
    });
  });
  return { socket, first, second };
}

const clients = Array.from({ length: Number(count) }, client);
const report = (pids) => console.log(JSON.stringify({ reasons, pids: [...new Set(pids)] }));
report(await Promise.all(clients.map(({ first }) => first)));
report(await Promise.all(clients.map(({ second }) => second)));
clients.forEach(({ socket }) => socket.disconnect());
