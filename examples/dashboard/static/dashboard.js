// The dashboard: keeps two minutes of samples and draws them.

import { $, connect, request, toast } from "/shared/page.js";
import { draw } from "./plot.js";

const SHOWN = 120_000; // these in milliseconds
const LEAST = 30_000; // the plots begin with so much, and grow
const socket = connect();
const plots = [...document.querySelectorAll(".plot")];
let samples = [];

function redraw() {
  const last = samples.at(-1);
  if (!last) return;
  for (const name of ["clients", "lag", "cpu", "events"]) $(name).textContent = String(last[name]);
  const span = Math.min(SHOWN, Math.max(LEAST, Math.ceil((last.time - samples[0].time) / LEAST) * LEAST));
  for (const canvas of plots) {
    const { series, floor } = canvas.dataset;
    const values = samples.map((sample) => [sample.time - last.time, sample[series]]);
    draw(canvas, values, { from: -span, to: 0, floor: Number(floor), hover: canvas.hover });
  }
}

for (const canvas of plots) {
  canvas.addEventListener("pointermove", (event) => { canvas.hover = event.offsetX; redraw(); });
  canvas.addEventListener("pointerleave", () => { canvas.hover = undefined; redraw(); });
}
window.addEventListener("resize", redraw);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

socket.on("samples", (all) => {
  samples = all;
  redraw();
});
socket.on("sample", (sample) => {
  samples.push(sample);
  samples = samples.filter(({ time }) => time > sample.time - SHOWN);
  redraw();
});

$("send").addEventListener("click", () => { for (let number = 0; number < 200; number += 1) socket.emit("hello", number); });
for (const button of document.querySelectorAll("[data-work]")) {
  button.addEventListener("click", async () => {
    if (!await request(socket, "work", button.dataset.work)) toast("It is busy already.");
  });
}
