import { describe, expect, test } from "bun:test";
import { execute } from "../../../../src/engine/template/execute.ts";
import { parseTemplate } from "../../../../src/engine/template/parse.ts";
import { TYPE } from "../../../../src/engine/template/values.ts";

const data = {
  Names: "c1",
  Image: "busybox",
  State: "running",
  List: ["a", "b"],
  Map: { b: 2, a: 1 },
  Nothing: null,
  N: 3,
};
const FLOATS = "float64 int float64 1.000000 %!d(float64=1)|  3.0|0x1p+01";
const render = (source: string, strict = false) => execute(parseTemplate("", source), data, { strict });

describe("templates give what Go's give", () => {
  const cases: [string, string][] = [
    ["{{.Names}}", "c1"],
    ['{{if eq .State "running"}}R{{else}}N{{end}}', "R"],
    ['{{printf "%-5s|%05d|%q|%v" .Names 7 "x" .List}}', 'c1   |00007|"x"|[a b]'],
    ['{{.Names | lower | printf "%q"}}', '"c1"'],
    ["{{range $i, $v := .List}}{{$i}}{{$v}},{{end}}", "0a,1b,"],
    ["{{range $k, $v := .Map}}{{$k}}={{$v}} {{end}}", "a=1 b=2 "],
    ["{{range .Nothing}}x{{else}}none{{end}}", "none"],
    ["{{with .Missing}}a{{else}}b{{end}}", "b"],
    ["{{.Missing}}", "<no value>"],
    ["{{.Map}} {{json .List}} {{len .Map}}", 'map[a:1 b:2] ["a","b"] 2'],
    [
      '{{join .List "-"}} {{split .Image "u"}} {{title .Image}} {{upper .Image}}',
      "a-b [b sybox] Busybox BUSYBOX",
    ],
    ["{{truncate .Image 3}}|{{pad .Names 1 2}}|", "bus| c1  |"],
    ["{{- .Names -}}  x", "c1x"],
    ["{{/* c */}}a", "a"],
    ['{{define "a"}}X{{.}}{{end}}{{template "a" .Names}}', "Xc1"],
    ['{{print 1 2 "a" 3}}', "1 2a3"],
    ["{{$x := 1}}{{$x = 2}}{{$x}}", "2"],
    ["{{not true}} {{and 1 0}} {{or 0 2}} {{lt 1 2}} {{ge 2 2}}", "false 0 2 true true"],
    ["{{1.0}} {{1e3}} {{1e6}} {{-0.0}} {{1234567.5}} {{0.00001}}", "1 1000 1e+06 -0 1.2345675e+06 1e-05"],
    ['{{printf "%T %T %T %f %d|%5.1f|%x" 1.0 1 1e3 1.0 1.0 3.0 2.0}}', FLOATS],
    ["{{lt 1.5 2.0}} {{eq 1.0 1.0}} {{not 0.0}} {{or 0.0 5.0}} {{json 1.0}}", "true true true 5 1"],
    ['{{truncate "abcdef" 2.0}}', "ab"],
    ['{{range .List}}{{if eq . "b"}}{{break}}{{end}}{{.}}{{end}}', "a"],
    ['{{index .Map "a"}} {{index .List 1}} {{slice .Image 1 3}}', "1 b us"],
    [
      '{{printf "%U %#U|%+d|% d|%05d|%+05d|%#o|%O|%q" 97 228 10 4 3 7 8 8 97}}',
      "U+0061 U+00E4 'ä'|+10| 4|00003|+0007|010|0o10|'a'",
    ],
    ['{{printf "%#v %+v %#v" .Names .List .List}}', '"c1" [a b] []string{"a", "b"}'],
    [
      '{{printf "%[2]d %[1]d %*d|%.1f|%G|%x" 1 2}}',
      "2 1 %!d(MISSING)|%!f(MISSING)|%!G(MISSING)|%!x(MISSING)",
    ],
    ['{{html "<a>"}} {{printf "%d %s" 1}}', "&lt;a&gt; 1 %!s(MISSING)"],
  ];
  test.each(cases)("%s", (source, expected) => expect(render(source)).toBe(expected));
});

describe("mistakes are named as Go names them", () => {
  const cases: [string, string][] = [
    ["{{.Foo", "template: :1: unclosed action"],
    ["{{end}}", "template: :1: unexpected {{end}}"],
    ["{{if true}}", "template: :1: unexpected EOF"],
    ["{{if}}", "template: :1: missing value for if"],
    ["{{foo}}", 'template: :1: function "foo" not defined'],
    ["{{$x}}", 'template: :1: undefined variable "$x"'],
    ['{{"a', "template: :1: unterminated quoted string"],
    ["{{#}}", 'template: :1: unexpected "#" in command'],
    ["{{.ID}", "template: :1: bad character U+007D '}'"],
  ];
  test.each(cases)("%s", (source, message) => expect(() => parseTemplate("", source)).toThrow(message));

  test("a key that is not there, where every one must be", () => {
    expect(() => render("{{.Foo}}", true)).toThrow(
      'template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"',
    );
    expect(() => render("{{json .Map.Foo}}", true)).toThrow(
      'template: :1:11: executing "" at <.Map.Foo>: map has no entry for key "Foo"',
    );
  });

  test("a field that a record does not have", () => {
    const run = () =>
      execute(parseTemplate("", "{{.Foo}}"), { [TYPE]: "*formatter.ContainerContext", ID: "x" });
    expect(run).toThrow("<.Foo>: can't evaluate field Foo in type *formatter.ContainerContext");
  });

  test.each([
    ["{{lt 1 2.0}}", "at <lt 1 2.0>: error calling lt: incompatible types for comparison"],
    ["{{eq 1.0 1}}", "error calling eq: incompatible types for comparison"],
    ["{{lt .List 1}}", "error calling lt: invalid type for comparison"],
    ["{{index .List 1.0}}", "error calling index: cannot index slice/array with type float64"],
    ["{{slice .List 1.0}}", "error calling slice: cannot index slice/array with type float64"],
    ["{{index .Map 1}}", "error calling index: value has type int; should be string"],
    ["{{range 3.0}}{{end}}", "range can't iterate over 3"],
    ["{{len 1.0}}", "error calling len: len of type float64"],
  ])("%s", (source, message) => expect(() => render(source)).toThrow(message));

  test("comparing what cannot be compared", () => {
    expect(() => render('{{eq 1 "a"}}')).toThrow("error calling eq: incompatible types for comparison");
  });
});
