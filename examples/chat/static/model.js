// What this page knows: people, rooms, messages, and what still has to be sent. No DOM, no network.

const KEPT_MESSAGES = 300;
const TYPING_EXPIRES = 5_000; // milliseconds; typing browsers renew theirs every two seconds

// A tab opened with ?guest is somebody else for as long as it is open: to try a chat alone, with several tabs.
export const isGuest = new URLSearchParams(location.search).has("guest");

class Store {
  constructor(backend) {
    this.backend = backend;
    this.fallback = new Map(); // for browsers that forbid storage
  }

  get(key, otherwise) {
    try {
      return JSON.parse(this.backend.getItem(`chat.${key}`)) ?? otherwise;
    } catch {
      return this.fallback.get(key) ?? otherwise;
    }
  }

  set(key, value) {
    this.fallback.set(key, value);
    try {
      this.backend.setItem(`chat.${key}`, JSON.stringify(value));
    } catch {
      // Full or forbidden: then it lasts as long as the page.
    }
  }
}

function storage(name) {
  try {
    return window[name];
  } catch {
    return undefined;
  }
}

export const store = new Store(storage(isGuest ? "sessionStorage" : "localStorage"));
const tabStore = new Store(storage("sessionStorage")); // two tabs must not overwrite each other's unsent messages

// crypto.randomUUID() does not exist on pages served over plain HTTP to a phone; this does.
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(15));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Room {
  constructor(name) {
    this.name = name;
    this.topic = "";
    this.online = 0;
    this.joined = false; // the user wants to be in it
    this.entered = false; // the server has let this connection in
    this.people = new Map();
    this.messages = []; // by time
    this.typing = new Map(); // person's id -> { name, until }
    this.text = ""; // what was typed, and not yet sent, when the user looked elsewhere
  }

  get latest() {
    return this.messages.at(-1)?.time ?? 0;
  }

  add(messages) {
    const known = new Set(this.messages.map((message) => message.id));
    const added = messages.filter((message) => !known.has(message.id));
    if (added.length) {
      this.messages = [...this.messages, ...added].sort((a, b) => a.time - b.time).slice(-KEPT_MESSAGES);
    }
    return added.length > 0;
  }

  setPeople(people) {
    this.people = new Map(people.map((person) => [person.id, person]));
  }

  noteTyping({ id, name }, active) {
    if (active) this.typing.set(id, { name, until: performance.now() + TYPING_EXPIRES });
    else this.typing.delete(id);
  }

  // Forgets who has stopped; returns the milliseconds until the next one does, or undefined.
  expireTyping() {
    const now = performance.now();
    let next;
    for (const [id, { until }] of this.typing) {
      if (until <= now) this.typing.delete(id);
      else next = Math.min(next ?? Infinity, until - now);
    }
    return next;
  }
}

export class Model {
  constructor() {
    this.me = null;
    this.rooms = new Map();
    this.active = null;
    this.outbox = tabStore.get("outbox", []);
    this.read = store.get("read", {}); // room -> time of the last message that was seen
    this.name = store.get("name", "");
    this.secret = store.get("secret", "");
    if (!this.secret) store.set("secret", (this.secret = randomId()));
    for (const name of store.get("joined", ["lobby"])) this.room(name).joined = true;
  }

  room(name) {
    if (!this.rooms.has(name)) this.rooms.set(name, new Room(name));
    return this.rooms.get(name);
  }

  get activeRoom() {
    return this.active === null ? null : this.rooms.get(this.active) ?? null;
  }

  get joinedRooms() {
    return [...this.rooms.values()].filter((room) => room.joined);
  }

  get otherRooms() {
    return [...this.rooms.values()].filter((room) => !room.joined);
  }

  setName(name) {
    this.name = name;
    store.set("name", name);
  }

  setRooms(infos) {
    const listed = new Set(infos.map((info) => info.name));
    infos.forEach((info) => this.updateRoom(info));
    for (const room of this.otherRooms) if (!listed.has(room.name)) this.rooms.delete(room.name);
  }

  updateRoom({ name, topic, online }) {
    return Object.assign(this.room(name), { topic, online });
  }

  setJoined(room, joined) {
    Object.assign(room, joined ? { joined } : { joined, entered: false, text: "" });
    store.set("joined", this.joinedRooms.map(({ name }) => name));
    if (!joined) this.setOutbox(this.outbox.filter((draft) => draft.room !== room.name));
  }

  setActive(room) {
    this.active = room?.name ?? null;
    store.set("active", this.active);
  }

  // The room to show first: the one asked for, else the one shown last, else any.
  firstRoom(requested) {
    const wanted = [requested, store.get("active", "")].map((name) => this.rooms.get(name));
    return wanted.find((room) => room?.joined) ?? this.joinedRooms[0] ?? null;
  }

  unread(room) {
    const since = this.read[room.name] ?? 0;
    return room.messages.filter((message) => message.time > since && message.author.id !== this.me?.id).length;
  }

  markRead(room) {
    if (room.latest <= (this.read[room.name] ?? 0)) return;
    this.read[room.name] = room.latest;
    store.set("read", this.read);
  }

  addMessages(room, messages) {
    const ids = new Set(messages.map((message) => message.id));
    if (this.outbox.some((draft) => ids.has(draft.id))) {
      this.setOutbox(this.outbox.filter((draft) => !ids.has(draft.id)));
    }
    messages.forEach((message) => room.typing.delete(message.author.id));
    return room.add(messages);
  }

  write(room, text) {
    this.setOutbox([...this.outbox, { room: room.name, id: randomId(), text, time: Date.now(), error: "" }]);
  }

  // The oldest message that can be sent now.
  get nextDraft() {
    return this.outbox.find((draft) => !draft.error && this.rooms.get(draft.room)?.entered);
  }

  refuse(id, error) {
    this.setOutbox(this.outbox.map((draft) => (draft.id === id ? { ...draft, error } : draft)));
  }

  discard(id) {
    this.setOutbox(this.outbox.filter((draft) => draft.id !== id));
  }

  setOutbox(drafts) {
    this.outbox = drafts;
    tabStore.set("outbox", drafts);
  }

  // All that the log shows of a room: what the server has, then what it has not got yet.
  entries(room) {
    const author = this.me ?? { id: "", name: this.name, hue: 265 };
    const drafts = this.outbox.filter((draft) => draft.room === room.name);
    return [...room.messages, ...drafts.map((draft) => ({ ...draft, author, draft: true }))];
  }

  disconnected() {
    for (const room of this.rooms.values()) {
      room.entered = false;
      room.typing.clear();
    }
  }
}
