// The chat: connects, keeps the model up to date with the server, and hands the user's wishes on.

import { Model, store } from "./model.js";
import {
  $, askName, closeDrawer, drawConnection, drawLog, drawMe, drawPeople, drawRoomHead, drawRooms, drawTyping, toast,
} from "./view.js";

const ACK_TIMEOUT = 8_000; // these in milliseconds
const RETRY_AFTER = 2_000;
const TYPING_EVERY = 2_000;
const BANNER_AFTER = 700; // a connection made in less than that is nobody's concern

const model = new Model();
const touch = window.matchMedia("(pointer: coarse)");
// ?transport=polling and ?transport=websocket try one transport alone.
const transports = new URLSearchParams(location.search).getAll("transport");

const socket = globalThis.io?.({
  autoConnect: false,
  auth: (give) => give({ name: model.name, secret: model.secret }),
  reconnectionDelay: 500,
  reconnectionDelayMax: 4_000,
  ...(transports.length ? { transports } : {}),
});

// A link to a room: the part behind the #.
function hash() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}
let requested = hash();

const request = (event, payload) => socket.timeout(ACK_TIMEOUT).emitWithAck(event, payload);

// --- connection ---

let signedIn = false; // a name has been chosen, and the server has not refused it
let welcomed = false;
let wasConnected = false;
let waitingSince = performance.now();
let bannerTimer;

function drawState() {
  clearTimeout(bannerTimer);
  if (!socket) {
    drawConnection("offline", "The Socket.IO client could not be loaded. Reload the page to try again.", "no client");
  } else if (welcomed) {
    drawConnection("ok", "", socket.io.engine?.transport.name ?? "");
  } else if (!signedIn) {
    drawConnection("offline", "", "not signed in");
  } else if (!navigator.onLine) {
    drawConnection("offline", "You are offline. What you write is sent when you are back.", "offline");
  } else {
    const early = waitingSince + BANNER_AFTER - performance.now();
    if (early > 0) bannerTimer = setTimeout(drawState, early);
    drawConnection("waiting", early > 0 ? "" : wasConnected ? "Connection lost. Reconnecting…" : "Connecting…", "connecting");
  }
}

async function signIn(error = "") {
  const name = await askName(model.name, error);
  if (name === null || (name === model.name && welcomed)) return;
  model.setName(name);
  drawMe(model);
  reconnect();
  if (!touch.matches) $("text").focus();
}

function reconnect() {
  signedIn = true;
  waitingSince = performance.now();
  socket.disconnect().connect();
  drawState();
}

function listen() {
  socket.on("connect", () => {
    socket.io.engine.on("upgrade", drawState);
  });
  socket.on("connect_error", (error) => {
    if (!socket.active) { // refused by the server, not unreachable
      signedIn = false;
      signIn(error.message);
    }
    drawState();
  });
  socket.on("disconnect", (reason) => {
    welcomed = false;
    waitingSince = performance.now();
    model.disconnected();
    drawTyping(model.activeRoom);
    drawState();
    // The client reconnects by itself, but not when the server has sent it away (it may be about to restart).
    if (reason === "io server disconnect") setTimeout(() => { if (!socket.active) socket.connect(); }, 1_000);
  });
  window.addEventListener("offline", drawState);
  window.addEventListener("online", () => {
    if (signedIn && !socket.connected) reconnect(); // now, not at the end of a back-off
    drawState();
  });
  // A page that the browser keeps for its Back button would stay online there.
  window.addEventListener("pagehide", () => socket.disconnect());
  window.addEventListener("pageshow", ({ persisted }) => { if (persisted && signedIn) reconnect(); });
  window.addEventListener("storage", () => {
    const name = store.get("name", ""); // another tab has changed it
    if (name && name !== model.name) {
      model.name = name;
      reconnect();
    }
  });
}

socket?.on("welcome", async ({ me, rooms }) => {
  model.me = me;
  model.setRooms(rooms);
  welcomed = wasConnected = true;
  drawState();
  drawMe(model);
  drawRooms(model);
  drawLog(model);
  const answers = await Promise.all(model.joinedRooms.map((room) => join(room.name)));
  const refused = answers.find(({ error }) => error);
  if (refused && welcomed) toast(refused.error);
  flush();
  if (requested) open(requested);
  requested = "";
});

// --- rooms ---

function show(room, { focus = true } = {}) {
  const before = model.activeRoom;
  if (before && before !== room) {
    before.text = $("text").value;
    stopTyping();
  }
  model.setActive(room);
  history.replaceState(null, "", room ? `#${encodeURIComponent(room.name)}` : location.pathname + location.search);
  if (before !== room) $("text").value = room?.text ?? "";
  drawRoomHead(model);
  drawLog(model);
  fit();
  read();
  drawPeople(model);
  tickTyping();
  closeDrawer({ refocus: false });
  if (focus) (room && !touch.matches ? $("text") : $("room-name")).focus();
}

function read() {
  if (model.activeRoom && !document.hidden) model.markRead(model.activeRoom);
  drawRooms(model);
}

// Asks the server to let this connection into a room, which it makes if there is none: { room } or { error }.
async function join(name) {
  let answer;
  try {
    answer = await request("join", { room: name });
  } catch {
    return { error: "The server did not answer." }; // rooms that were joined before are asked for at the next connect
  }
  if (answer.error) return answer;
  const room = model.updateRoom(answer.room);
  room.entered = true;
  room.setPeople(answer.people);
  model.setJoined(room, true);
  model.addMessages(room, answer.history);
  if (room === model.activeRoom) {
    drawRoomHead(model);
    drawLog(model, { fresh: true });
    drawPeople(model);
  }
  read();
  return { room };
}

