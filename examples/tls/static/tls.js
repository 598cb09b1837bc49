// Shows that the connection is a secure one, and how fast it is.

import { $, connect, request } from "/shared/page.js";

const ROUNDS = 100;
const socket = connect();

function show() {
  const transport = socket.io.engine.transport.name;
  const scheme = { websocket: "wss", polling: "https" }[transport] ?? transport;
  const isSecure = location.protocol === "https:";
  $("transport").textContent = isSecure ? `${scheme}:// (${transport}, encrypted)` : `${transport}, not encrypted`;
}

$("page").textContent = `${location.protocol}//${location.host}`;
socket.on("connect", () => {
  show();
  socket.io.engine.on("upgrade", show);
  $("cookie").textContent = document.cookie.includes("io=") ? "yes" : "no (HttpOnly, and Secure)";
});
socket.on("seen", ({ scheme, address }) => { $("seen").textContent = `${scheme} from ${address}`; });

$("measure").addEventListener("click", async () => {
  const times = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const begin = performance.now();
    const answer = await request(socket, "echo", begin);
    if (answer !== begin) {
      $("result").textContent = answer.error;
      return;
    }
    times.push(performance.now() - begin);
  }
  times.sort((a, b) => a - b);
  $("result").textContent = `${ROUNDS} round trips: median ${times[ROUNDS / 2].toFixed(2)} ms, slowest ${times.at(-1).toFixed(2)} ms.`;
});
