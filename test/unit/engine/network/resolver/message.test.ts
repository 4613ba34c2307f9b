import { describe, expect, test } from "bun:test";
import {
  encodeName,
  isAnswerTo,
  parseQuery,
  type Query,
  RCODE,
  readdress,
  reply,
  replyCode,
  TYPE,
} from "../../../../../src/engine/network/resolver/message.ts";
import { labels, question, readMessage } from "../../../../support/dns.ts";

const parsed = (packet: Uint8Array): Query => {
  const query = parseQuery(packet);
  if (query === "ignore" || "rcode" in query) throw new Error(`rejected: ${JSON.stringify(query)}`);
  return query;
};
const changed = (packet: Uint8Array, at: number, ...bytes: number[]): Uint8Array => {
  const copy = packet.slice();
  copy.set(bytes, at);
  return copy;
};

describe("a query is read", () => {
  test("with its name in lower case and what the asker takes", () => {
    const packet = question({ name: "WeB.Front", type: TYPE.AAAA, edns: 4096 });
    expect(parsed(packet)).toEqual({
      id: 0x1234,
      name: "web.front",
      type: 28,
      class: 1,
      end: 27,
      udpSize: 4096,
    });
    expect(parsed(question({ name: "a", type: 1, edns: 100 })).udpSize).toBe(512);
    expect(parsed(question({ name: "a", type: 1 })).udpSize).toBeUndefined();
  });
  test("with a dot inside of a label apart from one between two", () => {
    expect(parsed(question({ name: "a", type: 1 })).name).toBe("a");
    const odd = Uint8Array.from([
      ...question({ name: "", type: 1 }).subarray(0, 12),
      3,
      97,
      46,
      98,
      0,
      0,
      1,
      0,
      1,
    ]);
    expect(parsed(odd).name).toBe("a\\.b");
  });
});

describe("what is no query is refused", () => {
  const good = question({ name: "web", type: 1, edns: 1232 });
  const code = (packet: Uint8Array) => parseQuery(packet) as unknown;
  test("an answer is not answered, nor what has no header", () => {
    expect(code(changed(good, 2, 0x81))).toBe("ignore");
    for (let length = 0; length < 12; length++) expect(code(good.subarray(0, length))).toBe("ignore");
  });
  test("other operations are not there", () => {
    expect(code(changed(good, 2, 0x20))).toEqual({ rcode: RCODE.NOTIMP });
    expect(code(changed(good, 2, 0x28))).toEqual({ rcode: RCODE.NOTIMP });
  });
  test("none or several questions, too many records, and every cut", () => {
    expect(code(changed(good, 5, 0))).toEqual({ rcode: RCODE.FORMERR });
    expect(code(changed(good, 5, 2))).toEqual({ rcode: RCODE.FORMERR });
    expect(code(changed(good, 11, 3))).toEqual({ rcode: RCODE.FORMERR });
    expect(code(changed(good, 6, 255, 255))).toEqual({ rcode: RCODE.FORMERR });
    for (let length = 12; length < good.length; length++)
      expect(code(good.subarray(0, length))).toEqual({ rcode: RCODE.FORMERR });
  });
  test("a pointer in the question, to itself or elsewhere", () => {
    expect(code(changed(good, 12, 0xc0, 12))).toEqual({ rcode: RCODE.FORMERR });
    expect(code(changed(good, 12, 0x40))).toEqual({ rcode: RCODE.FORMERR });
  });
  test("a name of more than 255 bytes", () => {
    const long = `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(61)}`;
    expect(parsed(question({ name: long, type: 1 })).name).toBe(long);
    expect(code(question({ name: `${long}d`, type: 1 }))).toEqual({ rcode: RCODE.FORMERR });
  });
  test("and no packet whatever makes it throw", () => {
    for (let round = 0; round < 20_000; round++) {
      const packet = crypto.getRandomValues(new Uint8Array(12 + (round % 60)));
      if (round % 2 === 0) packet.set([0, 0, 0, 1, 0, 0, 0, 0, 0, 1], 2);
      const query = parseQuery(packet);
      if (query !== "ignore" && "name" in query) {
        expect(query.end).toBeLessThanOrEqual(packet.length);
        readMessage(replyCode(packet, RCODE.SERVFAIL, query).subarray(0, query.end));
      }
    }
  });
});

