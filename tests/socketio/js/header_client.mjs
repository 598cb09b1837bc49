// socket.io-client with a parser of its own: the client's end of tests/socketio/header_parser.py. Prints "ok", or fails.
//
//   node header_client.mjs FOLDER_OF_SOCKET.IO-CLIENT URL polling|websocket

import { createRequire } from "node:module";
import { deepStrictEqual as same } from "node:assert";

const [folder, url, transport] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { io } = require(folder);
const { Emitter } = createRequire(require.resolve(folder))("@socket.io/component-emitter");

class Encoder {
  encode({ type, nsp, id = null, data }) {
    const header = JSON.stringify([type, nsp, id, data !== undefined]);
    return data === undefined ? [header] : [header, Buffer.from(JSON.stringify(data))];
  }
}

class Decoder extends Emitter {
  add(message) {
    if (typeof message === "string") {
      const [type, nsp, id, hasData] = JSON.parse(message);
      this.packet = { type, nsp, id: id ?? undefined };
      if (hasData) return;
    } else {
      this.packet.data = JSON.parse(message.toString());
    }
    this.emitReserved("decoded", this.packet);
  }

  destroy() {}
}

const next = (socket, event) => new Promise((resolve) => socket.once(event, (...args) => resolve(args)));
const options = { transports: [transport], parser: { Encoder, Decoder }, auth: { token: "€" }, reconnection: false };

const main = io(url, options);
const [hello] = await Promise.all([next(main, "hello"), next(main, "connect")]);
same(hello, [{ token: "€" }]);

const answer = next(main, "echo");
main.emit("echo", 1, "2", { 3: [true, null] });
same(await answer, [1, "2", { 3: [true, null] }]);
same(await new Promise((resolve) => main.emit("answer", "x", (...args) => resolve(args))), ["x"]);

const question = next(main, "question");
const result = next(main, "result");
main.emit("ask");
const [text, acknowledge] = await question;
acknowledge(text + "!");
same(await result, ["?!"]);

const [error] = await next(main.io.socket("/unknown"), "connect_error");
same(error.message, "Invalid namespace");

const other = main.io.socket("/other");
await next(other, "connect");
const gone = next(other, "disconnect");
other.emit("leave");
same((await gone)[0], "io server disconnect");

main.disconnect();
console.log("ok");
