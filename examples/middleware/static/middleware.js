// Shows what the middlewares do: a refusal when connecting, and the answers to events.

import { $, append, connect, message, onSubmit, request, stayAtEnd } from "/shared/page.js";

let name = "";
const socket = connect({ autoConnect: false, auth: (give) => give({ name }) });

function askName(refusal = "") {
  $("refusal").textContent = refusal;
  if (!$("hello").open) $("hello").showModal();
  $("name").select();
}

socket.on("connect", () => {
  $("hello").close();
  $("text").focus();
});
socket.on("connect_error", (error) => { if (!socket.active) askName(error.message); });
socket.on("message", (one) => {
  $("empty").hidden = true;
  append($("log"), message({ ...one, mine: one.author === name }));
});

onSubmit($("hello-form"), () => {
  name = $("name").value.trim();
  socket.connect();
});
onSubmit($("composer"), async () => {
  const text = $("text").value;
  if (!text.trim()) return;
  const answer = await request(socket, "message", text);
  $("problem").textContent = answer.error ? answer.error.message ?? answer.error : "";
  if (!answer.error) $("text").value = "";
});
stayAtEnd($("log"));
$("hello").addEventListener("cancel", (event) => event.preventDefault());
askName();
