// The upload: one file after the other, one chunk after the other, each sent when the one before has been acknowledged.

import { $, connect, element, request } from "/shared/page.js";

const CHUNK = Number($("main").dataset.chunk);
const MAX_SIZE = Number($("main").dataset.maxSize);

const socket = connect();
const waiting = [];
let isSending = false;

function size(bytes) {
  const [value, unit] = bytes < 1_000_000 ? [bytes / 1_000, "kB"] : [bytes / 1_000_000, "MB"];
  return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
}

// A file in the list of those being sent.
function row(file) {
  const bar = element("progress", { max: file.size || 1, value: 0, ariaLabel: `Progress of ${file.name}` });
  const state = element("span", { className: "small numbers" }, "waiting");
  const cancel = element("button", { type: "button", className: "button quiet" }, "Cancel");
  const node = element("li", { className: "upload" },
    element("div", { className: "row" }, element("span", { className: "grow ellipsis" }, file.name), state, cancel), bar);
  const upload = { file, isCancelled: false };
  upload.progress = (sent, text) => {
    bar.value = sent;
    state.textContent = text;
  };
  upload.end = (text, isBad) => {
    state.textContent = text;
    state.classList.toggle("error", isBad);
    cancel.textContent = "Dismiss";
    upload.isOver = true;
    if (!isBad) upload.remove();
  };
  upload.remove = () => {
    node.remove();
    $("sending").hidden = !$("uploads").children.length;
  };
  cancel.addEventListener("click", () => {
    if (upload.isOver) upload.remove();
    upload.isCancelled = true;
  });
  $("uploads").append(node);
  $("sending").hidden = false;
  return upload;
}

// Sends a file; returns what went wrong.
async function send(upload) {
  const { file, progress } = upload;
  if (!file.size) return "It is empty, or a folder.";
  let answer = await request(socket, "begin", { name: file.name, size: file.size });
  const begin = performance.now();
  for (let sent = 0; !answer.error && sent < file.size; sent = answer.received) {
    if (upload.isCancelled) {
      await request(socket, "cancel");
      return "Cancelled";
    }
    answer = await request(socket, "chunk", await file.slice(sent, sent + CHUNK).arrayBuffer());
    const speed = answer.received / Math.max(performance.now() - begin, 1) * 1_000;
    if (!answer.error) progress(answer.received, `${size(answer.received)} of ${size(file.size)}, ${size(speed)}/s`);
  }
  return answer.error ? answer.error.message ?? answer.error : "";
}

async function sendAll() {
  if (isSending) return;
  isSending = true;
  for (let upload = waiting.shift(); upload; upload = waiting.shift()) {
    const problem = upload.isCancelled ? "Cancelled" : await send(upload).catch(() => "It can't be read.");
    upload.end(problem || "done", Boolean(problem));
  }
  isSending = false;
}

function add(files) {
  for (const file of files) {
    const upload = row(file);
    // The server says so as well; here it costs nobody any time.
    if (file.size > MAX_SIZE) upload.end(`Too large: ${size(file.size)}`, true);
    else waiting.push(upload);
  }
  sendAll();
}

$("choose").addEventListener("change", () => {
  add($("choose").files);
  $("choose").value = "";
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  $("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") add(event.dataTransfer.files);
  });
}

socket.on("files", (files) => {
  $("nothing").hidden = files.length > 0;
  $("files").replaceChildren(...files.toReversed().map((file) => element("li", { className: "row file" },
    element("a", { className: "grow ellipsis", href: `/files/${file.id}` }, file.name),
    element("span", { className: "small numbers" }, size(file.size)))));
});
