// Serves telegram-test-api on loopback, on the port that the first argument names, until its input ends.
const TelegramServer = require("telegram-test-api");

const server = new TelegramServer({ host: "127.0.0.1", port: Number(process.argv[2]), storeTimeout: 600 });
server.start().then(() => console.log("ready"));
process.stdin.on("end", () => process.exit(0)).resume();