async function open(name) {
  const known = model.rooms.get(name);
  if (known?.joined) return show(known);
  const { room, error } = welcomed ? await join(name) : { error: "You can join rooms when you are connected." };
  if (error) toast(error);
  else show(room);
}

async function create(name) {
  if (!name) return { error: "Type a name for the room." };
  return welcomed ? join(name) : { error: "You can create rooms when you are connected." };
}

async function leave() {
  const room = model.activeRoom;
  if (!room) return;
  if (room.entered) {
    const answer = await request("leave", { room: room.name }).catch(() => ({ error: "The server did not answer." }));
    if (answer.error) return toast(answer.error);
    model.updateRoom(answer);
  }
  $("text").value = "";
  model.setJoined(room, false);
  show(model.joinedRooms[0] ?? null);
}

socket?.on("room", (info) => {
  model.updateRoom(info);
  drawRooms(model);
});

socket?.on("joined", ({ room, person }) => {
  model.room(room).people.set(person.id, person);
  if (room === model.active) drawPeople(model);
});

socket?.on("left", ({ room, person }) => {
  model.room(room).people.delete(person.id);
  model.room(room).noteTyping(person, false);
  if (room === model.active) {
    drawPeople(model);
    tickTyping();
  }
});

// --- messages ---

function received(message, how = {}) {
  const room = model.room(message.room);
  model.addMessages(room, [message]);
  if (room === model.activeRoom) {
    drawLog(model, how);
    tickTyping();
  }
  read();
}

socket?.on("message", (message) => received(message));

let flushing = false;
let flushTimer;

// Sends what waits, in order, each after the last one's answer. What gets no answer stays, and is sent again; the server
// knows it by its id.
async function flush() {
  if (flushing) return;
  flushing = true;
  clearTimeout(flushTimer);
  try {
    for (let draft = model.nextDraft; draft && socket.connected; draft = model.nextDraft) {
      const { room, id, text } = draft;
      const answer = await request("message", { room, id, text });
      if (answer.error) {
        model.refuse(id, answer.error);
        drawLog(model);
      } else {
        received(answer);
      }
    }
  } catch {
    flushTimer = setTimeout(flush, RETRY_AFTER);
  } finally {
    flushing = false;
  }
}

function send() {
  const text = $("text").value.trim();
  if (!text || !model.activeRoom) return;
  model.write(model.activeRoom, text);
  $("text").value = "";
  lastTyped = 0;
  fit();
  drawLog(model, { own: true });
  flush();
}

// --- typing ---

let lastTyped = 0;
let typingTimer;

function typed() {
  if (!model.activeRoom?.entered) return;
  if (!$("text").value.trim()) return stopTyping();
  if (performance.now() - lastTyped < TYPING_EVERY && lastTyped) return;
  lastTyped = performance.now();
  socket.volatile.emit("typing", { room: model.active, active: true });
}

function stopTyping() {
  if (lastTyped && socket.connected) socket.volatile.emit("typing", { room: model.active, active: false });
  lastTyped = 0;
}

function tickTyping() {
  clearTimeout(typingTimer);
  const next = model.activeRoom?.expireTyping();
  drawTyping(model.activeRoom);
  if (next !== undefined) typingTimer = setTimeout(tickTyping, next + 1);
}

socket?.on("typing", ({ room, person, active }) => {
  if (person.id === model.me?.id) return;
  model.room(room).noteTyping(person, active);
  tickTyping();
});

// --- the user's hands ---

const text = $("text");

function fit() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`;
  const left = text.maxLength - text.value.length;
  $("characters-left").textContent = left <= 200 ? `${left} left` : "";
  $("send").setAttribute("aria-disabled", String(!text.value.trim()));
}

function handle() {
  $("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
    text.focus();
  });
  text.addEventListener("input", () => { fit(); typed(); });
  text.addEventListener("keydown", (event) => {
    // On a phone the Enter key makes lines; isComposing: it picks a character in an input method.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || touch.matches) return;
    event.preventDefault();
    send();
  });
  $("rooms-panel").addEventListener("click", ({ target }) => {
    const button = target.closest("button[data-room]");
    if (button) open(button.dataset.room);
  });
  $("new-room").addEventListener("submit", async (event) => {
    event.preventDefault();
    const field = $("new-room-name");
    const { room, error } = await create(field.value.trim());
    $("new-room-error").textContent = error ?? "";
    field.setAttribute("aria-invalid", String(Boolean(error)));
    if (error) return field.focus();
    field.value = "";
    show(room);
  });
  $("log").addEventListener("click", ({ target }) => {
    const button = target.closest("button[data-action]");
    if (button) correct(button.dataset.message, button.dataset.action);
  });
  $("leave").addEventListener("click", leave);
  $("rename").addEventListener("click", () => signIn());
  document.addEventListener("visibilitychange", read);
  window.addEventListener("hashchange", () => open(hash()));
}

function correct(id, action) {
  const draft = model.outbox.find((one) => one.id === id);
  if (!draft) return;
  model.discard(id);
  if (action === "edit") text.value = [draft.text, text.value].filter(Boolean).join("\n");
  fit();
  drawLog(model);
  text.focus();
}

async function start() {
  handle();
  drawMe(model);
  show(model.firstRoom(requested), { focus: false });
  drawState();
  if (!socket) return;
  listen();
  if (model.name) reconnect();
  else await signIn();
}

start();
