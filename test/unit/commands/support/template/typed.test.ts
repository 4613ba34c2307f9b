import { describe, expect, test } from "bun:test";
import { typed } from "../../../../../src/commands/support/template/typed.ts";
import { CONTAINER, CONTAINER_TYPES } from "../../../../../src/commands/support/template/types/container.ts";
import { IMAGE, IMAGE_TYPES } from "../../../../../src/commands/support/template/types/image.ts";
import { SYSTEM_TYPES } from "../../../../../src/commands/support/template/types/system.ts";
import { execute } from "../../../../../src/engine/template/execute.ts";
import { parseTemplate } from "../../../../../src/engine/template/parse.ts";

const container = typed(CONTAINER_TYPES, CONTAINER, {
  Id: "abc",
  State: { Status: "running", Running: true, Pid: 7, StartedAt: "a", FinishedAt: "b", Unknown: 1 },
  Config: { Cmd: ["sh"], Labels: { b: "2", a: "1" }, Entrypoint: null, ExposedPorts: { "80/tcp": {} } },
  HostConfig: {
    PidsLimit: 50,
    RestartPolicy: { Name: "no", MaximumRetryCount: 0 },
    LogConfig: { Type: "json-file", Config: {} },
    Ulimits: [{ Name: "nofile", Hard: 2, Soft: 1 }],
    Devices: [{ PathOnHost: "/dev/null", PathInContainer: "/dev/x", CgroupPermissions: "rwm" }],
  },
  NetworkSettings: { Networks: { none: { MacAddress: "" } } },
});

const GO_STATE =
  '&container.State{Status:"running", Running:true, Paused:false, Restarting:false, OOMKilled:false, Dead:false, Pid:7, ExitCode:0, Error:"", StartedAt:"a", FinishedAt:"b", Health:(*container.Health)(nil)}';

const show = (source: string, value: unknown = container): string =>
  execute(parseTemplate("", source), value);

// What docker 28.2.2 prints for the same.
describe("the API's objects print as the structs of Docker's client", () => {
  test.each([
    ["{{.State}}", "{running true false false false false 7 0  a b <nil>}"],
    ["{{.ID}} {{.State.Pid}} {{.Config.Cmd}}{{.Config.Env}}{{.Config.Volumes}}", "abc 7 [sh][]map[]"],
    ["{{.HostConfig.RestartPolicy}} {{.HostConfig.LogConfig}}", "{no 0} {json-file map[]}"],
    ["{{.HostConfig.Ulimits}} {{.HostConfig.Devices}}", "[nofile=1:2] [{/dev/null /dev/x rwm}]"],
    ["{{.HostConfig.PidsLimit}} {{.HostConfig.OomKillDisable}}", "50 <nil>"],
    ["{{.NetworkSettings.Networks}}", "map[none:0xc000000000]"],
    [
      "{{json .State}}",
      '{"Status":"running","Running":true,"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":7,"ExitCode":0,"Error":"","StartedAt":"a","FinishedAt":"b"}',
    ],
    ["{{json .Config.Labels}}{{json .Config.Env}}", '{"a":"1","b":"2"}null'],
    [
      '{{printf "%#v %#v %#v" .Config.Cmd .Config.Entrypoint .Config.Volumes}}',
      'strslice.StrSlice{"sh"} strslice.StrSlice(nil) map[string]struct {}(nil)',
    ],
    [
      '{{printf "%T %T %#v" .HostConfig.CapAdd .HostConfig.PortBindings .Config.ExposedPorts}}',
      'strslice.StrSlice nat.PortMap nat.PortSet{"80/tcp":struct {}{}}',
    ],
    ['{{printf "%#v" .State}}', GO_STATE],
  ])("%s", (source, want) => expect(show(source)).toBe(want));

  test("a field that the type does not have is an error, with the type's name", () => {
    expect(() => show("{{.State.Unknown}}")).toThrow("can't evaluate field Unknown in type container.State");
  });

  test("times print as Go prints them, and embedded structs give their fields", () => {
    const image = typed(IMAGE_TYPES, IMAGE, {
      Config: { Cmd: ["sh"], OnBuild: ["x"] },
      Metadata: { LastTagTime: "2026-11-21T08:22:12.290Z" },
    });
    expect(show("{{.Config}} {{.Config.OnBuild}} {{.Metadata}}", image)).toBe(
      "{{ map[] [] [] [sh] map[]  map[]  false} {<nil> [x] []}} [x] {2026-11-21 08:22:12.29 +0000 UTC}",
    );
    expect(show("{{json .Config}}", image)).toBe('{"Cmd":["sh"],"OnBuild":["x"]}');
  });

  test("an event keeps its nanoseconds", () => {
    const event = typed(SYSTEM_TYPES, "events.Message", {
      timeNano: 1795249412123456789n,
      Actor: { ID: "x" },
    });
    expect(show("{{.TimeNano}} {{.Actor}} {{json .TimeNano}}", event)).toBe(
      "1795249412123456789 {x map[]} 1795249412123456789",
    );
  });
});
