import { describe, expect, test } from "bun:test";
import { createRequest, execCreateRequest } from "../../../src/engine/api/json/requests.ts";
import { DecodedJson, decodeJson } from "../../../src/engine/json/decode.ts";
import { syntaxError } from "../../../src/engine/json/syntax.ts";

const create = (body: string) => decodeJson<Record<string, unknown>>(body, createRequest);
const refusal = (body: string): string => {
  try {
    create(body);
  } catch (error) {
    return (error as Error).message;
  }
  return "accepted";
};

describe("a create request is decoded as Go does", () => {
  test("texts that are no JSON are refused in Go's words", () => {
    expect(refusal("")).toBe("invalid JSON: EOF");
    expect(refusal(" \n")).toBe("invalid JSON: EOF");
    expect(refusal("{")).toBe("invalid JSON: unexpected EOF");
    expect(refusal('{"Image":"a')).toBe("invalid JSON: unexpected EOF");
    expect(refusal("x")).toBe("invalid JSON: invalid character 'x' looking for beginning of value");
    expect(refusal("{a:1}")).toBe(
      "invalid JSON: invalid character 'a' looking for beginning of object key string",
    );
    expect(refusal('{"a" 1}')).toBe("invalid JSON: invalid character '1' after object key");
    expect(refusal('{"a":1 "b"}')).toBe("invalid JSON: invalid character '\"' after object key:value pair");
    expect(refusal("[1 2]")).toBe("invalid JSON: invalid character '2' after array element");
    expect(refusal('{"a":tru}')).toBe("invalid JSON: invalid character '}' in literal true (expecting 'e')");
    expect(refusal('{"a":"\\x"}')).toBe("invalid JSON: invalid character 'x' in string escape code");
    expect(refusal('{"a":1.}')).toBe(
      "invalid JSON: invalid character '}' after decimal point in numeric literal",
    );
    expect(refusal('{"Image":"x"}{')).toBe("unexpected content after JSON");
  });
  test("a text that is nested too deeply is refused where Go refuses it", () => {
    expect(refusal("[".repeat(200_000))).toBe("invalid JSON: invalid character '[' exceeded max depth");
    expect(refusal('{"a":'.repeat(200_000))).toBe("invalid JSON: invalid character '{' exceeded max depth");
    expect(refusal(`{"Image":"x","Unknown":${"[".repeat(5000)}${"]".repeat(5000)}}`)).toBe("accepted");
  });
  test("null is the zero value as an item of a list or map, unless Go keeps a pointer there", () => {
    expect(create('{"Cmd":["a",null],"Labels":{"a":null},"Volumes":{"/v":null}}')).toEqual({
      Cmd: ["a", ""],
      Labels: { a: "" },
      Volumes: { "/v": {} },
    });
    expect(create('{"HostConfig":{"Devices":[null],"Ulimits":[null]}}')).toEqual({
      HostConfig: { Devices: [{}], Ulimits: [null] },
    });
  });
  test("wrong types are named with their field's path and Go type", () => {
    const into = "invalid JSON: json: cannot unmarshal";
    expect(refusal("[]")).toBe(`${into} array into Go value of type container.CreateRequest`);
    expect(refusal('{"Cmd":5}')).toBe(
      `${into} number into Go struct field CreateRequest.Config.Cmd of type []string`,
    );
    expect(refusal('{"Env":"A"}')).toBe(
      `${into} string into Go struct field CreateRequest.Config.Env of type []string`,
    );
    expect(refusal('{"Cmd":[1]}')).toBe(
      `${into} number into Go struct field CreateRequest.Config.Cmd of type string`,
    );
    expect(refusal('{"HostConfig":{"Memory":"1g"}}')).toBe(
      `${into} string into Go struct field HostConfig.HostConfig.Resources.Memory of type int64`,
    );
    expect(refusal('{"HostConfig":{"Memory":1.5}}')).toBe(
      `${into} number 1.5 into Go struct field HostConfig.HostConfig.Resources.Memory of type int64`,
    );
    expect(refusal('{"HostConfig":3}')).toBe(
      `${into} number into Go struct field CreateRequest.HostConfig of type container.HostConfig`,
    );
    expect(refusal('{"Tty":"yes"}')).toBe(
      `${into} string into Go struct field CreateRequest.Config.Tty of type bool`,
    );
  });
  test("ports are checked where they are read", () => {
    expect(refusal('{"HostConfig":{"PortBindings":{"x/tcp":[{}]}}}')).toBe(
      "invalid JSON: invalid port 'x': invalid syntax",
    );
    expect(refusal('{"ExposedPorts":{"70000/tcp":{}}}')).toBe(
      "invalid JSON: invalid port '70000': value out of range",
    );
  });
  test("names match in any case, unknown ones and null are dropped", () => {
    expect(create('{"image":"a","Nosuch":1,"Cmd":null,"HostConfig":{"memory":5}}')).toEqual({
      Image: "a",
      HostConfig: { Memory: 5 },
    });
  });
  test("a key __proto__ changes no prototype", () => {
    const decoded = create('{"Image":"a","Labels":{"__proto__":"x","b":"c"}}');
    expect(Object.getPrototypeOf(decoded.Labels)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });
  test("a Go array takes as many items as it has", () => {
    expect(decodeJson<object>('{"ConsoleSize":[1,2,3]}', execCreateRequest)).toEqual({ ConsoleSize: [1, 2] });
  });
});

describe("a document that comes again", () => {
  const body = '{"Image":"a","cmd":["x"],"Env":null,"Labels":{"__proto__":"p"},"HostConfig":{"memory":5}}';

  test("is decoded to the same, which is its reader's own", () => {
    const known = new DecodedJson(createRequest);
    const first = known.decode<{ Cmd: string[] }>(body);
    const expected = JSON.stringify(create(body));
    expect(JSON.stringify(first)).toBe(expected);
    first.Cmd.push("y");
    const second = known.decode<{ Cmd: string[] }>(body);
    expect(JSON.stringify(second)).toBe(expected);
    second.Cmd.push("z");
    expect(JSON.stringify(known.decode(body))).toBe(expected);
  });

  test("is forgotten when nobody has sent it for long: there may be secrets in it", async () => {
    const known = new DecodedJson(createRequest, 50);
    known.decode(body);
    expect(known.size).toBe(1);
    await Bun.sleep(200);
    expect(known.size).toBe(0);
    expect(JSON.stringify(known.decode(body))).toBe(JSON.stringify(create(body)));
  });

  test("is refused again", () => {
    const known = new DecodedJson(createRequest);
    for (let n = 0; n < 2; n++) expect(() => known.decode('{"Image":5}')).toThrow("cannot unmarshal");
  });
});

test("a document that is to be one value is refused in json.Unmarshal's words", () => {
  expect(syntaxError("")).toBe("unexpected end of JSON input");
  expect(syntaxError('{"a":')).toBe("unexpected end of JSON input");
  expect(syntaxError("{nope")).toBe("invalid character 'n' looking for beginning of object key string");
  expect(syntaxError("{} x")).toBe("invalid character 'x' after top-level value");
});
