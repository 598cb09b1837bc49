// A polling client over one connection of HTTP/2, as a browser has it: the parked poll and the POST share it.
// Prints a line of JSON: the protocol that was agreed on, and what an echo brought.
//
//   node http2_polling.mjs URL

import { connect } from "node:http2";

const session = connect(process.argv[2]);
const path = "/socket.io/?EIO=4&transport=polling";

function request(method, target, body) {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":method": method, ":path": target, "content-type": "text/plain;charset=UTF-8" });
    let text = "";
    stream.setEncoding("utf8");
    stream.on("data", (part) => (text += part));
    stream.on("end", () => resolve(text));
    stream.on("error", reject);
    stream.end(body);
  });
}

const { sid } = JSON.parse((await request("GET", path)).slice(1));
const target = `${path}&sid=${sid}`;
await request("POST", target, "40");
await request("GET", target);
const poll = request("GET", target);
await request("POST", target, '420["echo","over","h2"]');
const echoed = JSON.parse((await poll).slice(3));
console.log(JSON.stringify({ protocol: session.alpnProtocol, echoed }));
session.close();
