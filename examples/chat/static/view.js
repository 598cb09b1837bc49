// Draws the model. All text from people goes through textContent; nothing is ever parsed as HTML.

const GROUPED_WITHIN = 5 * 60_000; // milliseconds between two messages of one author shown as one group
const NEAR_THE_END = 48; // pixels

export const $ = (id) => document.getElementById(id);

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

function element(tag, className = "", text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function colour(node, hue) {
  node.style.setProperty("--hue", String(hue));
}

function initials(name) {
  const words = name.split(" ");
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => [...word][0] ?? "").join("").toUpperCase();
}

// Makes a node's children follow a list. Children that stay are not touched: the focus stays where it is, and a screen
// reader hears only of what is new.
const drawn = new WeakMap();
function reconcile(parent, items, key, create, update) {
  const before = drawn.get(parent) ?? new Map();
  const after = new Map();
  for (const item of items) after.set(key(item), before.get(key(item)) ?? create(item));
  for (const [id, node] of before) if (!after.has(id)) node.remove();
  let next = parent.firstElementChild;
  for (const item of items) {
    const node = after.get(key(item));
    if (node === next) next = next.nextElementSibling;
    else parent.insertBefore(node, next);
    update(node, item);
  }
  drawn.set(parent, after);
}

// --- rooms and people ---

function createRoom({ name, joined }) {
  const item = element("li");
  const button = element("button", "room");
  button.type = "button";
  button.dataset.room = name;
  button.append(element("span", "room-label ellipsis", name), element("span"));
  if (!joined) button.append(element("span", "room-join", "Join"));
  item.append(button);
  return item;
}

function updateJoinedRoom(item, room, model) {
  const button = item.firstElementChild;
  const unread = model.unread(room);
  button.classList.toggle("unread", unread > 0);
  button.setAttribute("aria-current", String(room.name === model.active));
  const spoken = unread === 1 ? ", 1 unread message" : unread ? `, ${unread} unread messages` : "";
  button.setAttribute("aria-label", room.name + spoken);
  const count = button.children[1];
  count.className = unread ? "badge" : "";
  setText(count, unread > 99 ? "99+" : unread ? String(unread) : "");
}

function updateOtherRoom(item, room) {
  const button = item.firstElementChild;
  button.setAttribute("aria-label", `Join ${room.name}, ${room.online} online`);
  button.children[1].className = "room-online";
  setText(button.children[1], room.online ? `${room.online} online` : "");
}

export function drawRooms(model) {
  const key = ({ name }) => name;
  reconcile($("joined-rooms"), model.joinedRooms, key, createRoom, (item, room) => updateJoinedRoom(item, room, model));
  reconcile($("other-rooms"), model.otherRooms, key, createRoom, updateOtherRoom);
  $("other-title").hidden = !model.otherRooms.length;
  $("joined-title").hidden = !model.joinedRooms.length;
  const unread = model.joinedRooms.reduce((sum, room) => sum + model.unread(room), 0);
  const here = model.activeRoom ? model.unread(model.activeRoom) : 0;
  $("unread-elsewhere").hidden = unread === here;
  document.title = `${unread ? `(${unread}) ` : ""}${model.active ? `#${model.active} · ` : ""}Chat`;
}

export function drawPeople(model) {
  const people = [...(model.activeRoom?.people.values() ?? [])].sort((a, b) => a.name.localeCompare(b.name));
  $("open-people").hidden = !model.activeRoom;
  setText($("people-count"), String(people.length));
  setText($("people-title"), `Online: ${people.length}`);
  const create = () => {
    const item = element("li", "person");
    item.append(element("span", "avatar"), element("span", "ellipsis"), element("span", "person-you"));
    item.firstElementChild.setAttribute("aria-hidden", "true");
    return item;
  };
  reconcile($("people"), people, ({ id }) => id, create, (item, person) => {
    const [avatar, name, you] = item.children;
    drawAvatar(avatar, person);
    setText(name, person.name);
    setText(you, person.id === model.me?.id ? "you" : "");
  });
}

function drawAvatar(node, { name, hue }) {
  colour(node, hue);
  setText(node, initials(name));
}

