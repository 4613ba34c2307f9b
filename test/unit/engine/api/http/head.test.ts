import { describe, expect, test } from "bun:test";
import { BodyReader } from "../../../../../src/engine/api/http/body.ts";
import { BadRequest, readHead } from "../../../../../src/engine/api/http/head.ts";

const read = (text: string) => readHead(Buffer.from(text, "latin1"));

function statusOf(text: string): number {
  try {
    read(text);
  } catch (error) {
    if (error instanceof BadRequest) return error.status;
    throw error;
  }
  return 200;
}

describe("a request's head", () => {
  test("is taken when all of it is there, and no more than it", () => {
    const text = "POST /v1.50/a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n";
    for (let cut = 0; cut < text.length; cut++) expect(read(text.slice(0, cut))).toBeUndefined();
    const { head, size } = read(`${text}12345`)!;
    expect(size).toBe(text.length);
    expect(head).toMatchObject({
      method: "POST",
      target: "/v1.50/a?b=c",
      length: 5,
      keepAlive: true,
      upgrade: false,
    });
    expect(head.headers.get("host")).toBe("x");
  });

  test("is found when its end comes after the rest was searched", () => {
    const text = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    for (let searched = 0; searched < text.length; searched++)
      expect(readHead(Buffer.from(text), searched)?.size).toBe(text.length);
  });

  test("may have empty lines in front", () => {
    expect(read("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")).toMatchObject({
      size: 31,
      head: { target: "/" },
    });
  });

  test("may have lines that all end with a line feed alone", () => {
    const text = "\nPOST /a HTTP/1.1\nHost: x\nContent-Length: 5\n\n";
    for (let cut = 0; cut < text.length; cut++) {
      expect(read(text.slice(0, cut))).toBeUndefined();
      expect(readHead(Buffer.from(text), cut)?.size).toBe(text.length);
    }
    const { head, size } = read(`${text}12345`)!;
    expect([size, head.target, head.length, head.headers.get("host")]).toEqual([text.length, "/a", 5, "x"]);
  });

  test("says whether the connection goes on, and how", () => {
    const head = (fields: string, version = "1.1") =>
      read(`GET / HTTP/${version}\r\nHost: x\r\n${fields}\r\n`)!.head;
    expect(head("Connection: close\r\n").keepAlive).toBe(false);
    expect(head("", "1.0")).toMatchObject({ keepAlive: false, chunks: false });
    expect(head("Connection: Keep-Alive\r\n", "1.0")).toMatchObject({ keepAlive: true, chunks: false });
    expect(head("Connection: keep-alive\r\nConnection: close\r\n", "1.0").keepAlive).toBe(false);
    expect(head("Connection: keep-alive, Upgrade\r\nUpgrade: tcp\r\n").upgrade).toBe(true);
    expect(head("Upgrade: tcp\r\n").upgrade).toBe(false);
    expect(head("Expect: 100-Continue\r\n").expectsContinue).toBe(true);
  });

  test.each([
    ["no host", "GET / HTTP/1.1\r\n\r\n", "missing required Host header"],
    ["no host beside a whole URL", "GET http://x/ HTTP/1.1\r\n\r\n", "missing required Host header"],
    ["a host that is none", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "malformed Host header"],
    ["a name with a blank", "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", "invalid header name"],
    ["a control character", "GET / HTTP/1.1\r\nHost: x\r\nA: b\x01\r\n\r\n", "invalid header value"],
    ["two hosts", "GET / HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n", ""],
    ["two hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", ""],
    ["a bare line feed at its end", "GET / HTTP/1.1\r\nHost: x\n\r\n", ""],
  ])("with %s is refused, and told so where Go's server does", (_, text, told) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ status: 400, told }));
  });

  test("needs no host in HTTP/1.0, and one that is empty is one", () => {
    expect(statusOf("GET / HTTP/1.0\r\n\r\n")).toBe(200);
    expect(statusOf("GET / HTTP/1.1\r\nHost:\r\n\r\n")).toBe(200);
  });

  test.each([
    ["no request line", "hello\r\n\r\n", 400],
    ["two spaces", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    ["another protocol", "GET / HTTP/2.0\r\n\r\n", 505],
    ["a method that nobody knows", "get / HTTP/1.1\r\nHost: x\r\n\r\n", 501],
    ["line feeds, and one CR LF", "GET / HTTP/1.1\nHost: x\r\nA: b\n\n", 400],
    ["line feeds, and a CR LF at its end", "GET / HTTP/1.1\nHost: x\n\r\n", 400],
    ["CR LF, and a line feed at its end", "GET / HTTP/1.1\r\nHost: x\r\n\n", 400],
    ["a carriage return and no line feed after it", "GET / HTTP/1.1\nHost: x\rA: b\n\n", 400],
    // Whoever reads CR LF alone sees one field, and a body of none.
    ["a head within a field", "GET / HTTP/1.1\r\nHost: x\r\nA: b\n\nGET /x HTTP/1.1\r\n\r\n", 400],
    ["a length within a field", "POST / HTTP/1.1\r\nHost: x\r\nA: b\nContent-Length: 9\r\n\r\n", 400],
    ["a line feed within a field", "GET / HTTP/1.1\r\nHost: x\r\nA: b\nC: d\r\n\r\n", 400],
    ["a space before the colon", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\n", 400],
    ["a field over two lines", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400],
    ["a NUL", "GET / HTTP/1.1\r\nHost: x\r\nA: b\0\r\n\r\n", 400],
    [
      "a length and chunks",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
      400,
    ],
    ["two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400],
    ["a signed length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n", 400],
    ["another coding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501],
    ["chunks in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400],
    [
      "the same length twice",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
      400,
    ],
    ["a carriage return within a field", "GET / HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n", 400],
    ["an unknown expectation", "POST / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n", 417],
    ["a target that is no path", "GET x/y HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    ["a target that names a user", "GET http://a@b/ HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    // Both would stall everybody for minutes if their cost grew with their square.
    [
      "a megabyte of blanks and a NUL",
      `GET / HTTP/1.1\r\nHost: x\r\nA:${" ".repeat(1_000_000)}\0\r\n\r\n`,
      400,
    ],
    [
      "100,000 fields",
      `GET / HTTP/1.1\r\nHost: x\r\n${Array.from({ length: 100_000 }, (_, n) => `${n}:\r\n`).join("")}\r\n`,
      431,
    ],
    ["more than a megabyte", `GET / HTTP/1.1\r\nHost: x\r\nA: ${"b".repeat(1 << 20)}`, 431],
  ])("is refused with %s", (_, text, status) => {
    expect(statusOf(text)).toBe(status);
  });
});

describe("a chunked body", () => {
  const text = "5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nTrailer: x\r\n\r\n";

  test("is the same however it is cut", () => {
    for (let cut = 1; cut <= text.length; cut++) {
      const reader = new BodyReader("chunked");
      let got = "";
      let used = 0;
      for (let at = 0; at < text.length; at += cut)
        used += reader.push(Buffer.from(text.slice(at, at + cut)), (piece) => {
          got += piece.toString();
        });
      expect([got, used, reader.done]).toEqual(["hello world", text.length, true]);
    }
  });

  test("leaves what follows it", () => {
    expect(new BodyReader("chunked").push(Buffer.from(`${text}GET /`), () => {})).toBe(text.length);
  });

  test.each(["x\r\n", "-1\r\n", "5\nhello", "1\r\nab\r\n", "5 5\r\nhello\r\n", `${"0".repeat(20)}\r\n`])(
    "is refused when it reads %j",
    (bad) => {
      expect(() => new BodyReader("chunked").push(Buffer.from(bad), () => {})).toThrow(BadRequest);
    },
  );
});
