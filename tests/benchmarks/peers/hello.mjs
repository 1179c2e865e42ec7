// A bare Node.js server: a constant.
import http from "node:http";

const body = '{"ok":true}';
http
  .createServer((request, response) => {
    request.resume();
    response.writeHead(200, { "Content-Type": "application/json", "Content-Length": body.length });
    response.end(body);
  })
  .listen(Number(process.env.PORT), "127.0.0.1");
