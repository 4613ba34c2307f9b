import { expect, test } from "bun:test";
import { byContainerPort, plan } from "../../../../src/engine/network/change-ports.ts";

const one = (HostPort: string, HostIp = "") => ({ HostIp, HostPort });
const published = (containerPort: number, hostPort: number, hostIp = "0.0.0.0") => ({
  protocol: "tcp" as const,
  containerPort,
  hostIp,
  hostPort,
});

test("a port is added beside what there is", () => {
  const next = plan(
    { "80/tcp": [one("8080")] },
    { add: { "80": [one("8081")], "53/udp": null }, remove: {} },
    [],
  );
  expect(next).toEqual({ "80/tcp": [one("8080"), one("8081")], "53/udp": [one("")] });
});

test("a container's port goes with all of its bindings, or with the one that is named", () => {
  const current = { "80/tcp": [one("8080"), one("8081", "127.0.0.1")], "81/tcp": [one("9000")] };
  expect(plan(current, { add: {}, remove: { "80/tcp": null } }, [])).toEqual({ "81/tcp": [one("9000")] });
  expect(plan(current, { add: {}, remove: { "80/tcp": [one("8081")] } }, [])).toEqual({
    "80/tcp": [one("8080")],
    "81/tcp": [one("9000")],
  });
});

test("a port that was given out can be named", () => {
  const current = { "80/tcp": [one("")], "81/tcp": [one("9000-9010")], "82/tcp": [one("0")] };
  const there = [published(80, 32_768), published(81, 9003), published(82, 32_769)];
  const remove = { "80/tcp": [one("32768")], "81/tcp": [one("9003")], "82/tcp": [one("32769")] };
  expect(plan(current, { add: {}, remove }, there)).toEqual({});
  expect(() => plan(current, { add: {}, remove: { "80/tcp": [one("9003")] } }, there)).toThrow(
    "port 9003:80/tcp is not published",
  );
});

test("what is not published cannot go, and what is cannot come", () => {
  const current = { "80/tcp": [one("8080")] };
  for (const [port, list] of [
    ["81/tcp", null],
    ["80/udp", null],
    ["80/tcp", [one("9")]],
  ] as const) {
    expect(() => plan(current, { add: {}, remove: { [port]: list && [...list] } }, [])).toThrow(
      "is not published",
    );
  }
  expect(() => plan(current, { add: { "80/tcp": [one("8080")] }, remove: {} }, [])).toThrow(
    "port 8080:80/tcp is already published",
  );
});

test("a port may go and come again in one change", () => {
  const changes = { add: { "81/tcp": [one("8080")] }, remove: { "80/tcp": [one("8080")] } };
  expect(plan({ "80/tcp": [one("8080")] }, changes, [])).toEqual({ "81/tcp": [one("8080")] });
});

test("a lone port that is the host's alone means what is published there", () => {
  const current = { "80/tcp": [one("9090"), one("8080")], "81/tcp": [one("")] };
  const there = [published(80, 9090), published(80, 8080), published(81, 32_768)];
  const meant = (remove: Record<string, null>) => byContainerPort({ add: {}, remove }, current, there).remove;
  expect(meant({ "9090/tcp": null })).toEqual({ "80/tcp": [one("9090")] });
  expect(meant({ "32768/tcp": null })).toEqual({ "81/tcp": [one("32768")] });
  expect(meant({ "9090/tcp": null, "8080/tcp": null })).toEqual({ "80/tcp": [one("9090"), one("8080")] });
  expect(meant({ "80/tcp": null, "9090/tcp": null })).toEqual({ "80/tcp": [] });
  // The container's own numbers come first, and protocols differ.
  expect(meant({ "81/tcp": null })).toEqual({ "81/tcp": [] });
  expect(meant({ "9090/udp": null })).toEqual({ "9090/udp": [] });
});

test("a container that does not run is asked by what it will publish", () => {
  const changes = { add: {}, remove: { "9090/tcp": null } };
  expect(byContainerPort(changes, { "80/tcp": [one("9090")] }, []).remove).toEqual({
    "80/tcp": [one("9090")],
  });
});
