// The game: draws the newest state, moving smoothly from the one before.

import { $, connect, element, hue, onSubmit } from "/shared/page.js";

const STATE_EVERY = 1_000 / 30; // these in milliseconds
const STEER_EVERY = 50;
const STEP = 120; // how far an arrow key leads

const arena = $("arena");
const pen = arena.getContext("2d");
const names = new Map(); // by a player's number
const players = new Map(); // by number: { x, y, fromX, fromY, score, at }
let coins = [];
let me = null;
let received = 0;
let steeredAt = 0;

// --- the server ---

function play(name) {
  const socket = connect({ auth: { name }, transports: ["websocket"] });
  socket.on("welcome", (welcome) => {
    me = welcome.me;
    [arena.width, arena.height] = welcome.size;
    coins = welcome.coins;
    players.clear();
    names.clear();
    for (const [number, one] of welcome.names) names.set(number, one);
  });
  socket.on("joined", (number, one) => names.set(number, one));
  socket.on("left", (number) => {
    names.delete(number);
    players.delete(number);
  });
  socket.on("coin", (index, x, y) => { coins[index] = [x, y]; });
  socket.on("stats", (ticks, cost, count) => {
    $("ticks").textContent = ticks.toFixed(1);
    $("cost").textContent = cost.toFixed(2);
    $("players").textContent = String(count);
  });
  socket.on("state", (buffer) => {
    received += 1;
    const now = performance.now();
    const view = new DataView(buffer);
    for (let at = 0; at < view.byteLength; at += 8) {
      const [number, x, y, score] = [0, 2, 4, 6].map((offset) => view.getUint16(at + offset, true));
      const before = players.get(number);
      const [fromX, fromY] = before ? position(before, now) : [x, y];
      players.set(number, { x, y, fromX, fromY, score, at: now });
    }
  });
  const steer = (x, y) => {
    const now = performance.now();
    if (now - steeredAt < STEER_EVERY) return;
    steeredAt = now;
    socket.volatile.emit("steer", x, y);
  };
  const point = (event) => {
    const box = arena.getBoundingClientRect();
    steer((event.clientX - box.left) / box.width * arena.width, (event.clientY - box.top) / box.height * arena.height);
  };
  arena.addEventListener("pointermove", point);
  arena.addEventListener("pointerdown", point);
  arena.addEventListener("keydown", (event) => {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    const self = players.get(me);
    if (!self || !(dx || dy)) return;
    event.preventDefault();
    steer(self.x + dx * STEP, self.y + dy * STEP);
  });
}

// --- the picture ---

function position({ x, y, fromX, fromY, at }, now) {
  const part = Math.min(1, (now - at) / STATE_EVERY);
  return [fromX + (x - fromX) * part, fromY + (y - fromY) * part];
}

function circle(x, y, radius, fill) {
  pen.fillStyle = fill;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}

function label(text, x, y, ink, ground) {
  pen.strokeStyle = ground;
  pen.lineWidth = 6;
  pen.strokeText(text, x, y);
  pen.fillStyle = ink;
  pen.fillText(text, x, y);
}

function frame(now) {
  pen.clearRect(0, 0, arena.width, arena.height);
  const { color, backgroundColor } = getComputedStyle(arena);
  const size = Math.max(1, 600 / arena.clientWidth); // on a small screen everything is drawn larger
  pen.font = `600 ${26 * size}px system-ui, sans-serif`;
  pen.textAlign = "center";
  for (const [x, y] of coins) {
    circle(x, y, 16 * size, "#d97706");
    circle(x, y, 10 * size, "#fbbf24");
  }
  const mineLast = [...players].sort(([a], [b]) => Number(a === me) - Number(b === me));
  for (const [number, player] of mineLast) {
    const [x, y] = position(player, now);
    if (number === me) circle(x, y, 27 * size, color);
    circle(x, y, (number === me ? 22 : 15) * size, `oklch(.62 .17 ${hue(names.get(number) ?? "")})`);
    if (number === me) label(names.get(number) ?? "", x, y - 38 * size, color, backgroundColor);
  }
  requestAnimationFrame(frame);
}
requestAnimationFrame(frame);

setInterval(() => {
  $("frames").textContent = String(received);
  received = 0;
  const best = [...players].filter(([number]) => names.has(number)).sort(([, a], [, b]) => b.score - a.score).slice(0, 5);
  $("best").replaceChildren(...best.map(([number, { score }]) => element("li", { className: number === me ? "row me" : "row" },
    element("span", { className: "grow ellipsis" }, names.get(number)), element("span", { className: "numbers" }, String(score)))));
}, 1_000);

onSubmit($("hello-form"), () => {
  $("hello").close();
  play($("name").value.trim() || "nobody");
  arena.focus();
});
$("hello").addEventListener("cancel", (event) => event.preventDefault());
$("hello").showModal();
