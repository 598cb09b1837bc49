// The list: a change is shown at once, and confirmed or taken back by the server's answer.

import { $, ask, connect, element, onSubmit, request, toast } from "/shared/page.js";

const FIELDS = ["title", "due", "priority"];
const WEIGHT = { high: 0, normal: 1, low: 2 };

const socket = connect();
const items = new Map();
const pending = new Set(); // ids of items whose change has not been confirmed

const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

function draw() {
  const order = (one) => [Number(one.done), WEIGHT[one.priority], one.due ?? "9"].join(" ");
  const sorted = [...items.values()].sort((a, b) => order(a).localeCompare(order(b)));
  $("items").replaceChildren(...sorted.map(row));
  $("nothing").hidden = sorted.length > 0;
  const left = sorted.filter(({ done }) => !done).length;
  $("count").textContent = sorted.length ? `${left} of ${sorted.length} left` : "";
}

function row(item) {
  const box = element("input", { type: "checkbox", checked: item.done, onchange: () => tick(item, box.checked) });
  const text = element("span", { className: "todo-title" }, item.title);
  const notes = element("span", { className: "row small" });
  if (item.priority !== "normal") notes.append(element("span", { className: `tag ${item.priority}` }, item.priority));
  if (item.due) notes.append(element("time", { dateTime: item.due }, `due ${day.format(new Date(item.due))}`));
  const label = element("label", { className: "row grow todo-label" }, box, element("span", { className: "grow" }, text, notes));
  const remove = element("button", { type: "button", className: "icon-button", onclick: () => drop(item) }, "×");
  remove.setAttribute("aria-label", `Remove ${item.title}`);
  const state = `${item.done ? " done" : ""}${pending.has(item.id) ? " pending" : ""}`;
  return element("li", { className: `todo-row${state}` }, label, remove);
}

// Shows a change, asks for it, and goes back to how it was when it is refused.
async function change(event, payload, id, before, after) {
  const put = (item) => (item ? items.set(id, item) : items.delete(id));
  put(after);
  pending.add(id);
  draw();
  const answer = await ask(socket, event, payload);
  pending.delete(id);
  put(answer === null ? before : answer === true ? after : answer);
  draw();
}

const tick = (item, done) => change("tick", { id: item.id, done }, item.id, item, { ...item, done });
const drop = (item) => change("remove", item.id, item.id, item, null);

// Shows what is wrong at the field that the server names; false if it names none of ours.
function showErrors(path) {
  for (const name of FIELDS) {
    const wrong = path === `$.${name}`;
    const note = $(`${name}-error`);
    note.textContent = wrong ? note.dataset.problem : "";
    $(name).setAttribute("aria-invalid", String(wrong));
    if (wrong) $(name).focus();
  }
  return FIELDS.some((name) => path === `$.${name}`);
}

let id = ""; // of the item in the form; the same until it is accepted, so that sending it twice adds one
const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");

onSubmit($("add"), async (form) => {
  id ||= newId();
  const { title, due, priority } = Object.fromEntries(new FormData(form));
  const answer = await request(socket, "add", { id, title, due: due || null, priority });
  const isShown = showErrors(answer.error?.path);
  if (answer.error) {
    if (!isShown) toast(answer.error.message ?? answer.error);
    return;
  }
  items.set(answer.id, answer);
  id = "";
  form.reset();
  $("title").focus();
  draw();
});

socket.on("items", (all) => {
  items.clear();
  for (const item of all) items.set(item.id, item);
  draw();
});
socket.on("item", (item) => {
  items.set(item.id, item);
  draw();
});
socket.on("removed", (id) => {
  items.delete(id);
  draw();
});
