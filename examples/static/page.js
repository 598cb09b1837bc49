// What the examples' pages have in common. All text goes through textContent: nothing is ever parsed as HTML.

const BANNER_AFTER = 700; // these in milliseconds; a connection made in less than that is nobody's concern
const ACK_TIMEOUT = 8_000;
const TOAST_FOR = 4_000;
const GROUPED_WITHIN = 5 * 60_000;

export const $ = (id) => document.getElementById(id);

// Makes an element; children are elements, or texts that are shown as they are.
export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

let toastTimer;
export function toast(text) {
  clearTimeout(toastTimer);
  $("toast").textContent = text;
  toastTimer = setTimeout(() => $("toast").replaceChildren(), TOAST_FOR);
}

function draw(state, status, banner = "") {
  $("status").hidden = false;
  $("status").dataset.state = state;
  $("status-text").textContent = status;
  $("banner").dataset.state = banner ? state : "ok";
  $("banner-text").textContent = banner;
}

// Connects, and shows how that goes. What is emitted meanwhile is sent as soon as there is a connection.
export function connect({ namespace = "/", ...options } = {}) {
  if (!globalThis.io) {
    draw("offline", "no client", "The Socket.IO client could not be loaded. Reload the page to try again.");
    throw new Error("no Socket.IO client");
  }
  const socket = io(namespace, { reconnectionDelay: 500, reconnectionDelayMax: 4_000, ...options });
  let timer;
  const show = () => {
    clearTimeout(timer);
    draw("ok", socket.io.engine.transport.name);
  };
  const wait = (banner) => {
    clearTimeout(timer);
    draw("waiting", "connecting");
    timer = setTimeout(() => draw("waiting", "connecting", banner), BANNER_AFTER);
  };
  socket.on("connect", () => {
    show();
    socket.io.engine.on("upgrade", show);
  });
  socket.on("disconnect", (reason) => {
    wait("Connection lost. Reconnecting…");
    // The client does so by itself, but not when the server has sent it away (it may be about to restart).
    if (reason === "io server disconnect") setTimeout(() => { if (!socket.active) socket.connect(); }, 1_000);
  });
  socket.on("connect_error", (error) => {
    if (socket.active) return; // unreachable: it tries again
    clearTimeout(timer);
    draw("offline", "refused", error.message);
  });
  wait("Connecting…");
  return socket;
}

// Emits an event and returns its answer; when none comes, one that says so.
export async function request(socket, event, ...args) {
  try {
    return await socket.timeout(ACK_TIMEOUT).emitWithAck(event, ...args);
  } catch {
    return { error: "The server has not answered. Try it again." };
  }
}

// The same, but an answer that has an error is shown to the user, and null returned.
export async function ask(socket, event, ...args) {
  const answer = await request(socket, event, ...args);
  if (answer?.error === undefined) return answer;
  toast(answer.error.message ?? answer.error);
  return null;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

// The colour of a name, in degrees: the same on all pages.
export function hue(name) {
  let sum = 0;
  for (const char of name) sum = (sum * 31 + char.codePointAt(0)) % 9_973;
  return sum % 12 * 30; // few and far apart: two names differ clearly or not at all
}

export function avatar(name) {
  const node = element("span", { className: "avatar", ariaHidden: "true" }, [...name][0]?.toUpperCase() ?? "");
  node.style.setProperty("--hue", hue(name));
  return node;
}

// One message of a conversation; `time` is in milliseconds since 1970.
export function message({ author, text, time, mine }) {
  const name = element("span", { className: "author coloured" }, author);
  name.style.setProperty("--hue", hue(author));
  const head = element("div", { className: "message-head" }, name,
    element("time", { className: "time", dateTime: new Date(time).toISOString() }, clock.format(time)));
  const main = element("div", { className: "message-main" }, head, element("p", { className: "bubble" }, text));
  const node = element("div", { className: mine ? "message mine" : "message" }, avatar(author), main);
  Object.assign(node.dataset, { author, time });
  return node;
}

// Draws messages of one author that came soon after each other as one group.
export function group(log) {
  let before = {};
  for (const node of log.querySelectorAll(".message")) {
    const { author, time } = node.dataset;
    node.classList.toggle("follows", author === before.author && time - before.time < GROUPED_WITHIN);
    before = node.dataset;
  }
}

// Adds to a log, and scrolls to the end if that is where the reader is.
export function append(log, ...nodes) {
  const atEnd = isAtEnd(log);
  log.append(...nodes);
  group(log);
  if (atEnd) log.scrollTop = log.scrollHeight;
}

// Has a log stay at its end when it shrinks, as it does when a phone's keyboard appears.
export function stayAtEnd(log) {
  let atEnd = true;
  log.addEventListener("scroll", () => { atEnd = isAtEnd(log); });
  new ResizeObserver(() => { if (atEnd) log.scrollTop = log.scrollHeight; }).observe(log);
}

const isAtEnd = (log) => log.scrollHeight - log.scrollTop - log.clientHeight < 60;

// Has a form call a function instead of being sent.
export function onSubmit(form, submit) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(form);
  });
}
