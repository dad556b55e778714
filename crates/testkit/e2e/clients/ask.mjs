// The old client with npm `ws`: connect, send one frame, read exactly one, leave.
// usage: node ask.mjs URL FRAME; prints every frame it was sent, one a line.
import WebSocket from "ws";

const [url, frame] = process.argv.slice(2);
const socket = new WebSocket(url);
socket.on("open", () => socket.send(frame));
socket.on("message", (data) => {
  console.log(data.toString());
  socket.close(1000);
});
socket.on("error", (problem) => {
  console.error(problem.message);
  process.exitCode = 1;
});
