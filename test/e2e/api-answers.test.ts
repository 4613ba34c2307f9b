/**
 * Requests, most of them wrong, and what Docker 29.7.2 answered to each of them: status, content type, body. They are
 * sent in this order; `c1` is a container that has not run yet and ends with status 3.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { loadBusybox } from "../support/busybox.ts";
import { Daemon } from "../support/daemon.ts";
import answers from "./api/answers.json" with { type: "json" };

interface Exchange {
  method: string;
  path: string;
  /** Content-Type of the request. */
  type?: string;
  body?: string;
  status: number;
  contentType: string;
  /** Ids are masked. */
  answer: string;
}

const mask = (text: string): string =>
  text.replace(/\b[0-9a-f]{64}\b/g, "<ID>").replace(/\b[0-9a-f]{12}\b/g, "<SHORT>");

let daemon: Daemon;
beforeAll(async () => {
  daemon = await new Daemon().start();
  loadBusybox(daemon);
  await daemon.docker("create", "--name", "c1", "--network", "none", "busybox", "sh", "-c", "exit 3");
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

describe("Docker 29.7.2's answer", () => {
  for (const { method, path, type, body, ...expected } of answers as Exchange[]) {
    test(`${method} ${path} ${body ?? ""}`, async () => {
      const headers = type === undefined ? undefined : { "content-type": type };
      const response = await daemon.request(path, { method, headers, body });
      const text = mask((await response.text()).trim().replaceAll("\r\n", "\n"));
      const contentType = response.headers.get("content-type") ?? "";
      // The next request is to find it ended, as it was when these answers were recorded.
      if (path.endsWith("/c1/start")) await daemon.docker("wait", "c1");
      expect({ status: response.status, contentType, answer: text }).toEqual(expected);
    });
  }
});