describe("a reply", () => {
  const address = Uint8Array.of(172, 18, 0, 2);
  test("has the question as it was asked, and each address for Docker's ten minutes", () => {
    const packet = question({ name: "wEb", type: TYPE.A, id: 7 });
    const bytes = reply(packet, parsed(packet), { type: TYPE.A, data: [address] }, 512);
    expect(bytes[2]! & 0x81).toBe(0x81);
    expect(bytes[3]).toBe(0x80);
    expect(readMessage(bytes)).toEqual({
      id: 7,
      rcode: 0,
      truncated: false,
      question: "wEb",
      answers: [{ name: "wEb", type: 1, ttl: 600, data: "ac120002" }],
      edns: undefined,
    });
  });
  test("to who speaks EDNS speaks it too", () => {
    const packet = question({ name: "web", type: TYPE.AAAA, edns: 4096 });
    const message = readMessage(reply(packet, parsed(packet), { type: TYPE.AAAA, data: [] }, 4096));
    expect(message).toMatchObject({ rcode: 0, answers: [], edns: 1232 });
  });
  test("that is too long has what fits and says so", () => {
    const data = Array.from({ length: 100 }, (_, i) => Uint8Array.of(10, 0, 0, i));
    const plain = question({ name: "web", type: TYPE.A });
    const cut = reply(plain, parsed(plain), { type: TYPE.A, data }, 512);
    expect(cut.length).toBeLessThanOrEqual(512);
    expect(readMessage(cut)).toMatchObject({ truncated: true });
    expect(readMessage(cut).answers).toHaveLength(Math.floor((512 - 21) / 16));
    const edns = question({ name: "web", type: TYPE.A, edns: 4096 });
    const whole = readMessage(reply(edns, parsed(edns), { type: TYPE.A, data }, 4096));
    expect(whole).toMatchObject({ truncated: false, edns: 1232 });
    expect(whole.answers).toHaveLength(100);
  });
  test("with a name has it in its labels", () => {
    const packet = question({ name: "2.0.18.172.in-addr.arpa", type: TYPE.PTR });
    const data = [encodeName("web.front")!];
    expect(readMessage(reply(packet, parsed(packet), { type: TYPE.PTR, data }, 512)).answers[0]!.data).toBe(
      "web.front",
    );
    for (const bad of ["", "a..b", "x".repeat(64), Array(100).fill("abc").join(".")])
      expect(encodeName(bad)).toBeUndefined();
  });
  test("of a code alone has no answers, and no question that was not understood", () => {
    const packet = question({ name: "web", type: 1 });
    expect(readMessage(replyCode(packet, RCODE.REFUSED, parsed(packet)))).toMatchObject({
      rcode: 5,
      question: "web",
    });
    expect(readMessage(replyCode(packet, RCODE.FORMERR))).toMatchObject({
      id: 0x1234,
      rcode: 1,
      question: "",
    });
  });
});

describe("an answer from elsewhere", () => {
  const forwarded = question({ name: "Example.com", type: 1, id: 0xbeef });
  const end = parsed(forwarded).end;
  const answer = (more: number[] = []): Uint8Array =>
    Uint8Array.from([
      0xbe,
      0xef,
      0x81,
      0x80,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      0,
      ...labels("example.COM"),
      0,
      1,
      0,
      1,
      ...more,
    ]);
  test("is ours with our number and our question, in any letters", () => {
    expect(isAnswerTo(answer(), forwarded, end)).toBe(true);
  });
  test("is not with another number, question, type, or when it asks itself", () => {
    expect(isAnswerTo(changed(answer(), 1, 0xee), forwarded, end)).toBe(false);
    expect(isAnswerTo(changed(answer(), 13, 0x66), forwarded, end)).toBe(false);
    expect(isAnswerTo(changed(answer(), end - 3, 28), forwarded, end)).toBe(false);
    expect(isAnswerTo(changed(answer(), 2, 0x01), forwarded, end)).toBe(false);
    for (let length = 0; length < end; length++)
      expect(isAnswerTo(answer().subarray(0, length), forwarded, end)).toBe(false);
  });
  test("may leave the question out when it only says that it failed", () => {
    const failed = Uint8Array.of(0xbe, 0xef, 0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0);
    expect(isAnswerTo(failed, forwarded, end)).toBe(true);
    expect(isAnswerTo(changed(failed, 3, 0x80), forwarded, end)).toBe(false);
  });
  test("goes to an asker under its own number and letters", () => {
    const asker = question({ name: "EXAMPLE.com", type: 1, id: 1 });
    expect(readMessage(readdress(answer(), asker, end))).toMatchObject({ id: 1, question: "EXAMPLE.com" });
  });
});
