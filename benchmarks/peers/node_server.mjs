// The official server with its defaults.  node node_server.mjs [--port P] [--host H]
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { Server } from "socket.io";

const { values } = parseArgs({
  options: { port: { type: "string", default: "0" }, host: { type: "string", default: "127.0.0.1" } },
});

const httpServer = createServer();
const io = new Server(httpServer);

io.on("connection", (socket) => {
  socket.on("echo", (argument) => socket.emit("echo", argument));
  socket.on("bcast", (argument) => io.emit("bcast", argument));
});

httpServer.listen(Number(values.port), values.host, () => {
  console.log(`listening on http://${values.host}:${httpServer.address().port}`);
});
