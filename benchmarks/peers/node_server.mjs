// The official server with its defaults.  node node_server.mjs [--port P] [--host H] [--parser common|msgpack]
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { Server } from "socket.io";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    host: { type: "string", default: "127.0.0.1" },
    parser: { type: "string", default: "common" },
  },
});

const parser = values.parser === "msgpack" ? (await import("socket.io-msgpack-parser")).default : undefined;
const httpServer = createServer((request, response) => response.end("ok"));
const io = new Server(httpServer, parser ? { parser } : {});

io.on("connection", (socket) => {
  socket.on("echo", (argument) => socket.emit("echo", argument));
  socket.on("binary", (argument) => socket.emit("binary", argument));
  socket.on("ack", (argument, answer) => answer(argument));
  socket.on("bcast", (argument) => io.emit("bcast", argument));
  socket.on("bcast10", (argument) => {
    for (let i = 0; i < 10; i++) io.emit("bcast", argument);
  });
  socket.on("join", (room) => {
    socket.join(`room-${room}`);
    socket.emit("joined");
  });
  socket.on("room", (room, argument) => io.to(`room-${room}`).emit("room", argument));
});

httpServer.listen(Number(values.port), values.host, () => {
  console.log(`listening on http://${values.host}:${httpServer.address().port}`);
});
