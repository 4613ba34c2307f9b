import { expect, test } from "bun:test";
import { answer, parseChallenges } from "../../../../src/registry/client/auth.ts";
import { isInsecure } from "../../../../src/registry/client/endpoint.ts";

test("challenges are parsed, quoted commas and several schemes included", () => {
  expect(
    parseChallenges(
      'Bearer realm="https://a/token?x=1,2",service="reg",scope="repository:a/b:pull,push", Basic realm="r"',
    ),
  ).toEqual([
    {
      scheme: "bearer",
      parameters: { realm: "https://a/token?x=1,2", service: "reg", scope: "repository:a/b:pull,push" },
    },
    { scheme: "basic", parameters: { realm: "r" } },
  ]);
  expect(parseChallenges("")).toEqual([]);
});

const challenge = parseChallenges('Bearer realm="https://auth.test/token",service="reg"');

test("an anonymous token is asked for with service and scope, and no account", async () => {
  let asked = "";
  const header = await answer(challenge, "repository:library/a:pull", undefined, async (url, init) => {
    asked = url;
    expect((init.headers as Record<string, string>).Authorization).toBeUndefined();
    return Response.json({ access_token: "T" });
  });
  expect(header).toBe("Bearer T");
  expect(asked).toBe("https://auth.test/token?service=reg&scope=repository%3Alibrary%2Fa%3Apull");
});

test("a password is sent to the token server as basic authentication", async () => {
  await answer(challenge, "s", { username: "u", password: "p:w" }, async (url, init) => {
    expect(new URL(url).searchParams.get("account")).toBe("u");
    expect((init.headers as Record<string, string>).Authorization).toBe(`Basic ${btoa("u:p:w")}`);
    return Response.json({ token: "T" });
  });
});

test("an identity token is exchanged by OAuth2", async () => {
  await answer(challenge, "s", { identitytoken: "R" }, async (_url, init) => {
    expect(init.method).toBe("POST");
    expect(String(init.body)).toContain("grant_type=refresh_token");
    return Response.json({ access_token: "T" });
  });
});

test("a token server that answers nonsense, or is none, is an error", async () => {
  const ask = (body: unknown) => answer(challenge, "s", undefined, async () => Response.json(body));
  await expect(ask({})).rejects.toThrow("did not include a token");
  await expect(ask({ token: "a\r\nb" })).rejects.toThrow("did not include a token");
  const file = parseChallenges('Bearer realm="file:///etc/passwd"');
  await expect(answer(file, "s", undefined, async () => Response.json({}))).rejects.toThrow(
    "invalid token server",
  );
  await expect(answer(parseChallenges("Basic realm=r"), "s", undefined, fetch)).rejects.toThrow(
    "no basic auth credentials",
  );
});

test("plain HTTP is for loopback and what was named", async () => {
  for (const [domain, insecure, expected] of [
    ["localhost:5000", [], true],
    ["127.1.2.3:5000", [], true],
    ["[::1]:5000", [], true],
    ["10.0.0.1:5000", [], false],
    ["10.0.0.1:5000", ["10.0.0.0/8"], true],
    ["reg.test:5000", ["reg.test:5000"], true],
    ["reg.test:5000", ["reg.test"], true],
    ["reg.test:5000", ["reg.test:5001"], false],
    ["docker.io", [], false],
  ] as const) {
    expect(await isInsecure(domain, { insecure }), domain).toBe(expected);
  }
});
