// Private messages: a list of people, and one conversation at a time.

import { $, append, ask, avatar, connect, element, message, onSubmit, stayAtEnd } from "/shared/page.js";

const socket = connect();
const people = new Map(); // by name: { name, online, unread }
let me = "";
let other = ""; // whom the open conversation is with

function drawPeople() {
  const others = [...people.values()].filter(({ name }) => name !== me);
  $("alone").hidden = others.length > 0;
  $("people").replaceChildren(...others.map(({ name, online, unread }) => {
    const button = element("button", { type: "button", className: "item", onclick: () => open(name) },
      avatar(name), element("span", { className: "ellipsis grow" }, name));
    button.dataset.name = name;
    button.setAttribute("aria-current", String(name === other));
    if (unread) button.append(element("span", { className: "badge", ariaLabel: `${unread} unread` }, String(unread)));
    else if (online) button.append(element("span", { className: "online", title: "online" }));
    return element("li", {}, button);
  }));
  $("presence").textContent = people.get(other)?.online ? "online" : "offline";
}

async function open(name) {
  other = name;
  $("split").classList.toggle("open", Boolean(name));
  $("talk-bar").hidden = $("composer").hidden = !name;
  $("empty").hidden = Boolean(name);
  $("other").textContent = name;
  $("log").replaceChildren();
  drawPeople();
  if (!name) return;
  people.get(name).unread = 0;
  const history = await ask(socket, "history", name);
  if (other !== name || !history) return;
  $("log").replaceChildren();
  show(...history);
  drawPeople();
  $("text").focus();
}

function show(...messages) {
  append($("log"), ...messages.map((one) => message({ ...one, mine: one.author === me })));
}

onSubmit($("composer"), async () => {
  const to = other;
  const text = $("text").value;
  if (!text.trim()) return;
  $("text").value = "";
  const sent = await ask(socket, "message", { to, text });
  if (sent && other === to) show(sent);
  if (!sent && other === to && !$("text").value) $("text").value = text; // to try it again
});
stayAtEnd($("log"));
$("back").addEventListener("click", () => open(""));

socket.on("users", (name, all) => {
  me = name;
  for (const one of all) people.set(one.name, { unread: 0, ...people.get(one.name), ...one });
  if (other) open(other); // what was said while there was no connection
  drawPeople();
});
socket.on("user", (one) => {
  people.set(one.name, { unread: 0, ...people.get(one.name), ...one });
  drawPeople();
});
socket.on("message", (one) => {
  const peer = one.author === me ? one.to : one.author;
  if (peer === other) show(one);
  else if (one.author !== me) people.get(peer).unread += 1;
  drawPeople();
});
socket.on("connect_error", (error) => {
  if (error.data?.location) location.assign(error.data.location); // the session has ended
});
