// A room: its newest messages when it is entered, older ones when they are asked for, new ones as they come.

import { $, append, ask, connect, element, group, message, onSubmit, stayAtEnd } from "/static/shared/page.js";

const { slug, user } = $("room").dataset;
const log = $("log");
const socket = connect({ namespace: "/chat" });
const button = element("button", { type: "button", className: "button older", onclick: loadOlder }, "Older messages");
let oldest = null;

const nodes = (messages) => messages.map((one) => message({ ...one, mine: one.author === user }));

function show({ messages, more }) {
  oldest = messages[0]?.id ?? oldest;
  button.hidden = !more;
}

async function loadOlder() {
  const page = await ask(socket, "older", oldest);
  if (!page) return;
  const fromEnd = log.scrollHeight - log.scrollTop;
  button.after(...nodes(page.messages));
  group(log);
  log.scrollTop = log.scrollHeight - fromEnd; // what was read stays where it was
  show(page);
}

function say(one) {
  $("empty").hidden = true;
  append(log, ...nodes([one]));
}

socket.on("connect", async () => {
  const page = await ask(socket, "enter", slug);
  if (!page) return;
  log.replaceChildren(button);
  append(log, ...nodes(page.messages));
  log.scrollTop = log.scrollHeight;
  $("empty").hidden = page.messages.length > 0;
  show(page);
});
socket.on("message", say);
socket.on("connect_error", (error) => {
  if (error.data?.location) location.assign(error.data.location); // logged out
});

stayAtEnd(log);
onSubmit($("composer"), async () => {
  const text = $("text").value;
  if (!text.trim()) return;
  $("text").value = "";
  const said = await ask(socket, "message", text);
  if (said) say(said);
  else $("text").value ||= text;
});