export function drawMe(model) {
  setText($("my-name"), model.me?.name ?? model.name);
  drawAvatar($("my-avatar"), model.me ?? { name: model.name, hue: 265 });
}

// --- messages ---

function createMessage() {
  const node = element("article", "message");
  const avatar = element("span", "avatar");
  avatar.setAttribute("aria-hidden", "true");
  const head = element("p", "message-head");
  head.append(element("span", "author coloured ellipsis"), element("time", "time"));
  const main = element("div", "message-main");
  main.append(head, element("div", "bubble"), element("p", "note"));
  node.append(avatar, main);
  return node;
}

function updateMessage(node, entry, model) {
  const [avatar, main] = node.children;
  const [head, bubble, note] = main.children;
  const [author, time] = head.children;
  const mine = entry.draft || entry.author.id === model.me?.id;
  node.classList.toggle("mine", mine);
  node.classList.toggle("follows", entry.follows);
  node.classList.toggle("pending", Boolean(entry.draft && !entry.error));
  node.classList.toggle("failed", Boolean(entry.error));
  drawAvatar(avatar, entry.author);
  colour(author, entry.author.hue);
  setText(author, entry.author.name);
  setText(bubble, entry.text);
  const date = new Date(entry.time);
  if (time.dateTime !== date.toISOString()) {
    time.dateTime = date.toISOString();
    time.title = full.format(date);
    time.textContent = clock.format(date);
  }
  drawNote(note, entry);
}

// Built once per state: were it rebuilt at each drawing, its buttons would lose the focus.
function drawNote(note, { draft = false, error = "", id }) {
  const state = error || (draft ? "pending" : "");
  if (note.dataset.state === state) return;
  note.dataset.state = state;
  note.replaceChildren();
  if (error) {
    note.append(`Not sent: ${error}`);
    for (const [action, label] of [["edit", "Edit"], ["discard", "Delete"]]) {
      const button = element("button", "", label);
      button.type = "button";
      Object.assign(button.dataset, { action, message: id });
      note.append(button);
    }
  } else if (draft) {
    note.append("Sending…");
  }
}

function withDays(entries) {
  const lines = [];
  let previous;
  for (const entry of entries) {
    const day = new Date(entry.time).toDateString();
    const newDay = !previous || new Date(previous.time).toDateString() !== day;
    if (newDay) lines.push({ id: `day ${day}`, day: entry.time });
    const soon = entry.draft || entry.time - (previous?.time ?? 0) < GROUPED_WITHIN;
    lines.push({ ...entry, follows: !newDay && soon && previous.author.id === entry.author.id });
    previous = entry;
  }
  return lines;
}

function dayName(time) {
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(time).setHours(0, 0, 0, 0)) / 86_400_000);
  return days === 0 ? "Today" : days === 1 ? "Yesterday" : calendar.format(time);
}

const log = $("log");
let atEnd = true;
let shownRoom = null;

function toEnd() {
  log.scrollTop = log.scrollHeight;
  atEnd = true;
  $("jump").hidden = true;
}

log.addEventListener("scroll", () => {
  atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_THE_END;
  if (atEnd) $("jump").hidden = true;
});
new ResizeObserver(() => { if (atEnd) toEnd(); }).observe(log); // a phone's keyboard appears
$("jump").addEventListener("click", () => {
  toEnd();
  log.focus();
});

// `fresh` draws what nobody should be told of one by one: another room, or a room's history.
export function drawLog(model, { fresh = false, own = false } = {}) {
  const room = model.activeRoom;
  const entries = room ? model.entries(room) : [];
  const quiet = fresh || shownRoom !== room;
  const newest = log.lastElementChild;
  shownRoom = room;
  log.classList.toggle("quiet", quiet);
  log.setAttribute("aria-live", quiet ? "off" : "polite");
  const create = (line) => (line.day ? element("p", "day") : createMessage());
  reconcile(log, withDays(entries), ({ id }) => id, create, (node, line) => {
    if (line.day) setText(node, dayName(line.day));
    else updateMessage(node, line, model);
  });
  if (quiet) requestAnimationFrame(() => log.setAttribute("aria-live", "polite"));
  if (quiet || own || atEnd) toEnd();
  else if (log.lastElementChild !== newest) $("jump").hidden = false;
  drawEmpty(model, room, entries);
}

