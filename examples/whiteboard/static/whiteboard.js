// The whiteboard: strokes are arrays of x and y as unsigned 16-bit numbers, which msgpack carries as bytes. The parser takes
// an ArrayBuffer for bytes; a typed array it would take for an object.

import { $, ask, connect, element, hue, toast } from "/shared/page.js";

const COLOURS = ["#1c2029", "#4f5bd5", "#1d8a5a", "#c0343b", "#d97706", "#ffffff"];
const NAMES = ["Black", "Blue", "Green", "Red", "Orange", "Eraser"];
const SCALE = 65_535;
const SEND_EVERY = 40; // these in milliseconds
const POINTER_FADES = 3_000;
const MAX_POINTS = 1_000;

const socket = connect(); // the client of this bundle speaks msgpack
const board = $("board");
const paper = board.getContext("2d");
const strokes = new Map(); // on the board, by id
const sketches = new Map(); // being drawn by others, by their socket's id
const pointers = new Map();
const mine = []; // ids of my strokes that can be taken back
let drawing = null;
let colour = 1;
let here = [0, 0]; // where my pointer is
let tellTimer = null;

// --- drawing ---

const points = (stroke) => new Uint16Array(stroke.points);

function paint(stroke) {
  const xy = stroke.xy ?? points(stroke);
  const at = (index, size) => xy[index] / SCALE * size;
  paper.strokeStyle = COLOURS[stroke.colour];
  paper.lineWidth = stroke.width;
  paper.beginPath();
  paper.moveTo(at(0, board.width), at(1, board.height));
  for (let index = 0; index < xy.length; index += 2) paper.lineTo(at(index, board.width), at(index + 1, board.height));
  paper.stroke();
}

let scheduled = false;
function redraw() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    paper.fillStyle = "#fff";
    paper.fillRect(0, 0, board.width, board.height);
    paper.lineCap = paper.lineJoin = "round";
    for (const stroke of [...strokes.values(), ...sketches.values()]) paint(stroke);
    if (drawing) paint(drawing);
    const now = performance.now();
    for (const [id, { x, y, seen }] of pointers) {
      if (now - seen > POINTER_FADES) pointers.delete(id);
      paper.fillStyle = `oklch(.65 .19 ${hue(id)})`;
      paper.beginPath();
      paper.arc(x / SCALE * board.width, y / SCALE * board.height, 9, 0, 2 * Math.PI);
      paper.fill();
    }
  });
}
setInterval(() => { if (pointers.size) redraw(); }, 1_000);

// --- what I do ---

const place = (event) => {
  const box = board.getBoundingClientRect();
  const limit = (part) => Math.round(Math.min(Math.max(part, 0), 1) * SCALE);
  return [limit((event.clientX - box.left) / box.width), limit((event.clientY - box.top) / box.height)];
};

const packed = ({ id, colour, width, xy }) => ({ id, colour, width, points: Uint16Array.from(xy).buffer });

function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

board.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  board.setPointerCapture(event.pointerId);
  drawing = { id: newId(), colour, width: Number($("width").value), xy: place(event) };
  redraw();
});

board.addEventListener("pointermove", (event) => {
  here = place(event);
  drawing?.xy.push(...here);
  if (drawing?.xy.length >= 2 * MAX_POINTS) finish();
  if (drawing) redraw();
  tellTimer ??= setTimeout(tell, SEND_EVERY);
});

// Volatile on this side as well: without a connection there is nobody to show it to.
function tell() {
  tellTimer = null;
  if (drawing) socket.volatile.emit("sketch", packed(drawing));
  else socket.volatile.emit("pointer", ...here);
}

async function finish() {
  if (!drawing) return;
  const stroke = drawing;
  drawing = null;
  strokes.set(stroke.id, stroke);
  redraw();
  if (await ask(socket, "stroke", packed(stroke))) mine.push(stroke.id);
  else strokes.delete(stroke.id);
  $("undo").disabled = !mine.length;
  redraw();
}
board.addEventListener("pointerup", finish);
board.addEventListener("pointercancel", finish);

$("undo").addEventListener("click", async () => {
  const id = mine.pop();
  $("undo").disabled = !mine.length;
  if (await ask(socket, "undo", id) === false) toast("This stroke can't be taken back any more.");
});
$("clear").addEventListener("click", () => ask(socket, "clear"));

$("colours").append(...COLOURS.map((value, index) => {
  const radio = element("input", { type: "radio", name: "colour", checked: index === colour, onchange: () => { colour = index; } });
  radio.setAttribute("aria-label", NAMES[index]);
  radio.style.setProperty("--swatch", value);
  return radio;
}));

// --- what I am told ---

socket.on("board", (all) => {
  strokes.clear();
  for (const stroke of all) strokes.set(stroke.id, stroke);
  mine.splice(0, mine.length, ...mine.filter((id) => strokes.has(id)));
  $("undo").disabled = !mine.length;
  redraw();
});
socket.on("stroke", (stroke) => {
  for (const [id, sketch] of sketches) if (sketch.id === stroke.id) sketches.delete(id);
  strokes.set(stroke.id, stroke);
  redraw();
});
socket.on("sketch", (id, stroke) => {
  if (!strokes.has(stroke.id)) sketches.set(id, stroke);
  redraw();
});
socket.on("pointer", (id, x, y) => {
  pointers.set(id, { x, y, seen: performance.now() });
  redraw();
});
socket.on("left", (id) => {
  pointers.delete(id);
  sketches.delete(id);
  redraw();
});
socket.on("erased", (id) => {
  strokes.delete(id);
  redraw();
});
socket.on("people", (count) => { $("people").textContent = count === 1 ? "only you" : `${count} people`; });
redraw();
