import { describe, expect, test } from "bun:test";
import { fstatSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeFd, pipe, SystemError } from "../../../src/ffi/libc.ts";
import { connectUnix, receiveFds, sendFds, socketPair, unixAddress } from "../../../src/ffi/socket.ts";

const openFds = (): number => readdirSync("/proc/self/fd").length;

describe("file descriptors in messages", () => {
  test("arrive as the same files, with the bytes that went along", () => {
    const [a, b] = socketPair();
    const { read, write } = pipe();
    sendFds(a, new TextEncoder().encode("here"), [read, write]);
    const received = receiveFds(b, 64, 4)!;
    expect(new TextDecoder().decode(received.payload)).toBe("here");
    expect(received.fds.map((fd) => fstatSync(fd).ino)).toEqual([fstatSync(read).ino, fstatSync(write).ino]);
    for (const fd of [a, b, read, write, ...received.fds]) closeFd(fd);
  });

  test("are not waited for: nothing there is undefined, the end is empty", () => {
    const [a, b] = socketPair();
    expect(receiveFds(b, 64, 4)).toBeUndefined();
    closeFd(a);
    expect(receiveFds(b, 64, 4)).toMatchObject({ payload: new Uint8Array(0), fds: [] });
    closeFd(b);
  });

  test("of which there are too many are refused, and none leaks", () => {
    const [a, b] = socketPair();
    const before = openFds();
    sendFds(a, new Uint8Array(1), [a, a, a, a]);
    expect(() => receiveFds(b, 64, 2)).toThrow(SystemError);
    expect(openFds()).toBe(before);
    closeFd(a);
    closeFd(b);
  });

  test("sent to who has gone are an error, not a signal", () => {
    const [a, b] = socketPair();
    closeFd(b);
    expect(() => sendFds(a, new Uint8Array(1), [])).toThrow("broken pipe");
    closeFd(a);
  });
});

describe("unix sockets", () => {
  test("have paths of at most 107 bytes", () => {
    expect(unixAddress("x".repeat(107)).length).toBe(110);
    expect(() => unixAddress("x".repeat(108))).toThrow("file name too long");
  });

  test("that nobody listens on are an error with its code, and no fd is left", () => {
    const folder = mkdtempSync(join(tmpdir(), "socket-"));
    const before = openFds();
    const error = (() => {
      try {
        return connectUnix(join(folder, "none"));
      } catch (error) {
        return error;
      }
    })();
    expect(error).toMatchObject({ code: "ENOENT", errno: 2 });
    expect(openFds()).toBe(before);
    rmSync(folder, { recursive: true });
  });
});
