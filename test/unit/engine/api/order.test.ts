import { expect, test } from "bun:test";
import { Orders } from "../../../../src/engine/api/order.ts";

const never = new AbortController().signal;
const header = (value: string) => new Headers({ "Tsd-Order": value });

/** What was begun, in order. */
function recorder(orders: Orders) {
  const begun: string[] = [];
  const send = (name: string, value: string, signal = never) =>
    orders.keep(header(value), signal, async (tell) => {
      begun.push(name);
      tell();
      return name;
    });
  return { begun, send };
}

test("one that comes first begins when those it follows are in place", async () => {
  const orders = new Orders();
  const { begun, send } = recorder(orders);
  const start = send("start", "a; after=2");
  await send("wait", "a");
  expect(begun).toEqual(["wait"]);
  await send("attach", "a");
  expect(await start).toBe("start");
  expect(begun).toEqual(["wait", "attach", "start"]);
  expect(orders.size).toBe(0);
});

test("one that comes last begins at once, while those it follows go on", async () => {
  const orders = new Orders();
  const { send } = recorder(orders);
  const goesOn = Promise.withResolvers<string>();
  const attach = orders.keep(header("a"), never, (tell) => {
    tell();
    return goesOn.promise;
  });
  expect(await send("start", "a; after=1")).toBe("start");
  goesOn.resolve("output");
  expect(await attach).toBe("output");
});

test("of other words, or of none, it is told nothing", async () => {
  const orders = new Orders();
  const { begun, send } = recorder(orders);
  const start = send("start", "a; after=1");
  await send("attach", "b");
  await orders.keep(new Headers(), never, async () => "without");
  expect(begun).toEqual(["attach"]);
  await send("attach", "a");
  await start;
});

test("it is refused when one that it follows fails, came it before or after", async () => {
  const orders = new Orders();
  const { begun, send } = recorder(orders);
  const fail = () =>
    orders.keep(header("a"), never, async () => {
      throw new Error("no such container");
    });
  const before = send("start", "a; after=2").catch(({ message }: Error) => message);
  await send("wait", "a");
  await expect(fail()).rejects.toThrow("no such container");
  expect(await before).toBe("a request that this one follows failed");
  await expect(fail()).rejects.toThrow("no such container");
  await expect(send("start", "a; after=2")).rejects.toThrow("a request that this one follows failed");
  expect(begun).toEqual(["wait"]);
  expect(orders.size).toBe(0);
});

test("an answer that was given is a failure when nothing is in place", async () => {
  const orders = new Orders();
  await orders.keep(header("a"), never, async () => "refused in its own way");
  await expect(orders.keep(header("a; after=1"), never, async () => "start")).rejects.toThrow("failed");
});

test("it does not begin for a client that has gone", async () => {
  const orders = new Orders();
  const { begun, send } = recorder(orders);
  const gone = new AbortController();
  const start = send("start", "a; after=1", gone.signal);
  gone.abort();
  await expect(start).rejects.toThrow("failed");
  await send("attach", "a");
  expect(begun).toEqual(["attach"]);
});

test("what never comes is not waited for without end, and what nobody follows is forgotten", async () => {
  const orders = new Orders(10);
  const { send } = recorder(orders);
  await expect(send("start", "a; after=1")).rejects.toThrow("failed");
  await send("attach", "b");
  expect(orders.size).toBe(1);
  while (orders.size > 0) await Bun.sleep(1);
});

test("a word that is none is refused", async () => {
  const { send } = recorder(new Orders());
  await expect(send("start", "a b")).rejects.toThrow("invalid Tsd-Order header");
});