function drawEmpty(model, room, entries) {
  $("empty").hidden = Boolean(entries.length) || (room !== null && !room.entered);
  setText($("empty-title"), room ? "Nothing here yet" : "You are in no room");
  setText($("empty-text"), room ? "Write the first message." : "Choose one from the list, or create one.");
}

// --- the rest of the frame ---

export function drawRoomHead(model) {
  const room = model.activeRoom;
  setText($("room-name"), room ? `#${room.name}` : "Chat");
  setText($("room-topic"), room?.topic ?? "");
  $("leave").hidden = $("composer").hidden = !room;
  $("leave").setAttribute("aria-label", `Leave ${room?.name ?? ""}`);
  $("text").placeholder = room ? `Message #${room.name}` : "Message";
}

export function drawTyping(room) {
  const names = [...(room?.typing.values() ?? [])].map(({ name }) => name);
  const who = names.length === 1 ? `${names[0]} is` : names.length === 2 ? `${names[0]} and ${names[1]} are` : "Several people are";
  setText($("typing"), names.length ? `${who} typing…` : "");
}

// state: "ok", "waiting" or "offline"
export function drawConnection(state, message, detail) {
  $("banner").dataset.state = message ? state : "ok";
  setText($("banner-text"), message);
  $("status").dataset.state = state;
  setText($("status-text"), detail);
}

let toastTimer;
export function toast(message) {
  clearTimeout(toastTimer);
  setText($("toast"), message);
  toastTimer = setTimeout(() => setText($("toast"), ""), 6_000);
}

// --- drawers: the lists of rooms and people on narrow screens ---

let drawer = null;

export function closeDrawer({ refocus = true } = {}) {
  if (!drawer) return;
  const { panel, opener } = drawer;
  drawer = null;
  panel.classList.remove("open");
  $("chat").classList.remove("has-drawer");
  document.querySelector(".talk").inert = false;
  opener.setAttribute("aria-expanded", "false");
  if (refocus) opener.focus();
}

function openDrawer(panel, opener, closer) {
  drawer = { panel, opener };
  panel.classList.add("open");
  $("chat").classList.add("has-drawer");
  document.querySelector(".talk").inert = true;
  opener.setAttribute("aria-expanded", "true");
  closer.focus();
}

for (const name of ["rooms", "people"]) {
  const [panel, opener, closer] = [$(`${name}-panel`), $(`open-${name}`), $(`close-${name}`)];
  opener.addEventListener("click", () => openDrawer(panel, opener, closer));
  closer.addEventListener("click", () => closeDrawer());
}
$("shade").addEventListener("click", () => closeDrawer());
document.addEventListener("keydown", (event) => { if (event.key === "Escape") closeDrawer(); });
window.matchMedia("(min-width: 720px)").addEventListener("change", () => closeDrawer({ refocus: false }));
window.matchMedia("(min-width: 1024px)").addEventListener("change", () => closeDrawer({ refocus: false }));

// --- the question for a name; the answer is null if it was cancelled ---

export function askName(current, error = "") {
  const dialog = $("sign-in");
  const form = $("sign-in-form");
  const mayCancel = Boolean(current) && !error;
  $("name").value = current;
  setText($("name-error"), error);
  $("name").setAttribute("aria-invalid", String(Boolean(error)));
  $("sign-in-cancel").hidden = !mayCancel;
  if (!dialog.open) dialog.showModal();
  $("name").select();
  return new Promise((resolve) => {
    const finish = (name) => {
      form.onsubmit = $("sign-in-cancel").onclick = dialog.oncancel = dialog.onclose = null;
      dialog.close();
      resolve(name);
    };
    form.onsubmit = (event) => {
      event.preventDefault();
      const name = $("name").value.trim();
      if (name) finish(name);
      else setText($("name-error"), "Please choose a name.");
    };
    $("sign-in-cancel").onclick = () => finish(null);
    dialog.oncancel = (event) => {
      event.preventDefault();
      if (mayCancel) finish(null);
    };
    dialog.onclose = () => dialog.showModal(); // Chromium heeds preventDefault only once: a second Escape closes
  });
}
