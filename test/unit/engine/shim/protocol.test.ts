import { expect, test } from "bun:test";
import {
  type Method,
  type Methods,
  type ReceivedLaunch,
  readRequest,
  writeRequest,
} from "../../../../src/engine/shim/protocol.ts";

const LAUNCH: Methods["prepare"][0] = {
  id: "1".repeat(64),
  attempt: "one",
  spec: { ociVersion: "1.2.0", process: { cwd: "/", env: ['A=","spec":{}}}', "B=é\n"] } },
  rootfs: { kind: "path", path: '/a,"spec":' },
  io: { kind: "pipes", stdin: false, stdinOnce: false },
  log: { driver: "json-file", path: "/l", options: {}, attributes: { label: ',"spec":' } },
  init: false,
};

const write = <M extends Method>(method: M, params: Methods[M][0]): string =>
  writeRequest({ id: 7, method, params }).slice(0, -1);

/** What of a line is understood, with its specification parsed. */
function read(line: string): unknown {
  const { params, ...request } = readRequest(line);
  return { ...request, params: { ...params, spec: (params as ReceivedLaunch).spec.value } };
}

test("a request is one line of JSON, whoever reads it", () => {
  for (const [method, params] of [
    ["prepare", LAUNCH],
    ["list", {}],
  ] as const) {
    const line = write(method, params);
    expect(JSON.parse(line)).toEqual({ id: 7, method, params });
    expect(line).not.toContain("\n");
  }
});

test("a launch's specification is left as it is until somebody asks for it", () => {
  const line = write("prepare", LAUNCH);
  expect(read(line)).toEqual({ id: 7, method: "prepare", params: LAUNCH });
  const broken = line.replace('"ociVersion"', "ociVersion");
  const { spec, ...rest } = readRequest(broken).params as ReceivedLaunch;
  expect(rest.attempt).toBe("one");
  expect(() => spec.value).toThrow(SyntaxError);
});

test("one among other members is found as well, of an older client's", () => {
  const { id, attempt, spec, ...rest } = LAUNCH;
  for (const params of [
    { id, spec, ...rest, attempt },
    { spec, attempt, id, ...rest },
  ]) {
    expect(read(JSON.stringify({ id: 7, method: "prepare", params }))).toEqual({
      id: 7,
      method: "prepare",
      params: LAUNCH,
    });
  }
});

test("no label is taken for the specification", () => {
  const log = { ...LAUNCH.log, attributes: { a: "1", spec: '{"a":"b"}}}' } };
  const launch = { ...LAUNCH, log } as typeof LAUNCH;
  expect(read(write("prepare", launch))).toEqual({ id: 7, method: "prepare", params: launch });
});

test("requests without one are as they are sent", () => {
  const params = { id: "e", container: "c", process: { cwd: "/", env: [',"spec":'] }, io: LAUNCH.io };
  expect(readRequest(write("exec", params))).toEqual({ id: 7, method: "exec", params });
});
