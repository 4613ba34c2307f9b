import { expect, test } from "bun:test";
import { type Body, Decoder, type Head } from "../../../../../src/engine/api/client/response.ts";

/** Feeds the text in pieces of so many bytes; gives the head and the body's text. */
async function decode(text: string, size: number, bodiless = false): Promise<[Head, string, boolean]> {
  const decoder = new Decoder();
  let got: [Head, Body] | undefined;
  decoder.expect(bodiless, (head, body) => {
    got = [head, body];
  });
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += size) decoder.push(bytes.slice(at, at + size));
  decoder.end();
  const [head, body] = got as [Head, Body];
  const reusable = body.done;
  return [head, await body.text(), await reusable];
}

const CHUNKED =
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\n";

test.each([1, 2, 3, 7, 1000])("a chunked answer is read in pieces of %d bytes", async (size) => {
  const [head, text, reusable] = await decode(CHUNKED, size);
  expect(head.status).toBe(200);
  expect(head.headers.get("x-a")).toBe("b");
  expect(text).toBe("hello, world");
  expect(reusable).toBe(true);
});

test("an answer with a length, one without a body, and one that ends with the connection", async () => {
  expect((await decode("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", 4))[1]).toBe("{}");
  expect((await decode("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 4, true))[1]).toBe("");
  const [, text, reusable] = await decode("HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nraw bytes", 6);
  expect(text).toBe("raw bytes");
  expect(reusable).toBe(false);
});

test("an answer that is cut off is an error", async () => {
  await expect(decode("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", 50)).rejects.toThrow(
    "unexpected EOF",
  );
});
