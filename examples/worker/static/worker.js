// Orders pictures, and draws their rows as the worker sends them.

import { $, ask, connect, element } from "/shared/page.js";

const WIDTH = 240;
const HEIGHT = 160;
const AREAS = {
  "The whole set": { x: -0.6, y: 0, zoom: 1 },
  Seahorses: { x: -0.748, y: 0.1, zoom: 60 },
  Spiral: { x: -0.7615, y: -0.0848, zoom: 300 },
  Elephants: { x: 0.29, y: 0.015, zoom: 40 },
};

const socket = connect();
const pictures = new Map(); // by the job's id: { pen, state }

// A colour for each of the worker's values; 0 is the set itself.
const palette = Array.from({ length: 256 }, (_, value) => {
  const part = Math.sqrt(value / 255);
  const wave = (shift) => Math.round(127.5 * (1 - Math.cos(2 * Math.PI * (part * 1.6 + shift))));
  return value ? [wave(0.55), wave(0.42), wave(0.3)] : [20, 22, 40];
});

function picture(id) {
  const known = pictures.get(id);
  if (known) return known;
  const canvas = element("canvas", { width: WIDTH, height: HEIGHT, className: "picture" });
  const bar = element("progress", { max: HEIGHT, value: 0, ariaLabel: "Progress" });
  const state = element("p", { className: "small" }, "waiting for a worker");
  const made = { pen: canvas.getContext("2d"), bar, state };
  pictures.set(id, made);
  $("pictures").prepend(element("li", { className: "card" }, canvas, bar, state));
  $("nothing").hidden = true;
  return made;
}

socket.on("ordered", picture);
socket.on("started", (id) => { picture(id).state.textContent = "drawing"; });
socket.on("failed", (id) => { picture(id).state.textContent = "The worker has given up. Order it again."; });
socket.on("rows", (id, row, pixels, done) => {
  const { pen, bar, state } = picture(id);
  const values = new Uint8Array(pixels);
  const image = pen.createImageData(WIDTH, values.length / WIDTH);
  values.forEach((value, index) => image.data.set([...palette[value], 255], index * 4));
  pen.putImageData(image, 0, row);
  bar.value = row + values.length / WIDTH;
  if (done) state.textContent = "done";
  bar.hidden = done;
});

$("areas").append(...Object.entries(AREAS).map(([name, area]) => element("button", {
  type: "button",
  className: "button",
  onclick: async () => {
    const answer = await ask(socket, "draw", area);
    if (answer) picture(answer.id);
  },
}, name)));
