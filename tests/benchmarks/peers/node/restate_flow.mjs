// A Restate service: five durable steps that do nothing. Older releases of Node.js lack what the SDK asks for.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new Promise((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
};
const restate = await import("@restatedev/restate-sdk");

const flow = restate.service({
  name: "flow",
  handlers: {
    run: async (context) => {
      for (let step = 0; step < 5; step++) await context.run(`step ${step}`, () => null);
      return { touched: 5 };
    },
  },
});
await restate.serve({ services: [flow], port: Number(process.env.SERVICE_PORT) });
